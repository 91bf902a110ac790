package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"os"
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
	proxied   func(*http.Request) (*url.URL, error) // nil: not known
}

// newWeb is p's way out: its CA file, its proxy, and a dialler behind the fence.
func newWeb(p profile.Profile, given *http.Client) (*web, error) {
	w := &web{fence: newFence(p)}
	if given != nil {
		w.transport = given.Transport
		if w.transport == nil {
			w.transport = http.DefaultTransport
		}
		return w, nil
	}
	roots, err := rootsWith(p.TLS.CAFile)
	if err != nil {
		return nil, err
	}
	var proxies proxyHosts
	w.proxied, err = proxies.choose(p.Proxy)
	if err != nil {
		return nil, err
	}
	w.transport = &http.Transport{
		Proxy:                  w.proxied,
		DialContext:            dialler(w.fence, &proxies),
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    2,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}
	return w, nil
}

func rootsWith(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, profileError("tls.ca_file cannot be read: "+clean(err.Error(), 200), "Check the file")
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, profileError("tls.ca_file holds no certificate", "It must be a PEM file")
	}
	return roots, nil
}

// dialler connects to hosts the operator typed, and to proxies, wherever they are; to
// others only where the fence admits the resolved address.
func dialler(f *fence, proxies *proxyHosts) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		d := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if !proxies.has(address) {
			d.Control = func(_, resolved string, _ syscall.RawConn) error { return f.dialled(host, resolved) }
		}
		return d.DialContext(ctx, network, address)
	}
}

// proxyHosts remembers the proxies in use: they are the operator's, wherever they lie.
type proxyHosts struct {
	mu    sync.Mutex
	hosts map[string]bool // host:port
}

func (h *proxyHosts) has(address string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hosts[address]
}

// choose returns the proxy function for a profile's proxy_url, or that of the environment.
func (h *proxyHosts) choose(fixed string) (func(*http.Request) (*url.URL, error), error) {
	pick := http.ProxyFromEnvironment
	if fixed != "" {
		u, err := url.Parse(fixed)
		if err != nil || u.Host == "" {
			return nil, profileError("proxy_url is not a URL", "Write it like http://proxy.example.com:3128")
		}
		pick = http.ProxyURL(u)
	}
	return func(r *http.Request) (*url.URL, error) {
		if isLoopbackHost(hostKey(r.URL.Hostname())) {
			return nil, nil
		}
		u, err := pick(r)
		if err != nil || u == nil {
			return u, err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.hosts == nil {
			h.hosts = map[string]bool{}
		}
		h.hosts[net.JoinHostPort(u.Hostname(), portOf(u))] = true
		return u, nil
	}, nil
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
	if err != nil || resp.TLS == nil || w.proxied == nil || !w.fence.typed[hostKey(resp.Request.URL.Hostname())] {
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
	if t, ok := w.transport.(*http.Transport); ok && w.proxied != nil {
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
