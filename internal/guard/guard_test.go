package guard

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

const own = "127.0.0.1:7801"

func gate(t testing.TB, o Options) *Gate {
	t.Helper()
	if o.Addr == "" {
		o.Addr = own
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// request parses what a client wrote, as net/http's server does.
func request(t testing.TB, head ...string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.Join(head, "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	return r
}

func reason(r *Refusal) string {
	if r == nil {
		return ""
	}
	return r.Reason
}

func TestCaller(t *testing.T) {
	t.Parallel()
	const get = "GET /mcp HTTP/1.1"
	const ownHost = "Host: " + own
	listed := profile.Guard{Local: profile.LocalOpen, AllowedOrigins: []string{"https://app.example"}}
	for name, c := range map[string]struct {
		head []string
		want string
	}{
		"A1 rebinding with Origin":    {[]string{get, "Host: evil.example:7801", "Origin: http://evil.example:7801"}, HostNotAllowed},
		"A2 rebinding without Origin": {[]string{get, "Host: evil.example:7801", "Sec-Fetch-Site: same-origin"}, HostNotAllowed},
		"A3 unspecified address":      {[]string{get, "Host: 0.0.0.0:7801"}, HostNotAllowed},
		"A4 localhost as a label":     {[]string{get, "Host: localhost.evil.example:7801"}, HostNotAllowed},
		"A4 nip.io":                   {[]string{get, "Host: 127.0.0.1.nip.io:7801"}, HostNotAllowed},
		"A5 no port":                  {[]string{get, "Host: 127.0.0.1"}, HostNotAllowed},
		"A5 wrong port":               {[]string{get, "Host: 127.0.0.1:7802"}, HostNotAllowed},
		"A5 trailing dot":             {[]string{get, "Host: localhost.:7801"}, HostNotAllowed},
		"A5 mapped":                   {[]string{get, "Host: [::ffff:127.0.0.1]:7801"}, HostNotAllowed},
		"A5 short":                    {[]string{get, "Host: 127.1:7801"}, HostNotAllowed},
		"A5 decimal":                  {[]string{get, "Host: 2130706433:7801"}, HostNotAllowed},
		"A5 upper case":               {[]string{get, "Host: LOCALHOST:7801"}, ""},
		"A5 IPv4":                     {[]string{get, ownHost}, ""},
		"A5 IPv6":                     {[]string{get, "Host: [::1]:7801"}, ""},
		"A6 absolute target, foreign": {[]string{"POST http://evil/mcp HTTP/1.1", ownHost}, HostNotAllowed},
		"A6 absolute target, ours":    {[]string{"POST http://127.0.0.1:7801/mcp HTTP/1.1", "Host: evil"}, ""},
		"A6 absolute target, https":   {[]string{"POST https://127.0.0.1:7801/mcp HTTP/1.1", ownHost}, BadRequest},
		"A6 absolute target, userinfo": {
			[]string{"POST http://a:b@127.0.0.1:7801/mcp HTTP/1.1", ownHost}, BadRequest},
		"A9 null origin":            {[]string{get, ownHost, "Origin: null"}, OriginNotAllowed},
		"A10 other loopback port":   {[]string{get, ownHost, "Origin: http://localhost:3000"}, OriginNotAllowed},
		"own origin":                {[]string{get, ownHost, "Origin: http://localhost:7801"}, ""},
		"own origin, IPv6":          {[]string{get, ownHost, "Origin: http://[::1]:7801"}, ""},
		"A11 listed":                {[]string{get, ownHost, "Origin: https://app.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"}, ""},
		"A11 other scheme":          {[]string{get, ownHost, "Origin: http://app.example"}, OriginNotAllowed},
		"A11 longer":                {[]string{get, ownHost, "Origin: https://app.example.evil"}, OriginNotAllowed},
		"A11 other port":            {[]string{get, ownHost, "Origin: https://app.example:444"}, OriginNotAllowed},
		"A11 upper case":            {[]string{get, ownHost, "Origin: HTTPS://APP.EXAMPLE"}, OriginNotAllowed},
		"A11 slash":                 {[]string{get, ownHost, "Origin: https://app.example/"}, OriginNotAllowed},
		"A11 empty":                 {[]string{get, ownHost, "Origin: "}, OriginNotAllowed},
		"A11 twice":                 {[]string{get, ownHost, "Origin: https://app.example", "Origin: https://app.example"}, OriginNotAllowed},
		"A12 image":                 {[]string{get, ownHost, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, OriginNotAllowed},
		"A12 no-cors, listed":       {[]string{get, ownHost, "Origin: https://app.example", "Sec-Fetch-Mode: no-cors"}, OriginNotAllowed},
		"A12 cross-site, no mode":   {[]string{get, ownHost, "Sec-Fetch-Site: cross-site"}, OriginNotAllowed},
		"A12 same-site":             {[]string{get, ownHost, "Sec-Fetch-Site: same-site"}, OriginNotAllowed},
		"A13 navigation":            {[]string{get, ownHost, "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"}, OriginNotAllowed},
		"node's fetch":              {[]string{get, ownHost, "Sec-Fetch-Mode: cors"}, ""},
		"A14 websocket":             {[]string{get, ownHost, "Connection: Upgrade", "Upgrade: websocket"}, BadRequest},
		"A14 h2c":                   {[]string{get, ownHost, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"}, BadRequest},
		"A14 settings alone":        {[]string{get, ownHost, "HTTP2-Settings: x"}, BadRequest},
		"A26 named headers":         {[]string{get, ownHost, "Connection: authorization, mcp-session-id"}, BadRequest},
		"A26 second line":           {[]string{get, ownHost, "Connection: keep-alive", "Connection: authorization"}, BadRequest},
		"usual connection options":  {[]string{get, ownHost, "Connection: TE, Keep-Alive"}, ""},
		"h2 preface":                {[]string{"PRI * HTTP/2.0"}, HostNotAllowed},
		"plain client of localhost": {[]string{get, "Host: localhost:7801"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusal := gate(t, Options{Path: "/mcp", Guard: listed}).Caller(request(t, c.head...))
			if reason(refusal) != c.want {
				t.Fatalf("got %+v, want %q", refusal, c.want)
			}
			if refusal != nil && (refusal.Status < 400 || refusal.Message == "" || refusal.Action == "") {
				t.Errorf("incomplete refusal %+v", refusal)
			}
		})
	}
}

func TestOriginRefusalNamesOriginAndSetting(t *testing.T) {
	t.Parallel()
	g := gate(t, Options{Guard: profile.Guard{Local: profile.LocalOpen}})
	refusal := g.Caller(request(t, "GET / HTTP/1.1", "Host: "+own, "Origin: http://localhost:3000"))
	if !strings.Contains(refusal.Message, "http://localhost:3000") || !strings.Contains(refusal.Action, "allowed_origins") {
		t.Errorf("got %+v", refusal)
	}
	refusal = g.Caller(request(t, "GET / HTTP/1.1", "Host: "+own, "Origin: <script>\"x"+strings.Repeat("y", 500)))
	if strings.ContainsAny(refusal.Message, `<>"`) || len(refusal.Message) > 150 {
		t.Errorf("got %q", refusal.Message)
	}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	const json = "Content-Type: application/json"
	for name, c := range map[string]struct {
		path string // of the endpoint
		head []string
		want string
	}{
		"call":                 {"/mcp", []string{"POST /mcp HTTP/1.1", json}, ""},
		"charset":              {"/mcp", []string{"POST /mcp HTTP/1.1", "Content-Type: Application/JSON; charset=utf-8"}, ""},
		"stream":               {"/mcp", []string{"GET /mcp HTTP/1.1"}, ""},
		"end of session":       {"/mcp", []string{"DELETE /mcp HTTP/1.1"}, ""},
		"below":                {"/mcp", []string{"GET /mcp/a/b%20c HTTP/1.1"}, ""},
		"below with slash":     {"/mcp", []string{"GET /mcp/ HTTP/1.1"}, ""},
		"query":                {"/mcp", []string{"GET /mcp?a=1&a=2;b HTTP/1.1"}, ""},
		"A8 text/plain":        {"/mcp", []string{"POST /mcp HTTP/1.1", "Content-Type: text/plain"}, BadContentType},
		"A8 form":              {"/mcp", []string{"POST /mcp HTTP/1.1", "Content-Type: application/x-www-form-urlencoded"}, BadContentType},
		"A8 none":              {"/mcp", []string{"POST /mcp HTTP/1.1"}, BadContentType},
		"A8 two":               {"/mcp", []string{"POST /mcp HTTP/1.1", json, "Content-Type: text/plain"}, BadContentType},
		"A8 hidden":            {"/mcp", []string{"POST /mcp HTTP/1.1", "Content-Type: text/plain; x=application/json"}, BadContentType},
		"A29 TRACE":            {"/mcp", []string{"TRACE /mcp HTTP/1.1"}, MethodNotAllowed},
		"A29 PUT":              {"/mcp", []string{"PUT /mcp HTTP/1.1", json}, MethodNotAllowed},
		"A29 PATCH":            {"/mcp", []string{"PATCH /mcp HTTP/1.1", json}, MethodNotAllowed},
		"A29 HEAD":             {"/mcp", []string{"HEAD /mcp HTTP/1.1"}, MethodNotAllowed},
		"A29 FOO":              {"/mcp", []string{"FOO /mcp HTTP/1.1"}, MethodNotAllowed},
		"A29 CONNECT":          {"/mcp", []string{"CONNECT 127.0.0.1:7801 HTTP/1.1"}, MethodNotAllowed},
		"A30 dot segments":     {"/mcp", []string{"POST /mcp/../admin HTTP/1.1", json}, NotFound},
		"A30 one dot":          {"/mcp", []string{"POST /mcp/./x HTTP/1.1", json}, NotFound},
		"A30 dots at the end":  {"/mcp", []string{"POST /mcp/.. HTTP/1.1", json}, NotFound},
		"A30 empty segment":    {"/mcp", []string{"POST //evil.com/mcp HTTP/1.1", json}, NotFound},
		"A30 empty below":      {"/mcp", []string{"POST /mcp//x HTTP/1.1", json}, NotFound},
		"A30 encoded dots":     {"/mcp", []string{"POST /%2e%2e/x HTTP/1.1", json}, NotFound},
		"A30 encoded below":    {"/mcp", []string{"POST /mcp/%2E%2e/x HTTP/1.1", json}, NotFound},
		"A30 encoded twice":    {"/mcp", []string{"POST /mcp/%252e%252e/x HTTP/1.1", json}, NotFound},
		"A30 encoded slash":    {"/mcp", []string{"POST /mcp/a%2fb HTTP/1.1", json}, NotFound},
		"A30 NUL":              {"/mcp", []string{"POST /mcp%00 HTTP/1.1", json}, NotFound},
		"A30 NUL below":        {"/mcp", []string{"POST /mcp/%00 HTTP/1.1", json}, NotFound},
		"A30 semicolon":        {"/mcp", []string{"POST /mcp;x HTTP/1.1", json}, NotFound},
		"A30 semicolon below":  {"/mcp", []string{"POST /mcp/a;x HTTP/1.1", json}, NotFound},
		"A30 backslash":        {"/mcp", []string{`POST /mcp\..\x HTTP/1.1`, json}, NotFound},
		"A30 backslash below":  {"/mcp", []string{`POST /mcp/..\x HTTP/1.1`, json}, NotFound},
		"other path":           {"/mcp", []string{"POST /mcpx HTTP/1.1", json}, NotFound},
		"other case":           {"/mcp", []string{"POST /MCP HTTP/1.1", json}, NotFound},
		"encoded letter":       {"/mcp", []string{"POST /%6dcp HTTP/1.1", json}, NotFound},
		"root":                 {"/mcp", []string{"POST / HTTP/1.1", json}, NotFound},
		"asterisk":             {"/mcp", []string{"OPTIONS * HTTP/1.1"}, NotFound},
		"every path":           {"/", []string{"POST /any/where HTTP/1.1", json}, ""},
		"every path, dots":     {"", []string{"POST /a/../b HTTP/1.1", json}, NotFound},
		"every path, slashes":  {"", []string{"POST //a HTTP/1.1", json}, NotFound},
		"no path at all":       {"", []string{"POST http://127.0.0.1:7801 HTTP/1.1", json}, ""},
		"odd path of operator": {"/a;b/%2E", []string{"POST /a;b/%2E HTTP/1.1", json}, ""},
		"slash of operator":    {"/mcp/", []string{"POST /mcp/x HTTP/1.1", json}, ""},
		"slash left out":       {"/mcp/", []string{"POST /mcp HTTP/1.1", json}, NotFound},
		"A31 256 parameters":   {"/mcp", []string{"GET /mcp?a" + strings.Repeat("&a", 255) + " HTTP/1.1"}, ""},
		"A31 257 parameters":   {"/mcp", []string{"GET /mcp?a" + strings.Repeat("&a", 256) + " HTTP/1.1"}, BadRequest},
		"A31 long":             {"/mcp", []string{"GET /mcp?" + strings.Repeat("a", 8193) + " HTTP/1.1"}, BadRequest},
		"A35 gzip":             {"/mcp", []string{"POST /mcp HTTP/1.1", json, "Content-Encoding: gzip"}, BadContentType},
		"GET with a body":      {"/mcp", []string{"GET /mcp HTTP/1.1", "Content-Length: 5"}, BadRequest},
		"GET chunked":          {"/mcp", []string{"GET /mcp HTTP/1.1", "Transfer-Encoding: chunked"}, BadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := gate(t, Options{Path: c.path})
			refusal := g.Endpoint(request(t, append([]string{c.head[0], "Host: " + own}, c.head[1:]...)...))
			if c.head[0][:4] == "CONN" && refusal != nil {
				return // refused by its path or by its method, as it is written
			}
			if reason(refusal) != c.want {
				t.Fatalf("got %+v, want %q", refusal, c.want)
			}
			if c.want == MethodNotAllowed && refusal.Allow == "" {
				t.Error("no Allow")
			}
		})
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	g := gate(t, Options{Path: "/mcp", Guard: profile.Guard{Local: profile.LocalOpen, AllowedOrigins: []string{"https://app.example"}}})
	ask := func(origin string, more ...string) (http.Header, bool) {
		r := request(t, append([]string{"OPTIONS /mcp HTTP/1.1", "Host: " + own, "Origin: " + origin,
			"Access-Control-Request-Method: POST"}, more...)...)
		answer := http.Header{}
		g.CORS(answer, r)
		return answer, g.Preflight(answer, r)
	}
	answer, ok := ask("https://app.example", "Access-Control-Request-Headers: content-type, mcp-protocol-version",
		"Access-Control-Request-Private-Network: true")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":          "https://app.example",
		"Access-Control-Allow-Headers":         "content-type, mcp-protocol-version",
		"Access-Control-Allow-Private-Network": "true",
		"Access-Control-Allow-Credentials":     "",
		"Vary":                                 "Origin",
	} {
		if !ok || answer.Get(name) != want {
			t.Errorf("A16: %s = %q, want %q", name, answer.Get(name), want)
		}
	}
	if answer, ok := ask("https://app.example.evil"); ok || answer["Access-Control-Allow-Origin"] != nil {
		t.Errorf("A15: unlisted origin got %v", answer)
	}
	if answer, _ := ask("https://app.example", "Access-Control-Request-Headers: "+strings.Repeat("x", 60000)); answer["Access-Control-Allow-Headers"] != nil {
		t.Error("A15: a huge list of headers was echoed")
	}
	if _, ok := ask("http://" + own); ok {
		t.Error("a preflight of our own origin was answered")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{Addr: "nonsense"}, {Addr: own, Guard: profile.Guard{Local: "key"}}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v accepted", o)
		}
	}
}

func TestPortEighty(t *testing.T) {
	t.Parallel()
	g := gate(t, Options{Addr: "127.0.0.1:80", Guard: profile.Guard{Local: profile.LocalOpen}})
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "localhost:80"} {
		if refusal := g.Caller(request(t, "GET / HTTP/1.1", "Host: "+host)); refusal != nil {
			t.Errorf("%s: %+v", host, refusal)
		}
	}
}

func TestUnknownPeerIsRefused(t *testing.T) {
	t.Parallel()
	refusal := gate(t, Options{}).Caller(request(t, "GET / HTTP/1.1", "Host: "+own))
	if reason(refusal) != PeerNotAllowed || refusal.Status != http.StatusForbidden {
		t.Errorf("got %+v", refusal)
	}
}

func FuzzCleanPath(f *testing.F) {
	for _, seed := range []string{"/mcp", "/a/../b", "/%2e%2e/", "/a%00", "/a;b", `/a\b`, "//", "/%25", "/ü", "/a/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.ParseRequestURI(raw)
		if err != nil || u.Host != "" || !cleanPath(u.EscapedPath()) {
			return
		}
		if u.Path == "" {
			return
		}
		if clean := path.Clean(u.Path); clean != strings.TrimSuffix(u.Path, "/") && u.Path != "/" {
			t.Errorf("%q is read as %q and as %q", raw, u.Path, clean)
		}
		if strings.ContainsAny(u.Path, "\\;%\x00\r\n\x7f") {
			t.Errorf("%q passes", raw)
		}
	})
}

func FuzzCaller(f *testing.F) {
	f.Add("127.0.0.1:7801", "http://127.0.0.1:7801")
	f.Add("evil", "null")
	f.Fuzz(func(t *testing.T, host, origin string) {
		g := gate(t, Options{Guard: profile.Guard{Local: profile.LocalOpen}})
		r := httptest.NewRequestWithContext(context.Background(), "GET", "/", nil)
		r.Host = host
		r.Header.Set("Origin", origin)
		if g.Caller(r) != nil {
			return
		}
		ours := map[string]bool{"127.0.0.1:7801": true, "localhost:7801": true, "[::1]:7801": true}
		if !ours[strings.ToLower(host)] || !ours[strings.TrimPrefix(origin, "http://")] {
			t.Errorf("admitted Host %q, Origin %q", host, origin)
		}
	})
}

func BenchmarkGate(b *testing.B) {
	g := gate(b, Options{Path: "/mcp", Guard: profile.Guard{Local: profile.LocalOpen}})
	r := request(b, "POST /mcp HTTP/1.1", "Host: "+own, "Content-Type: application/json", "Accept: application/json, text/event-stream",
		"Mcp-Session-Id: x", "Mcp-Protocol-Version: 2025-11-25", "User-Agent: x")
	b.ReportAllocs()
	for b.Loop() {
		if g.Caller(r) != nil || g.Endpoint(r) != nil {
			b.Fatal("refused")
		}
	}
}
