package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/guard"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// seen is what a target saw of a request.
type seen struct {
	method, uri, host, body string
	header                  http.Header
	length                  int64
}

func watch(to *[]seen) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*to = append(*to, seen{r.Method, r.RequestURI, r.Host, string(body), r.Header, r.ContentLength})
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"ok":true}`)
	}
}

func TestForwardsUnchanged(t *testing.T) {
	t.Parallel()
	var got []seen
	to := target(t, watch(&got))
	s := serve(t, to.URL+"/v1/mcp?key=a%2Fb")
	const body = "{\"jsonrpc\":\"2.0\", \"id\":1.0,\n \"method\":\"tools/call\",\"params\":{\"n\":12345678901234567890}}"
	answer, text := post(t, s.url("/v1/mcp?x=1&x=2;y"), body,
		"Mcp-Session-Id", "s", "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "=?base64?w7w=?=",
		"Mcp-Param-City", "Zürich", "Last-Event-Id", "42", "X-Unknown", "a, b", "X-Unknown", "c", "Accept", "application/json, text/event-stream",
		"Traceparent", "00-1-2-03", "User-Agent", "client/1")
	if answer.StatusCode != 200 || text != `{"ok":true}` || len(got) != 1 {
		t.Fatalf("%s %q, %d requests", answer.Status, text, len(got))
	}
	r := got[0]
	if r.method != "POST" || r.uri != "/v1/mcp?key=a%2Fb&x=1&x=2;y" || r.body != body || r.length != int64(len(body)) {
		t.Errorf("got %s %s %q (%d)", r.method, r.uri, r.body, r.length)
	}
	if want := strings.TrimPrefix(to.URL, "http://"); r.host != want {
		t.Errorf("Host %q, want %q", r.host, want)
	}
	for name, want := range map[string][]string{
		"Authorization": {"Bearer " + token}, "Mcp-Session-Id": {"s"}, "Mcp-Protocol-Version": {"2026-07-28"},
		"Mcp-Method": {"tools/call"}, "Mcp-Name": {"=?base64?w7w=?="}, "Mcp-Param-City": {"Zürich"}, "Last-Event-Id": {"42"},
		"X-Unknown": {"a, b", "c"}, "Accept": {"application/json, text/event-stream"}, "Traceparent": {"00-1-2-03"},
		"User-Agent": {"client/1"}, "Content-Type": {"application/json"}, "Accept-Encoding": nil,
	} {
		if !reflect.DeepEqual(r.header[name], want) {
			t.Errorf("%s: %q, want %q", name, r.header[name], want)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target, local, ask, want string
	}{
		"same":              {"/mcp", "", "/mcp", "/mcp"},
		"below":             {"/mcp", "", "/mcp/a%20b/c", "/mcp/a%20b/c"},
		"slash":             {"/mcp", "", "/mcp/", "/mcp/"},
		"mapped":            {"/mcp", "/x", "/x", "/mcp"},
		"mapped below":      {"/mcp", "/x", "/x/y", "/mcp/y"},
		"query of both":     {"/mcp?a=1", "", "/mcp?b=2", "/mcp?a=1&b=2"},
		"query of target":   {"/mcp?a=1", "", "/mcp", "/mcp?a=1"},
		"target with slash": {"/mcp/", "", "/mcp/", "/mcp/"},
		"slash, below":      {"/mcp/", "", "/mcp/x", "/mcp/x"},
		"no path":           {"", "", "/any/path", "/any/path"},
		"no path, root":     {"", "", "/", "/"},
		"root mapped":       {"/mcp", "/", "/x", "/mcp/x"},
		"root itself":       {"/mcp", "/", "/", "/mcp"},
		"spelling kept":     {"/m%C3%BC;p", "", "/m%C3%BC;p", "/m%C3%BC;p"},
		"spelling below":    {"/m%C3%BC;p", "", "/m%C3%BC;p/x", "/m%C3%BC;p/x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []seen
			to := target(t, watch(&got))
			s := serve(t, to.URL+c.target, func(o *Options) { o.Profile.Path = c.local })
			answer, _ := post(t, s.url(c.ask), call)
			if answer.StatusCode != 200 || len(got) != 1 || got[0].uri != c.want {
				t.Errorf("%s: %+v, want %s", answer.Status, got, c.want)
			}
		})
	}
}

func TestRequestHeadersWithheld(t *testing.T) {
	t.Parallel()
	var got []seen
	to := target(t, watch(&got))
	s := serve(t, to.URL+"/mcp", func(o *Options) {
		o.Headers = http.Header{"x-api-key": {"ours"}, "X-Team": {"blue"}}
	})
	withheldHere := []string{"Authorization", "Cookie", "Proxy-Authorization", "Referer", "Forwarded", "X-Forwarded-For",
		"X-Forwarded-User", "X-Forwarded-Proto", "X-Real-Ip", "Via", "X-Original-Url", "X_Forwarded_User", "X_Api_Key", "Te", "Keep-Alive",
		"X-Mcpauth-Key", "Sec-Fetch-Mode"}
	var headers []string
	for _, name := range withheldHere {
		value := "theirs"
		if name == "Sec-Fetch-Mode" {
			value = "cors"
		}
		headers = append(headers, name, value)
	}
	headers = append(headers, "X-Api-Key", "theirs", "Origin", s.url(""))
	post(t, s.url("/mcp"), call, headers...)
	for name, values := range got[0].header {
		if strings.Contains(fmt.Sprint(values), "theirs") || name == "Origin" {
			t.Errorf("A21/A27: %s: %q reached the target", name, values)
		}
	}
	if h := got[0].header; h.Get("X-Api-Key") != "ours" || h.Get("X-Team") != "blue" || h.Get("Authorization") != "Bearer "+token {
		t.Errorf("got %v", h)
	}
	if agent, told := got[0].header["User-Agent"]; told && agent[0] != "Go-http-client/1.1" { // what post sends
		t.Errorf("User-Agent %q", agent)
	}
}

func TestHeadersForward(t *testing.T) {
	t.Parallel()
	var got []seen
	to := target(t, watch(&got))
	s := serve(t, to.URL+"/mcp", func(o *Options) {
		o.Tokens = nil
		o.Profile.Headers.Forward = []string{"authorization", "Cookie", "x_odd", "Connection"}
	})
	post(t, s.url("/mcp"), call, "Authorization", "Basic x", "Cookie", "a=b", "X_odd", "1", "Proxy-Authorization", "no")
	if h := got[0].header; h.Get("Authorization") != "Basic x" || h.Get("Cookie") != "a=b" || h.Get("X_odd") != "1" || h.Get("Proxy-Authorization") != "" {
		t.Errorf("got %v", h)
	}
}

func TestHeadersSetWins(t *testing.T) {
	t.Parallel()
	var got []seen
	to := target(t, watch(&got))
	s := serve(t, to.URL+"/mcp", func(o *Options) {
		o.Headers = http.Header{"Authorization": {"Basic ours"}, "Host": {"virtual.example"}}
	})
	post(t, s.url("/mcp"), call)
	if got[0].header.Get("Authorization") != "Basic ours" || got[0].host != "virtual.example" {
		t.Errorf("got %v", got[0])
	}
}

func TestAcceptEncodingIsTheClients(t *testing.T) {
	t.Parallel()
	var got []seen
	to := target(t, watch(&got))
	s := serve(t, to.URL+"/mcp")
	post(t, s.url("/mcp"), call, "Accept-Encoding", "gzip")
	do(t, "GET", s.url("/mcp"), "", "Accept-Encoding", "gzip", "Accept", "text/event-stream")
	if got[0].header.Get("Accept-Encoding") != "gzip" || got[1].header.Get("Accept-Encoding") != "" {
		t.Errorf("got %v and %v", got[0].header, got[1].header)
	}
}

func TestAnswerHeaders(t *testing.T) {
	t.Parallel()
	const gone = "gone"
	dropHere := []string{"Set-Cookie", "Www-Authenticate", "Proxy-Authenticate", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials",
		"Strict-Transport-Security", "Clear-Site-Data", "Alt-Svc", "Refresh", "Link", "Location", "Content-Location", "Keep-Alive", "Upgrade", "Trailer"}
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range dropHere {
			w.Header().Set(name, gone)
		}
		w.Header().Set("X-Echo", "you sent "+r.Header.Get("Authorization"))
		for _, name := range []string{"Mcp-Session-Id", "X-Accel-Buffering", "Cache-Control", "Retry-After", "X-Other"} {
			w.Header().Set(name, "kept")
		}
		w.WriteHeader(http.StatusAccepted)
	})
	answer, _ := post(t, serve(t, to.URL).url("/"), call)
	for _, name := range append(dropHere, "X-Echo") {
		if value, there := answer.Header[name]; there {
			t.Errorf("A40/A80: %s: %q", name, value)
		}
	}
	for _, name := range []string{"Mcp-Session-Id", "X-Accel-Buffering", "Cache-Control", "Retry-After", "X-Other"} {
		if answer.Header.Get(name) != "kept" {
			t.Errorf("%s is lost", name)
		}
	}
	if answer.StatusCode != http.StatusAccepted || answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header["Content-Type"] != nil {
		t.Errorf("%s %v", answer.Status, answer.Header)
	}
}

// What the server says about a request is the client's business.
func TestStatusesPassUnchanged(t *testing.T) {
	t.Parallel()
	for _, code := range []int{200, 202, 204, 304, 400, 403, 404, 405, 406, 409, 415, 429, 500, 501, 502, 503, 504} {
		to := target(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			if code != 204 && code != 304 {
				io.WriteString(w, `{"error":{"code":-32020}}`)
			}
		})
		answer, body := post(t, serve(t, to.URL).url("/"), call)
		if answer.StatusCode != code || answer.Header.Get("Retry-After") != "7" || code != 204 && code != 304 && body != `{"error":{"code":-32020}}` {
			t.Errorf("F49: %d became %d %q", code, answer.StatusCode, body)
		}
	}
}

func TestPagesDoNotPass(t *testing.T) {
	t.Parallel()
	kind, code := "text/html; charset=utf-8", 200
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(code)
		io.WriteString(w, "<script>alert(1)</script>")
	})
	s := serve(t, to.URL)
	answer, body := post(t, s.url("/"), call)
	if e := localError(t, answer, body); answer.StatusCode != 502 || e.Error.Data.Reason != "upstream_bad_response" ||
		!strings.Contains(e.Error.Message, "text/html") || string(e.ID) != "7" {
		t.Errorf("A41: %s %s", answer.Status, body)
	}
	code = 403
	answer, body = post(t, s.url("/"), call)
	if answer.StatusCode != 403 || !strings.Contains(body, "script") || answer.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("A41: %s %v %s", answer.Status, answer.Header, body)
	}
	kind, code = "image/svg+xml", 200
	if answer, _ = post(t, s.url("/"), call); answer.StatusCode != 502 {
		t.Errorf("A41: svg passed: %s", answer.Status)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	other := target(t, func(w http.ResponseWriter, r *http.Request) {})
	for _, code := range []int{301, 302, 303, 307, 308} {
		var got []seen
		to := target(t, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/mcp":
				http.Redirect(w, r, "/moved?a=1", code)
			case "/away":
				w.Header().Set("Location", other.URL+"/steal")
				w.WriteHeader(code)
			case "/circle":
				http.Redirect(w, r, "/circle", code)
			default:
				watch(&got)(w, r)
			}
		})
		s := serve(t, to.URL, func(o *Options) { o.Headers = http.Header{"X-Api-Key": {"secret"}} })
		answer, body := post(t, s.url("/mcp"), call)
		if answer.StatusCode != 200 || len(got) != 1 || got[0].method != "POST" || got[0].body != call || got[0].uri != "/moved?a=1" ||
			got[0].header.Get("Authorization") != "Bearer "+token {
			t.Errorf("%d within the origin: %s %q %+v", code, answer.Status, body, got)
		}
		answer, body = post(t, s.url("/away"), call)
		if e := localError(t, answer, body); answer.StatusCode != 502 || !strings.Contains(e.Error.Message, strings.TrimPrefix(other.URL, "http://")) ||
			strings.Contains(body, "steal") {
			t.Errorf("A75: %d: %s %s", code, answer.Status, body)
		}
		answer, body = post(t, s.url("/circle"), call)
		if localError(t, answer, body); answer.StatusCode != 502 {
			t.Errorf("%d in a circle: %s", code, answer.Status)
		}
	}
	if n := other.hits.Load(); n != 0 {
		t.Errorf("A75: %d requests reached the other origin", n)
	}
}

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://h/a", "https://H:443/b", true},
		{"http://h:80", "http://h", true},
		{"http://h", "https://h", false},
		{"https://h", "https://h:8443", false},
		{"https://h", "https://h.evil", false},
		{"https://h", "//h", false},
	} {
		a, _ := url.Parse(c.a)
		b, _ := url.Parse(c.b)
		if sameOrigin(a, b) != c.want {
			t.Errorf("sameOrigin(%s, %s) = %v", c.a, c.b, !c.want)
		}
	}
}

func TestAnswersItself(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) {})
	for _, path := range []string{"", "/mcp"} {
		s := serve(t, to.URL+path)
		for ask, want := range map[string]int{
			"/healthz":                                  200,
			"/.well-known/oauth-protected-resource":     404,
			"/.well-known/oauth-protected-resource/mcp": 404,
			"/.well-known/openid-configuration":         404,
			"/mcp/.well-known/openid-configuration":     404,
			"/oauth/register":                           404,
		} {
			answer, body := do(t, "GET", s.url(ask), "")
			if answer.StatusCode != want || answer.Header.Get("Content-Type") != "application/json" || body[0] != '{' {
				t.Errorf("%s: %s %q", ask, answer.Status, body)
			}
		}
		post(t, s.url("/oauth/register"), `{}`)
	}
	if to.hits.Load() != 0 {
		t.Error("the target was asked")
	}
}

func TestBodyLimits(t *testing.T) {
	t.Parallel()
	var sizes []int
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		sizes = append(sizes, int(n))
	})
	s := serve(t, to.URL)
	send := func(body io.Reader) int {
		r, _ := http.NewRequest("POST", s.url("/"), body)
		r.Header.Set("Content-Type", "application/json")
		answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err != nil { // the answer may be lost while the body is still being sent
			return http.StatusRequestEntityTooLarge
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	for _, n := range []int{1, smallBody - 1, smallBody, smallBody + 1, firstPiece, 1 << 20, maxBody - 1, maxBody, maxBody + 1} {
		body := bytes.Repeat([]byte("x"), n)
		for _, reader := range []io.Reader{bytes.NewReader(body), struct{ io.Reader }{bytes.NewReader(body)}} {
			sizes = nil
			code := send(reader)
			if n > maxBody && (code != 413 || len(sizes) != 0) || n <= maxBody && (code != 200 || len(sizes) != 1 || sizes[0] != n) {
				t.Errorf("A34: %d bytes as %T: %d, target got %v", n, reader, code, sizes)
			}
		}
	}
	soon.Until(t, "all bodies are let go", func() bool { return s.handler.buffered.Load() == 0 })
}

func TestLargeBodiesAreBounded(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) {})
	s := serve(t, to.URL)
	s.handler.buffered.Store(maxBuffered)
	r, _ := http.NewRequest("POST", s.url("/"), strings.NewReader(call+strings.Repeat(" ", 2*smallBody)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Expect", "100-continue") // so that no body is on its way when the answer comes
	answer, err := (&http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	body := string(text)
	if e := localError(t, answer, body); answer.StatusCode != 503 || e.Error.Data.Reason != "busy" || answer.Header.Get("Retry-After") != "1" {
		t.Errorf("%s %s", answer.Status, body)
	}
	if answer, _ := post(t, s.url("/"), call); answer.StatusCode != 200 {
		t.Errorf("small bodies suffer too: %s", answer.Status)
	}
	if s.handler.buffered.Load() != maxBuffered {
		t.Error("the count is off")
	}
}

func TestStreamLimit(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) {})
	s := serve(t, to.URL)
	s.handler.counters.streams.Store(maxStreams - 1)
	if answer, _ := post(t, s.url("/"), call); answer.StatusCode != 200 {
		t.Errorf("below the limit: %s", answer.Status)
	}
	s.handler.counters.streams.Store(maxStreams)
	answer, body := post(t, s.url("/"), call)
	if localError(t, answer, body); answer.StatusCode != 503 || answer.Header.Get("Retry-After") != "1" {
		t.Errorf("at the limit: %s", answer.Status)
	}
}

func TestRequestCounters(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(500)
		}
	})
	reports := make(chan status.Requests, 100)
	s := serve(t, to.URL, func(o *Options) { o.Requests = func(r status.Requests) { reports <- r } })
	begin := time.Now()
	for range 20 {
		post(t, s.url("/"), call)
	}
	post(t, s.url("/bad"), call)
	var last status.Requests
	for last.Total != 21 || last.Errors != 1 { // a request is counted before it fails
		last = soon.Receive(t, reports, "a report of 21 requests and one error")
	}
	if last.ActiveStreams != 0 {
		t.Errorf("got %+v", last)
	}
	if n, seconds := len(reports), time.Since(begin).Seconds(); float64(n) > seconds+1 {
		t.Errorf("%d reports in %.1f s", n, seconds)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]profile.Profile{
		"no target": {Name: "p"},
		"ftp":       {Name: "p", Target: "ftp://h/"},
		"no host":   {Name: "p", Target: "http:///mcp"},
		"nonsense":  {Name: "p", Target: "http://h:port/secret-path?key=secret"},
		"CA":        {Name: "p", Target: "https://h", TLS: profile.TLS{CAFile: "/does/not/exist"}},
		"empty CA":  {Name: "p", Target: "https://h", TLS: profile.TLS{CAFile: "/dev/null"}},
		"proxy":     {Name: "p", Target: "https://h", Proxy: "::"},
		"guard":     {Name: "p", Target: "https://h", Guard: profile.Guard{Local: "other"}},
	} {
		if _, err := New(Options{Profile: p, Addr: "127.0.0.1:1"}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGuardReasonsAreStatusCodes(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{guard.HostNotAllowed, guard.OriginNotAllowed, guard.PeerNotAllowed, guard.BadRequest,
		guard.NotFound, guard.MethodNotAllowed, guard.BadContentType} {
		if status.Code(reason).RPC() == status.Code("unknown").RPC() {
			t.Errorf("%s has no code", reason)
		}
	}
}

func TestWithoutListenerNobodyIsTheSameUser(t *testing.T) {
	t.Parallel()
	h, err := New(Options{Profile: profile.Profile{Name: "p", Target: "http://127.0.0.1:1"}, Addr: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(call))
	r.Host = "127.0.0.1:1"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 403 {
		t.Errorf("got %d", w.Code)
	}
}
