package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// Bounds of one exchange with a server.
const (
	requestTime   = 20 * time.Second
	metadataLimit = 512 << 10
	tokenLimit    = 1 << 20
	maxRedirects  = 3
	userAgent     = "mcpauth-tray"
)

// web asks servers on behalf of one profile.
type web struct {
	fence     *fence
	transport http.RoundTripper
	proxied   func(*http.Request) (*url.URL, error)
}

// newWeb is p's way out, behind the fence, by p's CA file and proxy.
func newWeb(p profile.Profile) (*web, error) {
	roots, err := p.TLS.Roots()
	if err != nil {
		return nil, profileError(clean(err.Error(), 200), "Correct tls.ca_file of the profile")
	}
	via, err := proxyFor(p.Proxy)
	if err != nil {
		return nil, err
	}
	fence := newFence(p)
	proxies := &proxyHosts{pick: via, hosts: map[string]bool{}}
	return &web{fence: fence, proxied: proxies.choose, transport: &http.Transport{
		Proxy:                  proxies.choose,
		DialContext:            dialler(fence, proxies),
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    2,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}}, nil
}

// dialler connects to hosts the operator typed, and to proxies, wherever they are; to
// others only where the fence admits the resolved address.
func dialler(f *fence, proxies *proxyHosts) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		own := f.typed[hostKey(host)] || proxies.has(address)
		d := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
		if !own {
			d.Control = func(_, resolved string, _ syscall.RawConn) error { return f.dialled(host, resolved) }
		}
		return d.DialContext(ctx, network, address)
	}
}

// proxyFor is the proxy function of a profile's proxy_url, or that of the environment.
func proxyFor(fixed string) (func(*http.Request) (*url.URL, error), error) {
	if fixed == "" {
		return http.ProxyFromEnvironment, nil
	}
	u, err := url.Parse(fixed)
	if err != nil || u.Host == "" {
		return nil, profileError("proxy_url is not a URL", "Write it like http://proxy.example.com:3128")
	}
	return http.ProxyURL(u), nil
}

// proxyHosts remembers the proxies in use: they are the operator's, wherever they lie.
type proxyHosts struct {
	pick func(*http.Request) (*url.URL, error)

	mu    sync.Mutex
	hosts map[string]bool // host:port
}

func (h *proxyHosts) has(address string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hosts[address]
}

// choose picks the proxy of a request; for this machine there is none.
func (h *proxyHosts) choose(r *http.Request) (*url.URL, error) {
	if isLoopbackHost(hostKey(r.URL.Hostname())) {
		return nil, nil
	}
	u, err := h.pick(r)
	if err != nil || u == nil {
		return u, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hosts[net.JoinHostPort(u.Hostname(), portOf(u))] = true
	return u, nil
}

var defaultPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return defaultPorts[u.Scheme]
}

// reply is a bounded answer.
type reply struct {
	status int
	header http.Header
	body   []byte
	cut    error  // why the body is not whole, nil when it is
	host   string // that answered
}

var errTooLarge = errors.New("its answer is too large")

// do sends r and reads at most limit bytes of the answer. A redirect is followed only when
// follow is set, and never to another origin (RFC 9700 §4.12).
func (w *web) do(r *http.Request, limit int64, follow bool) (*reply, error) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	resp, err := w.send(r.WithContext(ctx), follow)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := &reply{status: resp.StatusCode, header: resp.Header, host: resp.Request.URL.Host}
	out.body, out.cut = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if int64(len(out.body)) > limit {
		out.body, out.cut = out.body[:limit], errTooLarge
	}
	return out, nil
}

// head sends r and looks at the head of the answer only: its body may be a stream.
func (w *web) head(r *http.Request) (*reply, error) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	resp, err := w.send(r.WithContext(ctx), true)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return &reply{status: resp.StatusCode, header: resp.Header, host: resp.Request.URL.Host}, nil
}

func (w *web) send(r *http.Request, follow bool) (*http.Response, error) {
	var peer string
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(c httptrace.GotConnInfo) { peer = c.Conn.RemoteAddr().String() },
	}))
	r.Header.Set("User-Agent", userAgent)
	client := http.Client{Transport: w.transport, CheckRedirect: redirects(follow)}
	resp, err := client.Do(r)
	if err == nil {
		w.vouch(resp, peer)
	}
	return resp, err
}

func redirects(follow bool) func(*http.Request, []*http.Request) error {
	return func(next *http.Request, via []*http.Request) error {
		if !follow || len(via) > maxRedirects || originOf(next.URL) != originOf(via[0].URL) {
			return http.ErrUseLastResponse
		}
		return nil
	}
}

// vouch notes where a typed host really is: its TLS answer came from there.
func (w *web) vouch(resp *http.Response, peer string) {
	addr, err := netip.ParseAddrPort(peer)
	if err != nil || resp.TLS == nil || !w.fence.typed[hostKey(resp.Request.URL.Hostname())] {
		return
	}
	if proxy, err := w.proxied(resp.Request); err != nil || proxy != nil {
		return
	}
	w.fence.vouch(reachOf(addr.Addr()))
}

// getJSON fetches a metadata document.
func (w *web) getJSON(ctx context.Context, what, raw string) (*reply, error) {
	u, err := w.fence.url(what, raw)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Mcp-Protocol-Version", protocolVersion)
	return w.do(r, metadataLimit, true)
}

// close drops idle connections.
func (w *web) close() {
	if t, ok := w.transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// originOf is scheme, host and port, with default ports left out.
func originOf(u *url.URL) string {
	host := hostKey(u.Hostname())
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		host = "[" + host + "]"
	}
	if p := portOf(u); p != defaultPorts[u.Scheme] {
		host += ":" + p
	}
	return u.Scheme + "://" + host
}

// redirectHost is where a 3xx answer points, for people to see.
func (r *reply) redirectHost() string { return hostOf(r.header.Get("Location")) }

// odd describes an answer that is none of those expected.
func (r *reply) odd() string {
	if r.status >= 300 && r.status < 400 {
		return fmt.Sprintf("it redirects to %s", r.redirectHost())
	}
	return fmt.Sprintf("it answered %d", r.status)
}
