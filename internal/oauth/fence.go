package oauth

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// reach is how far away an address is. A host that a server names may be asked only as
// far in as the hosts the operator typed.
type reach int32

const (
	reachPublic   reach = iota
	reachPrivate        // the local network, or a provider's
	reachLoopback       // this machine
	reachSpecial        // link-local, unspecified, multicast, reserved: only when typed
)

// fence judges every address asked on behalf of one profile: URLs before they are
// used, and resolved addresses when they are dialled (RFC 9728 §7.7).
type fence struct {
	typed    map[string]bool // host names the operator wrote into the profile
	loopback bool            // one of them is this machine
	inner    atomic.Int32    // the innermost reach that a typed host is known to have
}

func newFence(p profile.Profile) *fence {
	f := &fence{typed: map[string]bool{}}
	si := p.SignIn
	for _, raw := range append([]string{p.Target, si.Issuer, si.AuthorizeURL, si.TokenURL}, si.TrustedIssuers...) {
		u, err := url.Parse(raw)
		if err != nil || u.Hostname() == "" {
			continue
		}
		host := hostKey(u.Hostname())
		f.typed[host] = true
		if isLoopbackHost(host) {
			f.loopback = true
			f.vouch(reachLoopback)
		} else if ip, err := netip.ParseAddr(host); err == nil {
			f.vouch(reachOf(ip))
		}
	}
	return f
}

// vouch notes that a typed host was found at that reach.
func (f *fence) vouch(r reach) {
	for {
		now := f.inner.Load()
		if r == reachSpecial || int32(r) <= now || f.inner.CompareAndSwap(now, int32(r)) {
			return
		}
	}
}

func (f *fence) admits(host string, r reach) bool {
	return f.typed[hostKey(host)] || r == reachPublic || r != reachSpecial && int32(r) <= f.inner.Load()
}

// hostCharacters are those of names in ASCII form and of IP addresses without a zone.
const hostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:"

// url checks a URL that a server named, or the operator typed, before it is used: https,
// or http on this machine when the operator typed such a host. what names it in errors.
func (f *fence) url(what, raw string) (*url.URL, error) {
	const longest = 8 << 10
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, fmt.Errorf("%s is missing", what)
	case len(raw) > longest || err != nil || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return nil, fmt.Errorf("%s is not a URL", what)
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("%s is not an https URL (it has no host)", what)
	case u.User != nil:
		return nil, fmt.Errorf("%s has a user name in it (host %s)", what, clean(u.Host, 100))
	case strings.Contains(raw, "#"):
		return nil, fmt.Errorf("%s has a fragment (host %s)", what, clean(u.Host, 100))
	}
	host := u.Hostname()
	if strings.Trim(host, hostCharacters) != "" {
		return nil, fmt.Errorf("%s has a host with characters that are none of a host's", what)
	}
	local := isLoopbackHost(hostKey(host)) && f.loopback
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return nil, fmt.Errorf("%s is not an https URL (host %s)", what, clean(u.Host, 100))
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && !f.admits(host, reachOf(ip)):
		return nil, &refusedAddress{host: host}
	case err != nil && endsInNumber(host):
		return nil, fmt.Errorf("%s is not an https URL (host %s is neither a name nor an address)", what, clean(host, 100))
	}
	return u, nil
}

// dialled checks a resolved address just before it is connected to.
func (f *fence) dialled(host, address string) error {
	ip, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return err
	}
	if !f.admits(host, reachOf(addr)) {
		return &refusedAddress{host: host}
	}
	return nil
}

// refusedAddress is a host that a server named and that lies where only the operator may point.
type refusedAddress struct{ host string }

func (e *refusedAddress) Error() string {
	return "it was named by a server and lies on this machine or in a private network"
}

func (e *refusedAddress) action() string {
	return "If " + clean(e.host, 100) + " is meant, set sign_in.issuer of the profile"
}

// hostKey is a host name as it is compared: lower case, no trailing dot.
func hostKey(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return host
}

func isLoopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// endsInNumber finds what some resolvers take for an IPv4 address: 127.1, 2130706433, 0x7f.1
// (WHATWG URL, "ends in a number").
func endsInNumber(host string) bool {
	last := strings.TrimSuffix(host, ".")
	last = last[strings.LastIndexByte(last, '.')+1:]
	if last == "" {
		return false
	}
	digits := strings.TrimPrefix(strings.ToLower(last), "0x")
	set := "0123456789"
	if digits != strings.ToLower(last) {
		set += "abcdef"
	}
	return strings.Trim(digits, set) == ""
}

// Addresses that are not where a stranger may send us, most specific first.
var (
	special = prefixes("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20")
	private = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15",
		"fc00::/7", "fec0::/10")
	nat64  = prefixes("64:ff9b::/96", "::/96") // an IPv4 address in the last 32 bits
	sixTo4 = netip.MustParsePrefix("2002::/16")
	global = netip.MustParsePrefix("2000::/3")
)

func prefixes(all ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(all))
	for i, s := range all {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// reachOf classifies an address, looking into those that carry another one.
func reachOf(ip netip.Addr) reach {
	ip = ip.WithZone("").Unmap()
	within := func(list []netip.Prefix) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(ip) })
	}
	switch {
	case ip.IsLoopback():
		return reachLoopback
	case within(private):
		return reachPrivate
	case ip.Is4() && within(special):
		return reachSpecial
	case ip.Is4():
		return reachPublic
	case ip.IsUnspecified():
		return reachSpecial
	case within(nat64):
		b := ip.As16()
		return reachOf(netip.AddrFrom4([4]byte(b[12:16])))
	case sixTo4.Contains(ip):
		b := ip.As16()
		return reachOf(netip.AddrFrom4([4]byte(b[2:6])))
	case within(special) || !global.Contains(ip):
		return reachSpecial
	}
	return reachPublic
}
