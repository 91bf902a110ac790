package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// Raw bytes against a listener: what must come back, and that nothing reaches the target.
func TestAttacks(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	s := serve(t, to.URL+"/mcp", func(o *Options) { o.Profile.Guard.AllowedOrigins = []string{"https://app.example"} })
	host := s.Addr()
	_, port, _ := net.SplitHostPort(host)
	const json = "Content-Type: application/json\r\n"
	post := "POST /mcp HTTP/1.1\r\nConnection: close\r\n"
	get := "GET /mcp HTTP/1.1\r\nConnection: close\r\n"
	own := "Host: " + host + "\r\n"
	const body = "Content-Length: 2\r\n\r\n{}"
	for name, c := range map[string]struct {
		send string
		want string // one of these status codes
	}{
		"A1":                       {post + "Host: evil.example:" + port + "\r\nOrigin: http://evil.example:" + port + "\r\n" + json + body, "403"},
		"A2":                       {get + "Host: evil.example:" + port + "\r\nSec-Fetch-Site: same-origin\r\n\r\n", "403"},
		"A3":                       {post + "Host: 0.0.0.0:" + port + "\r\n" + json + body, "403"},
		"A4 label":                 {post + "Host: localhost.evil.example:" + port + "\r\n" + json + body, "403"},
		"A4 nip.io":                {post + "Host: 127.0.0.1.nip.io:" + port + "\r\n" + json + body, "403"},
		"A5 no port":               {post + "Host: 127.0.0.1\r\n" + json + body, "403"},
		"A5 decimal":               {post + "Host: 2130706433:" + port + "\r\n" + json + body, "403"},
		"A6":                       {"POST http://evil/mcp HTTP/1.1\r\nConnection: close\r\n" + own + json + body, "403"},
		"A7 none":                  {post + json + body, "400"},
		"A7 two":                   {post + own + own + json + body, "400"},
		"A7 odd":                   {post + "Host: 127.0.0.1:80@evil\r\n" + json + body, "400"},
		"A7 none, HTTP/1.0":        {"POST /mcp HTTP/1.0\r\n" + json + body, "403"},
		"A8 a":                     {post + own + "Origin: http://evil.example\r\nContent-Type: text/plain\r\n" + body, "403"},
		"A8 b":                     {post + own + "Content-Type: text/plain\r\n" + body, "415"},
		"A9":                       {post + own + "Origin: null\r\n" + json + body, "403"},
		"A10":                      {post + own + "Origin: http://localhost:3000\r\n" + json + body, "403"},
		"A11":                      {post + own + "Origin: HTTPS://APP.EXAMPLE\r\n" + json + body, "403"},
		"A12":                      {get + own + "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n\r\n", "403"},
		"A13":                      {get + own + "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n\r\n", "403"},
		"A14 websocket":            {"GET /mcp HTTP/1.1\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n" + own + "\r\n", "400"},
		"A14 h2c":                  {"GET /mcp HTTP/1.1\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n" + own + "\r\n", "400"},
		"A14 h2c preface":          {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 403"},
		"A15 unlisted":             {"OPTIONS /mcp HTTP/1.1\r\nConnection: close\r\n" + own + "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n", "403"},
		"A15 large":                {"OPTIONS /mcp HTTP/1.1\r\nConnection: close\r\n" + own + "Origin: http://evil.example\r\nAccess-Control-Request-Headers: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", "431"},
		"A25 two lengths":          {post + own + json + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400"},
		"A25 unknown encoding":     {post + own + json + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"},
		"A25 space before colon":   {post + own + json + "Content-Length : 2\r\n\r\n{}", "400"},
		"A25 NUL":                  {post + own + json + "X-A: a\x00b\r\n" + body, "400"},
		"A25 bad chunk":            {post + own + json + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", "400"},
		"A26":                      {"POST /mcp HTTP/1.1\r\nConnection: close, authorization, mcp-session-id\r\n" + own + json + body, "400"},
		"A28":                      {post + own + json + manyHeaders(10000) + body, "431"},
		"A29 CONNECT":              {"CONNECT evil:443 HTTP/1.1\r\nConnection: close\r\n" + own + "\r\n", "403"},
		"A29 CONNECT us":           {"CONNECT " + host + " HTTP/1.1\r\nConnection: close\r\n" + own + "\r\n", "404 405"},
		"A29 TRACE":                {"TRACE /mcp HTTP/1.1\r\nConnection: close\r\n" + own + "\r\n", "405"},
		"A29 PUT":                  {"PUT /mcp HTTP/1.1\r\nConnection: close\r\n" + own + json + body, "405"},
		"A29 PATCH":                {"PATCH /mcp HTTP/1.1\r\nConnection: close\r\n" + own + json + body, "405"},
		"A29 FOO":                  {"FOO /mcp HTTP/1.1\r\nConnection: close\r\n" + own + "\r\n", "405"},
		"A30 dots":                 {"POST /mcp/../admin HTTP/1.1\r\nConnection: close\r\n" + own + json + body, "404"},
		"A30 host in path":         {"POST //evil.com/mcp HTTP/1.1\r\nConnection: close\r\n" + own + json + body, "404"},
		"A30 encoded dots":         {"POST /%2e%2e/x HTTP/1.1\r\nConnection: close\r\n" + own + json + body, "404"},
		"A30 encoded dots below":   {"POST /mcp/%2e%2e/x HTTP/1.1\r\nConnection: close\r\n" + own + json + body, "404"},
		"A30 NUL":                  {"POST /mcp%00 HTTP/1.1\r\nConnection: close\r\n" + own + json + body, "404"},
		"A30 semicolon":            {"POST /mcp;x HTTP/1.1\r\nConnection: close\r\n" + own + json + body, "404"},
		"A30 backslash":            {"POST /mcp\\..\\x HTTP/1.1\r\nConnection: close\r\n" + own + json + body, "404"},
		"A30 longer":               {"POST /mcpx HTTP/1.1\r\nConnection: close\r\n" + own + json + body, "404"},
		"A31 many":                 {"POST /mcp?" + strings.Repeat("a&", 20000) + " HTTP/1.1\r\nConnection: close\r\n" + own + json + body, "400"},
		"A32":                      {post + own + "X-Large: " + strings.Repeat("x", 2<<20) + "\r\n" + json + body, "431"},
		"A34 length":               {post + own + json + "Content-Length: 16777217\r\n\r\n", "413"},
		"A35":                      {post + own + json + "Content-Encoding: gzip\r\n" + body, "415"},
		"expectation":              {post + own + json + "Expect: magic\r\n" + body, "417"},
		"no request":               {"hello\r\n\r\n", "400"},
		"TLS":                      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
		"origin, well-known":       {"GET /.well-known/x HTTP/1.1\r\nConnection: close\r\n" + own + "Origin: http://evil.example\r\n\r\n", "403"},
		"foreign host, health":     {"GET /healthz HTTP/1.1\r\nConnection: close\r\nHost: evil.example\r\n\r\n", "403"},
		"foreign host, and a path": {"GET /%2e%2e HTTP/1.1\r\nConnection: close\r\nHost: evil.example\r\n\r\n", "403"},
	} {
		t.Run(name, func(t *testing.T) {
			line, all := raw(t, host, c.send)
			code := strings.Fields(line + " ? ?")[1]
			if !strings.Contains(c.want, code) {
				t.Errorf("got %q, want %s", all, c.want)
			}
			if n := to.hits.Swap(0); n != 0 {
				t.Errorf("%d requests reached the target", n)
			}
			for _, secret := range []string{token, "p (", strings.TrimPrefix(to.URL, "http://")} {
				if code == "403" && strings.Contains(all, secret) {
					t.Errorf("a stranger learns %q: %q", secret, all)
				}
			}
			if code == "405" && !strings.Contains(all, "\r\nAllow: ") {
				t.Error("no Allow")
			}
			if strings.Contains(all, "Www-Authenticate") || strings.Contains(all, "Access-Control-Allow-Origin") {
				t.Errorf("odd answer %q", all)
			}
		})
	}
}

func manyHeaders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "X-%d: y\r\n", i)
	}
	return b.String()
}

// Framing that proxies read in different ways must be one request, or none.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []seen
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		watch(&got)(w, r)
	})
	s := serve(t, to.URL+"/mcp")
	head := "POST /mcp HTTP/1.1\r\nHost: " + s.Addr() + "\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct {
		send, body string
	}{
		"A25 length and chunks": {head + "Content-Length: 60\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\nGET /mcp HTTP/1.1\r\nHost: " + s.Addr() + "\r\n\r\n", "{}"},
		"A25 chunk extension":   {head + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n", "{}"},
		"A25 folded header":     {head + "X-Folded: a\r\n b\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", "{}"},
		"trailers":              {head + "Transfer-Encoding: chunked\r\nTrailer: X-Late\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\nX-Late: 1\r\n\r\n", "{}"},
	} {
		got = nil
		_, all := raw(t, s.Addr(), c.send)
		if len(got) > 1 || len(got) == 1 && got[0].body != c.body || strings.Count(all, "HTTP/1.1 ") != 1 {
			t.Errorf("%s: %+v, %q", name, got, all)
		}
		if len(got) == 1 && (got[0].header.Get("X-Late") != "" || got[0].header.Get("Trailer") != "") {
			t.Errorf("%s: trailers passed", name)
		}
		if name == "A25 folded header" && (len(got) != 1 || got[0].header.Get("X-Folded") != "a b") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestListedOriginMayRead(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Vary", "Accept")
	})
	s := serve(t, to.URL, func(o *Options) { o.Profile.Guard = profile.Guard{AllowedOrigins: []string{"https://app.example"}} })
	answer, _ := post(t, s.url("/"), call, "Origin", "https://app.example")
	if h := answer.Header; h.Get("Access-Control-Allow-Origin") != "https://app.example" || h.Get("Access-Control-Allow-Credentials") != "" ||
		strings.Join(h["Vary"], ",") != "Origin,Accept" {
		t.Errorf("A16: %v", h)
	}
	answer, _ = do(t, "OPTIONS", s.url("/"), "", "Origin", "https://app.example", "Access-Control-Request-Method", "POST")
	if answer.StatusCode != 204 || answer.Header.Get("Access-Control-Allow-Methods") == "" || to.hits.Load() != 1 {
		t.Errorf("A16: preflight: %s %v", answer.Status, answer.Header)
	}
	answer, _ = do(t, "OPTIONS", s.url("/"), "")
	if answer.StatusCode != 405 {
		t.Errorf("OPTIONS of nobody: %s", answer.Status)
	}
}

// A36: without a policy that reads bodies, whatever it is passes byte for byte.
func TestOddJSONPasses(t *testing.T) {
	t.Parallel()
	var got []seen
	to := target(t, watch(&got))
	s := serve(t, to.URL)
	for _, body := range []string{`{"id":1,"id":2,"method":"a","Method":"b"}`, "\ufeff{}", "{} trailing", "{\"a\":\"\x00\"}", "not json",
		strings.Repeat("[", 100000), `[{"jsonrpc":"2.0","id":1,"method":"a"}]`} {
		got = nil
		if answer, _ := post(t, s.url("/"), body); answer.StatusCode != 200 || len(got) != 1 || got[0].body != body {
			t.Errorf("%.40q: %s", body, answer.Status)
		}
	}
}

// A33: many connections that send next to nothing disturb nobody, and are closed.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) {})
	s := serve(t, to.URL)
	var closed atomic.Int64
	var all sync.WaitGroup
	const slow = 500
	begin := time.Now()
	for range slow {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer c.Close()
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: ")
			c.SetReadDeadline(time.Now().Add(60 * time.Second))
			if _, err := c.Read(make([]byte, 1)); err == io.EOF {
				closed.Add(1)
			}
		})
	}
	if answer, _ := post(t, s.url("/"), call); answer.StatusCode != 200 {
		t.Errorf("others get %s", answer.Status)
	}
	all.Wait()
	if n, took := closed.Load(), time.Since(begin); n != slow || took < headerTimeout || took > 6*headerTimeout {
		t.Errorf("%d of %d closed after %v", n, slow, took)
	}
}
