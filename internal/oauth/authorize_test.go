package oauth

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

func testRequest(issuer string, promised bool) *request {
	f := &found{
		profile: withDefaults(profile.Profile{Name: "p", Target: "https://mcp.example.com/mcp"}),
		meta:    metadata{issuer: issuer, authorization: "https://auth.example.com/authorize", token: "https://auth.example.com/token"},
		at:      issuer,
	}
	f.web = &web{fence: newFence(f.profile)}
	return newRequest(f, client{id: "id"}, "http://localhost:1/callback", "the-state", promised)
}

// A44-A48: iss before errors, errors before the code.
func TestAuthorizationAnswer(t *testing.T) {
	t.Parallel()
	const iss = "https://auth.example.com"
	for _, c := range []struct {
		query    string
		promised bool
		code     string
		err      string
	}{
		{"code=c&iss=" + url.QueryEscape(iss), true, "c", ""},
		{"code=c&iss=" + url.QueryEscape(iss), false, "c", ""},
		{"code=c", false, "c", ""},
		{"code=c", true, "", "does not say which provider"},
		{"code=c&iss=", false, "", "another provider"},
		{"code=c&iss=https%3A%2F%2Fevil.example", false, "", "another provider"},
		{"code=c&iss=https%3A%2F%2Fauth.example.com%2F", true, "", "another provider"},
		{"code=c&iss=https%3A%2F%2FAUTH.example.com", true, "", "another provider"},
		{"code=c&iss=https%3A%2F%2Fauth.example.com%3A443", true, "", "another provider"},
		{"code=c&iss=https%3A%2F%2Fauth.example.com%252f", true, "", "another provider"},
		{"code=c&iss=https%3A%2F%2Ftrusted.example", true, "c", ""},
		{"error=access_denied&iss=" + url.QueryEscape(iss), true, "", "declined"},
		{"error=access_denied&error_description=secret-text&iss=https%3A%2F%2Fevil.example", true, "", "another provider"},
		{"error=access_denied&error_description=secret-text", true, "", "does not say which"},
		{"error=server_error&code=c", false, "", "refused"},
		{"error=&code=c", false, "", "refused"},
		{"", false, "", "no code"},
		{"code=", false, "", "no code"},
	} {
		r := testRequest(iss, c.promised)
		r.trusted = []string{"https://trusted.example"}
		q, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		code, err := r.answer(q)
		if code != c.code || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v", c.query, code, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret-text") {
			t.Errorf("%s: an untrusted text is shown: %v", c.query, err)
		}
	}
}

// A44: a description is cut and cleaned.
func TestDeclinedTextIsHarmless(t *testing.T) {
	t.Parallel()
	q := url.Values{"error": {"x\x1b[31m" + strings.Repeat("y", 500)}, "error_description": {"a\nb\x00\u202e" + strings.Repeat("z", 5000)}}
	_, err := testRequest("", false).answer(q)
	if err == nil || len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\n\x00\x1b\u202e") {
		t.Errorf("%q", err)
	}
}

func TestAuthorizationURL(t *testing.T) {
	t.Parallel()
	r := testRequest("https://auth.example.com", false)
	r.found.meta.authorization = "https://auth.example.com/authorize;x?tenant=a%22b&$(id)=`w`"
	r.found.scopes = []string{"openid", "offline_access", "mcp:tools"}
	r.found.resource = "https://MCP.example.com/mcp/"
	r.found.profile.SignIn.AuthorizeParams = map[string]string{"audience": "https://api/ &x"}
	r = newRequest(r.found, r.client, r.redirect, "the-state", false)
	raw, err := r.url()
	if err != nil {
		t.Fatal(err)
	}
	u := mustURL(t, raw)
	q := u.Query()
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "id", "redirect_uri": r.redirect, "state": "the-state", "scope": "openid offline_access mcp:tools",
		"resource": "https://MCP.example.com/mcp/", "code_challenge_method": "S256", "nonce": r.nonce, "prompt": "consent",
		"audience": "https://api/ &x", "tenant": `a"b`, "$(id)": "`w`",
	} {
		if len(q[name]) != 1 || q.Get(name) != want {
			t.Errorf("%s: %q", name, q[name])
		}
	}
	if len(q.Get("code_challenge")) != 43 || len(r.verifier) < 43 || r.nonce == "" {
		t.Errorf("PKCE: %q %q", q.Get("code_challenge"), r.verifier)
	}
	if strings.ContainsAny(raw, "\"`$() ") {
		t.Errorf("shell characters in %s", raw)
	}
}

func TestAuthorizationURLRefused(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{
		"javascript:alert(1)", "http://auth.example.com/a", "https://good@evil.example/", "https://auth.example.com/a?client_id=evil",
		"https://auth.example.com/a?state=evil", "https://auth.example.com/a?a;b", "https://auth.example.com/#x", "https://10.0.0.1/",
		"https://auth.example.com/a?" + strings.Repeat("x", 8100) + "=1",
	} {
		r := testRequest("", false)
		r.found.meta.authorization = endpoint
		if u, err := r.url(); err == nil {
			t.Errorf("%s became %s", endpoint, u)
		} else {
			checkWords(t, asError(err))
		}
	}
}

func TestScopeParam(t *testing.T) {
	t.Parallel()
	r := testRequest("", false)
	r.found.scopes = []string{"a", "b"}
	r.found.profile.SignIn.ScopeParam = "user_scope"
	raw, err := r.url()
	if err != nil {
		t.Fatal(err)
	}
	if q := mustURL(t, raw).Query(); q.Get("user_scope") != "a b" || q.Has("scope") || q.Has("resource") || q.Has("nonce") {
		t.Errorf("%s", raw)
	}
}

// A58, and the operator's escape.
func TestPKCE(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pkce   []string
		assume bool
		id     string
		ok     bool
	}{
		{[]string{"S256"}, false, "", true},
		{[]string{"plain", "S256"}, false, "", true},
		{nil, false, "", false},
		{[]string{"plain"}, false, "", false},
		{nil, true, "", false},
		{nil, true, "mine", true},
		{nil, false, "mine", false},
	} {
		r := testRequest("https://auth.example.com", false)
		r.found.meta.pkce = c.pkce
		r.found.profile.SignIn.AssumePKCE, r.found.profile.SignIn.ClientID = c.assume, c.id
		err := checkPKCE(r.found)
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
		if err != nil && !(strings.Contains(err.Error(), "code_challenge_methods_supported") && strings.Contains(err.Error(), "assume_pkce")) {
			t.Errorf("%v", err)
		}
	}
}

func TestReservedParams(t *testing.T) {
	t.Parallel()
	if err := reservedParams(map[string]string{"audience": "x", "prompt": "login", "access_type": "offline"}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"state", "redirect_uri", "code_challenge", "resource", "request_uri"} {
		var e *Error
		if err := reservedParams(map[string]string{name: "x"}); !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQuirks(t *testing.T) {
	t.Parallel()
	for issuer, none := range map[string]bool{
		"https://login.microsoftonline.com/tenant/v2.0":          true,
		"https://contoso.ciamlogin.com/x":                        true,
		"https://accounts.google.com":                            true,
		"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_": true,
		"https://evil-login.microsoftonline.com.example/":        false,
		"https://xaccounts.google.com":                           false,
		"https://api.execute-api.eu-west-1.amazonaws.com":        false,
		"https://auth.example.com":                               false,
	} {
		p := withDefaults(profile.Profile{Target: "https://mcp.example.com/mcp?x=1"})
		got := resourceFor(p, "", issuer)
		if (got == "") != none || !none && got != "https://mcp.example.com/mcp" {
			t.Errorf("%s: %q", issuer, got)
		}
		p.SignIn.Resource = "urn:x"
		if got := resourceFor(p, "https://named/", issuer); got != "urn:x" {
			t.Errorf("%s: %q", issuer, got)
		}
		p.SignIn.Resource = profile.ResourceOmit
		if got := resourceFor(p, "https://named/", issuer); got != "" {
			t.Errorf("%s: %q", issuer, got)
		}
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
