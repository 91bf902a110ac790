package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// doors are the loopback ports at which browsers come back (RFC 8252 §7.3). One listener a
// port serves all sign-ins that use it; it is open only while there are any (§8.3).
type doors struct {
	log     *slog.Logger
	work    sync.WaitGroup // servers, and browsers still to see a last page
	closing chan struct{}

	mu   sync.Mutex       // guards what follows, and every door
	open map[string]*door // by port
}

func newDoors(log *slog.Logger) *doors {
	return &doors{log: log, closing: make(chan struct{}), open: map[string]*door{}}
}

// door is one port. What it holds is guarded by its doors' mu.
type door struct {
	doors     *doors
	port      string
	listeners map[netip.Addr]net.Listener
	server    *http.Server
	visits    map[*visit]bool
}

var (
	loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	loopback6 = netip.IPv6Loopback()
)

// errPortBusy says that somebody else listens.
var errPortBusy = errors.New("the port is in use by another program")

// expect opens the door that redirect names for v. With port 0 a free one is chosen. It
// returns the redirect URI with the port that it has become.
func (d *doors) expect(redirect *url.URL, v *visit) (*url.URL, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := *redirect
	port := portOf(redirect)
	dr, err := d.ensure(redirect.Hostname(), port)
	if err != nil {
		return nil, err
	}
	if port == "0" {
		at.Host = net.JoinHostPort(redirect.Hostname(), dr.port)
	}
	v.door, v.path, v.host = dr, cmp.Or(at.EscapedPath(), "/"), at.Host
	dr.visits[v] = true
	return &at, nil
}

// ensure returns the door of a port with the addresses that host stands for open.
func (d *doors) ensure(host, port string) (*door, error) {
	wanted := addressesOf(host)
	if port != "0" {
		dr := d.open[port]
		if dr == nil {
			dr = d.newDoor(port)
		}
		return dr, dr.listen(wanted)
	}
	const tries = 16
	for range tries {
		l, err := listen(netip.AddrPortFrom(wanted[0], 0))
		if err != nil {
			return nil, err
		}
		_, free, _ := net.SplitHostPort(l.Addr().String())
		if d.open[free] != nil {
			l.Close()
			continue
		}
		dr := d.newDoor(free)
		dr.serve(wanted[0], l)
		if err := dr.listen(wanted); err == nil {
			return dr, nil
		}
	}
	return nil, errPortBusy
}

// addressesOf are the addresses that a loopback host stands for.
func addressesOf(host string) []netip.Addr {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}
	}
	return []netip.Addr{loopback4, loopback6}
}

func (d *doors) newDoor(port string) *door {
	dr := &door{doors: d, port: port, listeners: map[netip.Addr]net.Listener{}, visits: map[*visit]bool{}}
	dr.server = &http.Server{
		Handler:           dr,
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	dr.server.SetKeepAlivesEnabled(false)
	return dr
}

// listen opens what is missing of wanted. Whoever holds a port on one family could take
// the answer meant for the other, so a busy one is an error; a missing IPv6 is not.
func (dr *door) listen(wanted []netip.Addr) error {
	for i, ip := range wanted {
		if dr.listeners[ip] != nil {
			continue
		}
		port, err := strconv.ParseUint(dr.port, 10, 16)
		if err != nil {
			return err
		}
		l, err := listen(netip.AddrPortFrom(ip, uint16(port)))
		if err != nil && i > 0 && !errors.Is(err, errPortBusy) {
			continue
		}
		if err != nil {
			dr.shutIfIdle()
			return err
		}
		dr.serve(ip, l)
	}
	return nil
}

func (dr *door) serve(ip netip.Addr, l net.Listener) {
	dr.listeners[ip] = l
	dr.doors.open[dr.port] = dr
	dr.doors.work.Go(func() { _ = dr.server.Serve(l) })
}

func listen(at netip.AddrPort) (net.Listener, error) {
	config := net.ListenConfig{Control: exclusive}
	l, err := config.Listen(context.Background(), "tcp", at.String())
	if isBusy(err) {
		return nil, errPortBusy
	}
	return l, err
}

func isBusy(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || isBusyHere(err)
}

// leave takes v away; the last one shuts the door.
func (dr *door) leave(v *visit) {
	dr.doors.mu.Lock()
	defer dr.doors.mu.Unlock()
	delete(dr.visits, v)
	dr.shutIfIdle()
}

func (dr *door) shutIfIdle() {
	if len(dr.visits) > 0 {
		return
	}
	if dr.doors.open[dr.port] == dr {
		delete(dr.doors.open, dr.port)
	}
	for _, l := range dr.listeners {
		l.Close()
	}
	dr.doors.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if dr.server.Shutdown(ctx) != nil {
			dr.server.Close()
		}
	})
}

// present lists the visits, newest state.
func (dr *door) present() []*visit {
	dr.doors.mu.Lock()
	defer dr.doors.mu.Unlock()
	all := make([]*visit, 0, len(dr.visits))
	for v := range dr.visits {
		all = append(all, v)
	}
	return all
}

// close shuts every door and waits for their servers.
func (d *doors) close() {
	d.mu.Lock()
	select {
	case <-d.closing:
	default:
		close(d.closing)
	}
	for _, dr := range d.open {
		clear(dr.visits)
		dr.shutIfIdle()
	}
	d.mu.Unlock()
	d.work.Wait()
}

// checkRedirect accepts redirect URIs at which we can be reached: http on loopback.
func checkRedirect(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" || !isLoopbackHost(hostKey(u.Hostname())) || u.User != nil || u.Fragment != "" || u.RawQuery != "" {
		return nil, profileError("the redirect URL must be http on localhost or 127.0.0.1 (it is at host "+hostOf(raw)+")", "Correct sign_in.redirect_url")
	}
	return u, nil
}

func (s *Accounts) portBusy(u *url.URL) *Error {
	owner := ""
	for _, ip := range addressesOf(u.Hostname()) {
		owner = cmp.Or(owner, s.owner(ip.String(), portOf(u)))
	}
	return &Error{
		Code:    status.SignInFailed,
		Summary: "port " + portOf(u) + " is in use by " + cmp.Or(owner, "another program"),
		Detail:  fmt.Sprintf("the provider sends the browser back to %s, which nobody else may hold", u.Host),
		Action:  "Close that program, or set settings.redirect_port (or sign_in.redirect_url) and register the new address at the provider",
	}
}
