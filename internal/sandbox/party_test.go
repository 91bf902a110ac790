package sandbox_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// party is an OAuth client and MCP client in single steps, so that each answer can
// be looked at raw.
type party struct {
	t      *testing.T
	s      *sandbox.Sandbox
	client *http.Client
	reply  // the last one
	trace  *httptrace.ClientTrace
	id     string
	access string
	renew  string
}

type reply struct {
	status int
	header http.Header
	body   []byte
	err    error
}

const verifier = "sandbox-verifier-0123456789-0123456789-0123456789"

var challenge = func() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}()

func newParty(t *testing.T, o sandbox.Options) *party {
	t.Helper()
	s := start(t, o)
	return &party{t: t, s: s, client: s.Client()}
}

// send does one request; at most max bytes of the answer are read.
func (p *party) send(method, address, contentType, body string, header ...string) reply {
	p.t.Helper()
	const max = 1 << 20
	ctx, cancel := context.WithTimeout(p.t.Context(), soon.Limit)
	defer cancel()
	if p.trace != nil {
		ctx = httptrace.WithClientTrace(ctx, p.trace)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.client.Do(req)
	if err != nil {
		p.reply = reply{err: err}
		return p.reply
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, max))
	p.reply = reply{resp.StatusCode, resp.Header, got, err}
	return p.reply
}

func (p *party) get(address string, header ...string) reply {
	p.t.Helper()
	return p.send(http.MethodGet, address, "", "", header...)
}

func (p *party) post(path string, form url.Values, header ...string) reply {
	p.t.Helper()
	return p.send(http.MethodPost, p.s.Issuer()+path, "application/x-www-form-urlencoded", form.Encode(), header...)
}

func (p *party) metadata() reply {
	p.t.Helper()
	return p.get(p.issuerOrigin() + p.s.MetadataPaths()[0])
}

func (p *party) issuerOrigin() string {
	u, _ := url.Parse(p.s.Issuer())
	return u.Scheme + "://" + u.Host
}

func (p *party) prm() reply { p.t.Helper(); return p.get(p.s.Origin() + p.s.PRMPath("/mcp")) }

// register registers a public client.
func (p *party) register() reply {
	p.t.Helper()
	r := p.send(http.MethodPost, p.s.Issuer()+"/register", "application/json", `{"redirect_uris":["`+redirectURI+`"],
		"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"application_type":"native"}`)
	if p.id == "" {
		p.id, _ = r.object()["client_id"].(string)
	}
	return r
}

// authorize asks for a code and returns what came back to the redirect URI.
func (p *party) authorize(change ...string) url.Values {
	p.t.Helper()
	q := url.Values{
		"response_type": {"code"}, "client_id": {p.id}, "redirect_uri": {redirectURI}, "state": {"my-state"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "resource": {p.s.MCPURL()},
		"scope": {"openid profile " + sandbox.ScopeTools}, "nonce": {"my-nonce"},
	}
	for i := 0; i < len(change); i += 2 {
		if q.Set(change[i], change[i+1]); change[i+1] == "" {
			q.Del(change[i])
		}
	}
	r := p.get(p.s.Issuer() + "/authorize?" + q.Encode())
	u, err := url.Parse(r.header.Get("Location"))
	if err != nil {
		p.t.Fatal(err)
	}
	return u.Query()
}

// trade sends a code to the token endpoint.
func (p *party) trade(code string, change ...string) reply {
	p.t.Helper()
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI},
		"client_id": {p.id}, "code_verifier": {verifier}, "resource": {p.s.MCPURL()},
	}
	for i := 0; i < len(change); i += 2 {
		if form.Set(change[i], change[i+1]); change[i+1] == "" {
			form.Del(change[i])
		}
	}
	return p.tokens(form)
}

func (p *party) refresh(token string) reply {
	p.t.Helper()
	return p.tokens(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {p.id}, "resource": {p.s.MCPURL()}})
}

func (p *party) tokens(form url.Values, header ...string) reply {
	p.t.Helper()
	r := p.post("/token", form, header...)
	if v, ok := r.object()["access_token"].(string); ok {
		p.access = v
	}
	if v, ok := r.object()["refresh_token"].(string); ok {
		p.renew = v
	}
	return r
}

// signIn is the whole way to a token.
func (p *party) signIn() reply {
	p.t.Helper()
	if p.id == "" {
		p.register()
	}
	return p.trade(p.authorize().Get("code"))
}

// initialize opens an MCP session.
func (p *party) initialize() reply {
	p.t.Helper()
	return p.mcp(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
}

func (p *party) mcp(message string) reply {
	p.t.Helper()
	return p.send(http.MethodPost, p.s.MCPURL(), "application/json", message,
		"Accept", "application/json, text/event-stream", "Authorization", "Bearer "+p.access)
}

func (p *party) switchOn(name string) {
	p.t.Helper()
	if !p.s.Switch(name) {
		p.t.Fatalf("no switch %q", name)
	}
}

func (p *party) want(ok bool, what string) {
	p.t.Helper()
	if !ok {
		p.t.Errorf("%s: status %d, err %v, header %v, body %.300q", what, p.status, p.err, p.header, p.body)
	}
}

func (r reply) object() map[string]any {
	var o map[string]any
	_ = json.Unmarshal(r.body, &o)
	return o
}

// field is a member of the answer as JSON text; - when there is none.
func (r reply) field(name string) string {
	var o map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(r.body))
	if err := d.Decode(&o); err != nil {
		return "not JSON: " + err.Error()
	}
	if v, ok := o[name]; ok {
		return string(v)
	}
	return "-"
}

func (r reply) is(status int, problem string) bool {
	return r.err == nil && r.status == status && (problem == "" || r.field("error") == `"`+problem+`"`)
}

func (r reply) html(status int) bool {
	return r.is(status, "") && strings.HasPrefix(r.header.Get("Content-Type"), "text/html") && r.field("x") != "-"
}
