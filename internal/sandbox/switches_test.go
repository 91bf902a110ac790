package sandbox_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"syscall"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// check proves that a switch, which is on, does what it says.
type check func(p *party)

func TestSwitches(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range sandbox.Switches() {
		if seen[v.Name] || v.Doc == "" {
			t.Errorf("%s: named twice or not documented", v.Name)
		}
		seen[v.Name] = true
		do, ok := checks[v.Name]
		if !ok {
			t.Errorf("%s: no check", v.Name)
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			p := newParty(t, sandbox.Options{})
			p.switchOn(v.Name)
			do(p)
			p.s.Behave()
			p.want(p.signIn().is(200, ""), "sign-in after Behave")
			p.want(p.initialize().is(200, ""), "MCP after Behave")
		})
	}
	if len(checks) != len(seen) {
		t.Errorf("%d checks for %d switches", len(checks), len(seen))
	}
}

func prmField(name, want string) check {
	return func(p *party) { p.want(p.prm().field(name) == fill(p.s, want), name+" "+want) }
}

func metadataField(name, want string) check {
	return func(p *party) { p.want(p.metadata().field(name) == fill(p.s, want), name+" "+want) }
}

func registerField(name, want string) check {
	return func(p *party) {
		p.want(p.register().field(name) == fill(p.s, want), name+" "+want)
		p.id = "" // not the real one, perhaps
	}
}

func tokenField(name, want string) check {
	return func(p *party) { p.want(p.signIn().field(name) == want, name+" "+want) }
}

func returned(name, want string) check {
	return func(p *party) {
		p.register()
		p.want(p.authorize().Get(name) == fill(p.s, want), name+" "+want)
	}
}

func claim(name string, want any) check {
	return func(p *party) {
		id, _ := p.signIn().object()["id_token"].(string)
		got := claims(id)[name]
		if w, ok := want.(string); ok {
			p.want(got == fill(p.s, w), "claim "+name)
		} else {
			p.want(got == want, "claim "+name)
		}
	}
}

func claims(token string) map[string]any {
	parts := strings.Split(token, ".")
	text, _ := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
	return reply{body: text}.object()
}

func fill(s *sandbox.Sandbox, text string) string {
	return strings.NewReplacer("@iss", s.Issuer(), "@mcp", s.MCPURL(), "@elsewhere", s.ElsewhereURL(), "@origin", s.Origin()).Replace(text)
}

func challenged(want string) check {
	return func(p *party) {
		got := strings.Join(p.mcp("{}").header.Values("WWW-Authenticate"), " | ")
		p.want(p.status == 401 && got == fill(p.s, want), "challenge "+got)
	}
}

// at runs a step and looks at its answer.
func at(step func(p *party) reply, ok func(r reply) bool) check {
	return func(p *party) {
		step(p)
		p.want(ok(p.reply), "answer")
	}
}

func status(code int, problem string) func(reply) bool {
	return func(r reply) bool { return r.is(code, problem) }
}

func html(code int) func(reply) bool { return func(r reply) bool { return r.html(code) } }

func with(code int, header, value string) func(reply) bool {
	return func(r reply) bool { return r.is(code, "") && r.header.Get(header) == value }
}

func elsewhere(step func(p *party) reply, code int, path string) check {
	return func(p *party) {
		step(p)
		p.want(p.status == code && p.header.Get("Location") == p.s.ElsewhereURL()+path, "redirect")
	}
}

func large(r reply) bool {
	return r.status == 200 && len(r.body) == 1<<20 && strings.HasSuffix(string(r.body), "   ")
}

func isReset(r reply) bool { return errors.Is(r.err, syscall.ECONNRESET) || errors.Is(r.err, io.EOF) }

func isLost(r reply) bool { return errors.Is(r.err, io.ErrUnexpectedEOF) }

// never proves that an endpoint does not answer, and that the sandbox notices the
// client's leaving.
func never(k sandbox.Kind, step func(p *party) reply) check {
	return func(p *party) {
		ctx := soon.Context(p.t)
		before := p.client.Transport
		defer func() { p.client.Transport = before }()
		p.client.Transport = impatient{before, p.s, k}
		step(p)
		p.want(errors.Is(p.err, context.Canceled), "an answer")
		if _, err := p.s.WaitFor(ctx, k, func(r sandbox.Request) bool { return r.Canceled }); err != nil {
			p.t.Errorf("the sandbox did not see the client leave: %v", err)
		}
	}
}

// impatient leaves as soon as the sandbox has the request.
type impatient struct {
	http.RoundTripper
	s *sandbox.Sandbox
	k sandbox.Kind
}

func (i impatient) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, leave := context.WithCancel(r.Context())
	u := *r.URL
	go func() {
		defer leave()
		_, _ = i.s.WaitFor(ctx, i.k, func(q sandbox.Request) bool { return q.Path == u.Path && !q.Done })
	}()
	return i.RoundTripper.RoundTrip(r.WithContext(ctx))
}

// drips proves that the body comes byte by byte: the first arrive, most do not.
func drips(k sandbox.Kind, prepare func(p *party) *http.Request) check {
	return func(p *party) {
		req := prepare(p)
		ctx, cancel := context.WithCancel(soon.Context(p.t))
		defer cancel()
		resp, err := p.client.Do(req.WithContext(ctx))
		if err != nil {
			p.t.Fatal(err)
		}
		defer resp.Body.Close()
		b := make([]byte, 100)
		if n, err := resp.Body.Read(b); n == 0 || n == len(b) || err != nil {
			p.t.Errorf("read %d, %v", n, err)
		}
	}
}

func prm(p *party) reply      { return p.prm() }
func metadata(p *party) reply { return p.metadata() }
func register(p *party) reply { r := p.register(); p.id = ""; return r }
func signIn(p *party) reply   { return p.signIn() }

// enter signs in, whatever the switch, and sends one MCP message.
func enter(p *party) reply {
	p.t.Helper()
	p.want(p.signIn().is(200, ""), "sign-in")
	return p.initialize()
}

var checks = map[string]check{
	"prm-missing": at(prm, status(404, "")),
	"prm-root-only": func(p *party) {
		p.want(p.prm().is(404, ""), "path form")
		p.want(p.get(p.s.Origin()+p.s.PRMPath("")).field("resource") == `"`+p.s.Origin()+`"`, "root form")
		challenged("Bearer")(p)
	},
	"prm-resource-elsewhere": prmField("resource", `"@elsewhere/mcp"`),
	"prm-resource-longer":    prmField("resource", `"@mcpx"`),
	"prm-resource-slash":     prmField("resource", `"@mcp/"`),
	"prm-resource-absent":    prmField("resource", "-"),
	"prm-no-servers":         prmField("authorization_servers", `[]`),
	"prm-dead-server-first":  prmField("authorization_servers", `["http://127.0.0.1:1","@iss"]`),
	"prm-other-server":       prmField("authorization_servers", `["@elsewhere"]`),
	"prm-html":               at(prm, html(200)),
	"challenge-absent":       challenged(""),
	"challenge-bare":         challenged("Bearer"),
	"challenge-malformed":    challenged(`Bearer resource_metadata="http://127.0.0.1:1/, =,,;"`),
	"challenge-many": challenged(`Negotiate, Basic realm="a, b" | ` +
		`Bearer resource_metadata="@origin/.well-known/oauth-protected-resource/mcp", scope="mcp:tools"`),
	"challenge-elsewhere": challenged(`Bearer resource_metadata="@elsewhere/prm"`),

	"metadata-missing": at(metadata, status(404, "")),
	"metadata-last-only": func(p *party) {
		p.want(p.metadata().is(404, ""), "first")
		p.want(p.get(p.issuerOrigin()+"/.well-known/openid-configuration").is(200, ""), "last")
	},
	"metadata-issuer-slash":     metadataField("issuer", `"@iss/"`),
	"metadata-issuer-elsewhere": metadataField("issuer", `"@elsewhere"`),
	"metadata-no-pkce":          metadataField("code_challenge_methods_supported", "-"),
	"metadata-plain-pkce":       metadataField("code_challenge_methods_supported", `["plain"]`),
	"metadata-500":              at(metadata, status(500, "")),
	"metadata-html":             at(metadata, html(200)),
	"metadata-huge":             at(metadata, large),
	"metadata-bomb":             at(metadata, large),
	"metadata-deep":             at(metadata, func(r reply) bool { return string(r.body) == strings.Repeat("[", 10000) }),
	"metadata-utf16":            at(metadata, func(r reply) bool { return strings.HasPrefix(string(r.body), "\xff\xfe{\x00") }),
	"metadata-drip": drips(sandbox.KindMetadata, func(p *party) *http.Request {
		return request(p, http.MethodGet, p.issuerOrigin()+p.s.MetadataPaths()[0], "")
	}),
	"metadata-hang":     never(sandbox.KindMetadata, metadata),
	"metadata-redirect": elsewhere(metadata, 302, "/metadata"),

	"metadata-authorize-javascript": metadataField("authorization_endpoint", `"javascript:alert(1)"`),
	"metadata-authorize-file":       metadataField("authorization_endpoint", `"file:///etc/passwd"`),
	"metadata-authorize-program":    metadataField("authorization_endpoint", `"ms-msdt:/id"`),
	"metadata-authorize-option":     metadataField("authorization_endpoint", `"-a Calculator"`),
	"metadata-authorize-http":       metadataField("authorization_endpoint", `"http://example.com/authorize"`),
	"metadata-authorize-user":       metadataField("authorization_endpoint", `"https://good.example@evil.example/authorize"`),
	"metadata-authorize-shell":      metadataField("authorization_endpoint", `"https://evil.example/$(id)`+"`id`"+`\u0026calc\u0026\"|;"`),
	"metadata-token-elsewhere":      metadataField("token_endpoint", `"@elsewhere/token"`),
	"metadata-jwks-private":         metadataField("jwks_uri", `"http://169.254.169.254/keys"`),

	"iss-elsewhere": returned("iss", "@elsewhere"),
	"iss-slash":     returned("iss", "@iss/"),
	"iss-upper": func(p *party) {
		p.register()
		got := p.authorize().Get("iss")
		p.want(got != p.s.Issuer() && strings.EqualFold(got, p.s.Issuer()), got)
	},
	"iss-absent": func(p *party) {
		metadataField("authorization_response_iss_parameter_supported", "true")(p)
		p.register()
		p.want(!p.authorize().Has("iss"), "iss")
	},
	"iss-unannounced": func(p *party) {
		metadataField("authorization_response_iss_parameter_supported", "-")(p)
		returned("iss", "@iss")(p)
	},
	"iss-unsupported": func(p *party) {
		metadataField("authorization_response_iss_parameter_supported", "-")(p)
		returned("iss", "")(p)
	},
	"state-wrong":  returned("state", "somebody-else"),
	"state-absent": returned("state", ""),
	"state-twice":  func(p *party) { p.register(); p.want(len(p.authorize()["state"]) == 2, "state") },
	"code-twice":   func(p *party) { p.register(); p.want(len(p.authorize()["code"]) == 2, "code") },
	"code-wrong":   at(signIn, status(400, "invalid_grant")),
	"authorize-denied": func(p *party) {
		p.register()
		q := p.authorize()
		p.want(q.Get("error") == "access_denied" && !q.Has("code") && q.Get("state") == "my-state" && q.Get("iss") == p.s.Issuer(), q.Encode())
	},
	"authorize-server-error":  returned("error", "server_error"),
	"authorize-invalid-scope": returned("error", "invalid_scope"),
	"authorize-page": func(p *party) {
		p.register()
		p.authorize()
		p.want(p.html(400), "page")
	},
	"other-subject": claim("sub", "bob"),
	"narrow-scope":  tokenField("scope", `"profile"`),

	"dcr-absent":           metadataField("registration_endpoint", "-"),
	"dcr-off":              at(register, status(404, "")),
	"dcr-denied":           at(register, status(403, "access_denied")),
	"dcr-refused":          at(register, status(400, "invalid_redirect_uri")),
	"dcr-other-redirect":   registerField("redirect_uris", `["https://evil.example/callback"]`),
	"dcr-secret-expired":   registerField("client_secret_expires_at", `1`),
	"dcr-manage-elsewhere": registerField("registration_client_uri", `"@elsewhere/client"`),
	"dcr-long-id":          at(register, func(r reply) bool { return len(r.body) == 1<<20 }),
	"dcr-control-id":       registerField("client_id", `"a\r\nb"`),
	"dcr-html":             at(register, html(200)),

	"token-500":         at(signIn, status(500, "")),
	"token-503":         at(signIn, with(503, "Retry-After", "120")),
	"token-503-forever": at(signIn, with(503, "Retry-After", "1000000000")),
	"token-429":         at(signIn, with(429, "Retry-After", "7")),
	"token-400-html":    at(signIn, html(400)),
	"token-403-html":    at(signIn, html(403)),
	"token-200-html":    at(signIn, html(200)),
	"token-302":         elsewhere(signIn, 302, "/token"),
	"token-307":         elsewhere(signIn, 307, "/token"),
	"token-308":         elsewhere(signIn, 308, "/token"),
	"token-hang":        never(sandbox.KindToken, signIn),
	"token-drip": drips(sandbox.KindToken, func(p *party) *http.Request {
		p.register()
		return request(p, http.MethodPost, p.s.Issuer()+"/token", "code="+p.authorize().Get("code"))
	}),
	"token-huge": at(signIn, large),
	"token-truncated": at(signIn, func(r reply) bool {
		return r.is(200, "") && strings.Contains(string(r.body), `"refresh_token":"sandbox-refresh-`) &&
			strings.HasSuffix(string(r.body), `"`)
	}),
	"token-lost": at(signIn, func(r reply) bool {
		return isLost(r) && strings.Contains(string(r.body), `"refresh_token":"sandbox-refresh-`)
	}),
	"token-cut": at(signIn, func(r reply) bool { return r.is(200, "") && r.object() == nil && len(r.body) > 100 }),
	"token-dropped": func(p *party) {
		p.s.Behave()
		p.signIn()
		old := p.renew
		p.switchOn("token-dropped")
		p.refresh(old)
		p.want(isReset(p.reply), "reset")
		p.s.Behave()
		p.want(p.refresh(old).is(400, "invalid_grant"), "the refresh token was rotated")
	},
	"token-dropped-once": func(p *party) {
		p.want(isReset(p.signIn()), "reset")
		p.want(p.signIn().is(200, ""), "second")
	},
	"token-reset": func(p *party) {
		p.s.Behave()
		p.signIn()
		old := p.renew
		p.switchOn("token-reset")
		p.refresh(old)
		p.want(isReset(p.reply), "reset")
		p.s.Behave()
		p.want(p.refresh(old).is(200, ""), "the refresh token was not spent")
	},
	"token-invalid-grant":  at(signIn, status(400, "invalid_grant")),
	"token-invalid-client": at(signIn, status(401, "invalid_client")),
	"token-invalid-scope":  at(signIn, status(400, "invalid_scope")),
	"token-400-empty":      at(signIn, func(r reply) bool { return r.is(400, "") && len(r.body) == 0 }),
	"token-200-error":      at(signIn, status(200, "invalid_grant")),
	"expires-absent":       tokenField("expires_in", "-"),
	"expires-null":         tokenField("expires_in", "null"),
	"expires-zero":         tokenField("expires_in", "0"),
	"expires-negative":     tokenField("expires_in", "-5"),
	"expires-string":       tokenField("expires_in", `"3600"`),
	"expires-fraction":     tokenField("expires_in", "3600.5"),
	"expires-far":          tokenField("expires_in", "99999999999"),
	"expires-exponent":     tokenField("expires_in", "1e9"),
	"expires-text":         tokenField("expires_in", `"abc"`),
	"type-mac":             tokenField("token_type", `"mac"`),
	"type-dpop":            tokenField("token_type", `"DPoP"`),
	"type-absent":          tokenField("token_type", "-"),
	"access-newline":       tokenField("access_token", `"abc\r\nX-Injected: 1"`),
	"access-unicode":       tokenField("access_token", `"tök\u0000en"`),
	"access-huge":          at(signIn, func(r reply) bool { return len(r.body) == 1<<20 }),
	"access-absent":        tokenField("access_token", "-"),
	"no-refresh-token":     tokenField("refresh_token", "-"),

	"id-none": func(p *party) {
		id, _ := p.signIn().object()["id_token"].(string)
		p.want(strings.HasSuffix(id, ".") && claims(id)["sub"] == "alice", "unsigned")
	},
	"id-foreign-key": func(p *party) {
		id, _ := p.signIn().object()["id_token"].(string)
		head, _ := base64.RawURLEncoding.DecodeString(strings.Split(id, ".")[0])
		kid, _ := reply{body: head}.object()["kid"].(string)
		p.want(kid != "" && !strings.Contains(string(p.get(p.s.Issuer()+"/jwks").body), kid), "key")
	},
	"id-nonce":    claim("nonce", "somebody-else"),
	"id-audience": claim("aud", "somebody-else"),
	"id-issuer":   claim("iss", "@elsewhere"),
	"id-expired":  claim("exp", 1e9),
	"id-absent":   tokenField("id_token", "-"),

	"mcp-401": at(enter, func(r reply) bool {
		return r.is(401, "") && strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer resource_metadata=")
	}),
	"mcp-401-once": func(p *party) {
		p.want(enter(p).is(401, ""), "first")
		p.want(p.initialize().is(200, ""), "second")
	},
	"mcp-401-midway": func(p *party) {
		p.signIn()
		for n, want := range []int{200, 200, 200, 401, 200} {
			if p.initialize(); p.status != want {
				p.t.Errorf("request %d: %d", n, p.status)
			}
		}
	},
	"mcp-403":                at(enter, insufficient(sandbox.ScopeAdmin)),
	"mcp-403-forever":        at(enter, insufficient("mcp:never")),
	"mcp-403-plain":          at(enter, with(403, "WWW-Authenticate", "")),
	"mcp-500":                at(enter, status(500, "")),
	"mcp-503":                at(enter, with(503, "Retry-After", "120")),
	"mcp-html":               at(enter, html(200)),
	"mcp-redirect-same":      func(p *party) { at(enter, with(307, "Location", p.s.MCPURL()+"/echo"))(p) },
	"mcp-redirect-302":       func(p *party) { at(enter, with(302, "Location", p.s.MCPURL()+"/echo"))(p) },
	"mcp-redirect-loop":      func(p *party) { at(enter, with(307, "Location", p.s.MCPURL()))(p) },
	"mcp-redirect-elsewhere": elsewhere(enter, 307, "/mcp"),
	"mcp-hang":               never(sandbox.KindMCP, enter),
	"mcp-reset":              at(enter, isReset),
	"mcp-dropped":            at(enter, isReset),
	"mcp-lost":               at(enter, isLost),
	"mcp-gzip": func(p *party) {
		p.signIn()
		p.send(http.MethodPost, p.s.MCPURL(), "application/json", "{}", "Authorization", "Bearer "+p.access, "Accept-Encoding", "identity")
		p.want(p.header.Get("Content-Encoding") == "gzip" && strings.HasPrefix(string(p.body), "\x1f\x8b"), "gzip")
	},
	"mcp-header-flood": func(p *party) {
		p.client.Transport.(*http.Transport).MaxResponseHeaderBytes = 2 << 20
		p.want(len(enter(p).header) > 250, "headers")
	},
	"mcp-early": func(p *party) {
		p.signIn()
		hints := 0
		p.trace = &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { hints++; return nil }}
		p.want(p.initialize().is(200, "") && hints == 1000, fmt.Sprint(hints, " early hints"))
	},
	"mcp-headers": at(enter, func(r reply) bool {
		return r.is(200, "") && len(r.header.Values("Set-Cookie")) == 2 && r.header.Get("Www-Authenticate") != "" &&
			r.header.Get("Access-Control-Allow-Origin") == "*" && r.header.Get("X-Harmless") == "kept"
	}),
	"mcp-reflect": func(p *party) {
		p.want(enter(p).header.Get("X-Reflected") == "Bearer "+p.access, "reflected")
	},
	"mcp-no-stream": func(p *party) {
		p.signIn()
		p.want(p.get(p.s.MCPURL(), "Authorization", "Bearer "+p.access, "Accept", "text/event-stream").is(405, ""), "GET")
	},

	"stream-blob": streamed(func(text string, _ error) bool {
		return len(text) >= 1<<20 && strings.HasPrefix(text, "data: xxx") && !strings.Contains(text, "\n")
	}),
	"stream-slow":    streamed(func(text string, _ error) bool { return strings.Count(text, "\n\n") >= 2 }),
	"stream-endless": streamed(func(text string, _ error) bool { return strings.Count(text, "data: {") > 500 }),
	"stream-silent": func(p *party) {
		p.signIn()
		never(sandbox.KindMCP, func(p *party) reply { return p.initialize() })(p)
	},
	"stream-comments": streamed(func(text string, err error) bool {
		return err == io.EOF && strings.Count(text, ": still here\r\nid: ") == 5 && !strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\n")
	}),
	"stream-retry-zero": streamed(func(text string, err error) bool {
		return err == io.EOF && strings.HasPrefix(text, "retry: 0\n\ndata: ")
	}),
	"stream-retry-far": streamed(func(text string, err error) bool {
		return err == io.EOF && strings.HasPrefix(text, "retry: 9000000000\n")
	}),
	"stream-nul-id": streamed(func(text string, err error) bool {
		return err == io.EOF && strings.HasPrefix(text, "id: a\x00b\ndata: ")
	}),
	"stream-lost": streamed(func(text string, err error) bool {
		return err == io.ErrUnexpectedEOF && strings.Count(text, "data: ") == 3
	}),
	"stream-ends": streamed(func(text string, err error) bool { return err == io.EOF && strings.Count(text, "data: ") == 3 }),

	"legacy-relative":          endpoint("message?sessionId=sandbox-session-"),
	"legacy-absolute":          endpoint("@origin/message?sessionId=sandbox-session-"),
	"legacy-elsewhere":         endpoint("@elsewhere/message?sessionId=sandbox-session-"),
	"legacy-scheme":            endpoint("javascript:alert(1)//sandbox-session-"),
	"legacy-protocol-relative": endpoint("//evil.example/message?sessionId=sandbox-session-"),
	"legacy-backslash":         endpoint(`/\evil.example/message?sessionId=sandbox-session-`),
}

func request(p *party, method, address, body string) *http.Request {
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	return req
}

func insufficient(scope string) func(reply) bool {
	return func(r reply) bool {
		c := r.header.Get("WWW-Authenticate")
		return r.is(403, "") && strings.Contains(c, `error="insufficient_scope"`) && strings.Contains(c, `scope="`+scope+`"`)
	}
}

// streamed reads what the MCP endpoint streams until ok accepts it; err is io.EOF at
// the end and nil before.
func streamed(ok func(text string, err error) bool) check {
	return func(p *party) {
		p.want(p.signIn().is(200, ""), "sign-in")
		p.follow(http.MethodPost, p.s.MCPURL(), ok)
	}
}

func (p *party) follow(method, address string, ok func(text string, err error) bool) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(soon.Context(p.t))
	defer cancel()
	req := request(p, method, address, "{}").WithContext(ctx)
	req.Header.Set("Authorization", "Bearer "+p.access)
	resp, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text []byte
	for buf := make([]byte, 64<<10); err == nil && len(text) < 1<<20; {
		var n int
		n, err = resp.Body.Read(buf)
		text = append(text, buf[:n]...)
		if ok(string(text), err) {
			return
		}
	}
	p.t.Errorf("stream: %v, %.300q", err, text)
}

// endpoint reads the first event of the legacy stream.
func endpoint(want string) check {
	return func(p *party) {
		p.register()
		p.want(p.trade(p.authorize("resource", p.s.LegacyURL()).Get("code"), "resource", p.s.LegacyURL()).is(200, ""), "sign-in")
		p.follow(http.MethodGet, p.s.LegacyURL(), func(text string, _ error) bool {
			return strings.HasPrefix(text, "event: endpoint\ndata: "+fill(p.s, want))
		})
	}
}
