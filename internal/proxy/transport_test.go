package proxy

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func profileFor(target string) profile.Profile { return profile.Profile{Name: "p", Target: target} }

// secure is a TLS target and a file with its certificate.
func secure(t *testing.T, h http.HandlerFunc) (*httptest.Server, string) {
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return s, file
}

func TestTLSTarget(t *testing.T) {
	t.Parallel()
	var proto string
	to, ca := secure(t, func(w http.ResponseWriter, r *http.Request) {
		proto = r.Proto
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: x\n\n")
		w.(http.Flusher).Flush()
		if r.Method == "GET" {
			<-r.Context().Done()
		}
	})
	s := serve(t, to.URL, func(o *Options) { o.Profile.TLS.CAFile = ca })
	if answer, body := post(t, s.url("/"), call); answer.StatusCode != 200 || body != "data: x\n\n" || proto != "HTTP/2.0" {
		t.Errorf("%s %q over %s", answer.Status, body, proto)
	}
	stream := open(t, t.Context(), "GET", s.url("/"), "")
	if _, err := io.ReadFull(stream.Body, make([]byte, 9)); err != nil {
		t.Error(err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	untrusted, _ := secure(t, func(w http.ResponseWriter, r *http.Request) {})
	plain := target(t, func(w http.ResponseWriter, r *http.Request) {})
	const nobody = "127.0.0.1:1"
	dialer := net.Dialer{Resolver: nameless(t)}
	proxyAuth := rawServer(t, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
	_, proxyPort, _ := net.SplitHostPort(proxyAuth)
	for name, c := range map[string]struct {
		target, proxy string
		code          int
		says          []string
	}{
		"A refused":           {"http://" + nobody + "/secret", "", 31005, []string{"refuses connections"}},
		"no such name":        {"http://does-not-exist.invalid/secret", "", 31005, []string{"does-not-exist.invalid"}},
		"F53 unknown CA":      {untrusted.URL + "/secret", "", 31005, []string{"not trusted", "Acme Co", "tls.ca_file"}},
		"no TLS":              {"https" + strings.TrimPrefix(plain.URL, "http") + "/secret", "", 31005, []string{"does not speak TLS", "http://"}},
		"F35 dead proxy":      {"https://mcp.example/secret", "http://" + nobody, 31005, []string{"proxy", nobody, "proxy_url"}},
		"F35 unknown proxy":   {"https://mcp.example/secret", "http://proxy.invalid:8080", 31005, []string{"proxy.invalid", "proxy_url"}},
		"F35 proxy wants 407": {"https://mcp.example/secret", "http://" + proxyAuth, 31005, []string{"proxy", proxyPort, "407"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.target, func(o *Options) { o.Profile.Proxy = c.proxy })
			s.handler.transport.DialContext = dialer.DialContext
			answer, body := post(t, s.url("/secret"), call)
			e := localError(t, answer, body)
			if answer.StatusCode != 502 || e.Error.Code != c.code || string(e.ID) != "7" {
				t.Errorf("got %s %s", answer.Status, body)
			}
			for _, want := range c.says {
				if !strings.Contains(body, want) {
					t.Errorf("%q is not in %s", want, body)
				}
			}
			if strings.Contains(body, "secret") || strings.Contains(s.log.String(), "secret") {
				t.Errorf("the path leaked: %s\n%s", body, s.log)
			}
		})
	}
}

// nameless resolves names at a server of its own that knows none (RFC 1035 §4.1.1).
func nameless(t *testing.T) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		for m := make([]byte, 1500); ; {
			n, from, err := server.ReadFrom(m)
			if err != nil {
				return
			}
			m[2], m[3] = m[2]|0x80, 0x83 // an answer: no such name
			_, _ = server.WriteTo(m[:n], from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func TestUnreachableInTime(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := serve(t, "https://"+silent.Addr().String())
	begin := time.Now()
	answer, body := post(t, s.url("/"), call)
	if e := localError(t, answer, body); answer.StatusCode != 504 || e.Error.Code != 31006 || time.Since(begin) > tlsTimeout+soon.Limit {
		t.Errorf("%s after %v: %s", answer.Status, time.Since(begin), body)
	}
}

func TestExpiredCertificate(t *testing.T) {
	t.Parallel()
	to, ca := secure(t, func(w http.ResponseWriter, r *http.Request) {})
	s := serve(t, to.URL, func(o *Options) { o.Profile.TLS.CAFile = ca })
	s.handler.transport.TLSClientConfig.Time = func() time.Time { return time.Now().AddDate(200, 0, 0) }
	answer, body := post(t, s.url("/"), call)
	if e := localError(t, answer, body); answer.StatusCode != 502 || !strings.Contains(e.Error.Message, "expired") || !strings.Contains(e.Error.Message, "clock") {
		t.Errorf("got %s", body)
	}
}

func TestWrongName(t *testing.T) {
	t.Parallel()
	to, ca := secure(t, func(w http.ResponseWriter, r *http.Request) {})
	s := serve(t, to.URL, func(o *Options) { o.Profile.TLS.CAFile = ca })
	s.handler.transport.TLSClientConfig.ServerName = "other.invalid"
	if answer, body := post(t, s.url("/"), call); answer.StatusCode != 502 || !strings.Contains(body, "another name") {
		t.Errorf("got %s", body)
	}
}

func TestProxyOfTheEnvironment(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy.example:3128")
	t.Setenv("NO_PROXY", "direct.example")
	t.Setenv("HTTP_PROXY", "http://proxy.example:3128")
	for _, c := range []struct{ own, target, want string }{
		{"", "https://mcp.example/", "proxy.example:3128"},
		{"", "https://direct.example/", ""},
		{"", "http://127.0.0.1:80/", ""},
		{"", "http://localhost:80/", ""},
		{"", "http://[::1]:80/", ""},
		{"http://own.example:1", "https://direct.example/", "own.example:1"},
		{"http://own.example:1", "http://mcp.example/", "own.example:1"},
		{"http://own.example:1", "http://127.0.0.9/", ""},
		{"socks5://own.example:1", "https://mcp.example/", "own.example:1"},
	} {
		p := profileFor(c.target)
		p.Proxy = c.own
		transport, err := Transport(p)
		if err != nil {
			t.Fatal(err)
		}
		to, _ := url.Parse(c.target)
		via, err := transport.Proxy(&http.Request{URL: to})
		if got := host(via); err != nil || got != c.want {
			t.Errorf("proxy_url %q, %s: %q, %v, want %q", c.own, c.target, got, err, c.want)
		}
	}
}

func host(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.Host
}

func TestTransportIsSafe(t *testing.T) {
	t.Parallel()
	transport, err := Transport(profileFor("https://h"))
	if err != nil {
		t.Fatal(err)
	}
	if c := transport.TLSClientConfig; c.InsecureSkipVerify || c.MinVersion < tls.VersionTLS12 || transport.ResponseHeaderTimeout != 0 || !transport.DisableCompression {
		t.Errorf("got %+v", transport)
	}
}

// F37: what was connected before a sleep is not used after it.
func TestWake(t *testing.T) {
	t.Parallel()
	var k wake
	for i, c := range []struct {
		wall, running time.Duration
		slept         bool
	}{
		{time.Second, time.Second, false},
		{time.Hour, time.Hour, false}, // idle
		{time.Hour + time.Minute, time.Hour + time.Minute - asleepFor, false},
		{9 * time.Hour, time.Hour + 2*time.Minute, true},
		{9*time.Hour + time.Second, time.Hour + 2*time.Minute + time.Second, false},
		{8 * time.Hour, time.Hour + 3*time.Minute, false}, // the clock was set back
	} {
		if got := k.slept(c.wall, c.running); got != c.slept {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

// F52: an HTTP/2 stream that is reset ends as broken off, others go on, and nothing is
// sent twice.
func TestStreamReset(t *testing.T) {
	t.Parallel()
	hits := 0
	to, ca := secure(t, func(w http.ResponseWriter, r *http.Request) {
		hits++
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: x\n\n")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	s := serve(t, to.URL, func(o *Options) { o.Profile.TLS.CAFile = ca })
	answer := open(t, t.Context(), "POST", s.url("/"), call)
	if body, err := io.ReadAll(answer.Body); err == nil || string(body) != "data: x\n\n" || hits != 1 {
		t.Errorf("%q, %v, %d requests", body, err, hits)
	}
}
