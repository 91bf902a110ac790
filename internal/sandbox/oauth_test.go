package sandbox_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// The usual libraries of other people take it for what it says it is.
func TestOIDCAndOAuth2Libraries(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]sandbox.Options{"plain": {}, "issuer path": {IssuerPath: "/t"}, "TLS": {TLS: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Clients = []sandbox.Client{{ID: "static", Secret: "canary-of-static", RedirectURIs: []string{redirectURI}}}
			s := start(t, o)
			ctx := oidc.ClientContext(soon.Context(t), s.Client())
			provider, err := oidc.NewProvider(ctx, s.Issuer())
			if err != nil {
				t.Fatal(err)
			}
			cfg := oauth2.Config{
				ClientID: "static", ClientSecret: "canary-of-static", Endpoint: provider.Endpoint(), RedirectURL: redirectURI,
				Scopes: []string{oidc.ScopeOpenID, "profile", "email", "offline_access"},
			}
			v := oauth2.GenerateVerifier()
			code := approve(t, s, cfg.AuthCodeURL("state", oauth2.S256ChallengeOption(v), oidc.Nonce("nonce")))
			tok, err := cfg.Exchange(ctx, code, oauth2.VerifierOption(v))
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := tok.Extra("id_token").(string)
			id, err := provider.Verifier(&oidc.Config{ClientID: "static"}).Verify(ctx, raw)
			if err != nil || id.Nonce != "nonce" || id.Subject != "alice" {
				t.Fatalf("ID token: %+v, %v", id, err)
			}
			info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(tok))
			if err != nil || info.Email != "alice@example.com" || !info.EmailVerified {
				t.Fatalf("userinfo: %+v, %v", info, err)
			}
			at, err := provider.Verifier(&oidc.Config{ClientID: s.MCPURL()}).Verify(ctx, tok.AccessToken)
			if err != nil || !slices.Equal(at.Audience, []string{s.MCPURL()}) {
				t.Fatalf("access token: %+v, %v", at, err)
			}
			old := tok.RefreshToken
			tok.Expiry = time.Now().Add(-time.Minute)
			tok, err = cfg.TokenSource(ctx, tok).Token()
			if err != nil || tok.RefreshToken == old {
				t.Fatalf("refresh: %v", err)
			}
		})
	}
}

// approve follows an authorization URL up to the redirect back and returns the code.
func approve(t *testing.T, s *sandbox.Sandbox, address string) string {
	t.Helper()
	person := sandbox.Person{Client: s.Client(), Stop: func(u *url.URL) bool { return strings.HasPrefix(u.String(), redirectURI) }}
	at, err := person.Visit(soon.Context(t), address)
	if err != nil {
		t.Fatal(err)
	}
	return at.URL.Query().Get("code")
}

func TestMetadataIsWhereItBelongs(t *testing.T) {
	t.Parallel()
	const oauth, oidc = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	for issuer, want := range map[string][]string{
		"":   {oauth, oidc},
		"/t": {oauth + "/t", oidc + "/t", "/t" + oidc},
	} {
		p := newParty(t, sandbox.Options{IssuerPath: issuer})
		if got := p.s.MetadataPaths(); !slices.Equal(got, want) {
			t.Errorf("%q: %v", issuer, got)
		}
		for _, path := range []string{oauth, oidc, oauth + "/t", oidc + "/t", "/t" + oidc, "/t" + oauth, oauth + "/", "//" + oauth} {
			status := 404
			if slices.Contains(want, path) {
				status = 200
			}
			p.want(p.get(p.issuerOrigin()+path).is(status, ""), issuer+" "+path)
			p.want(status == 404 || p.field("issuer") == `"`+p.s.Issuer()+`"`, "issuer")
		}
	}
}

func TestRootMCPServer(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{MCPPath: "/"})
	p.want(p.s.MCPURL() == p.s.Origin(), p.s.MCPURL())
	p.want(p.get(p.s.Origin()+p.s.PRMPath("")).field("resource") == `"`+p.s.Origin()+`"`, "resource")
	p.want(p.signIn().is(200, "") && p.initialize().is(200, ""), "MCP")
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	p.register()
	for _, c := range []struct{ name, value, problem string }{
		{"resource", p.s.MCPURL() + "/", "invalid_target"},
		{"resource", strings.ToUpper(p.s.MCPURL()), "invalid_target"},
		{"resource", "", ""},
		{"resource", p.s.LegacyURL(), ""},
		{"resource", p.s.Origin(), ""},
		{"scope", "root", "invalid_scope"},
		{"scope", "", ""},
		{"code_challenge", "", "invalid_request"},
		{"code_challenge_method", "plain", "invalid_request"},
		{"code_challenge_method", "", "invalid_request"},
		{"response_type", "token", "unsupported_response_type"},
		{"redirect_uri", strings.Replace(redirectURI, "49152", "50000", 1), ""},
	} {
		q := p.authorize(c.name, c.value)
		p.want(q.Get("error") == c.problem && q.Has("code") == (c.problem == ""), c.name+"="+c.value+": "+q.Encode())
		p.want(q.Get("state") == "my-state" && q.Get("iss") == p.s.Issuer(), "state and iss")
	}
	for name, values := range map[string][]string{
		"redirect_uri": {redirectURI + "/x", "", "http://localhost:49152/callback", "https://evil.example/callback"},
		"client_id":    {"", "nobody"},
	} {
		for _, v := range values {
			p.authorize(name, v)
			p.want(p.html(400) && p.header.Get("Location") == "", name+"="+v)
		}
	}
}

func TestExactRedirectAndRequiredResource(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{ExactRedirect: true, RequireResource: true})
	p.register()
	p.authorize("redirect_uri", strings.Replace(redirectURI, "49152", "50000", 1))
	p.want(p.html(400), "another port")
	p.want(p.authorize("resource", "").Get("error") == "invalid_target", "no resource")
	p.want(p.trade(p.authorize().Get("code"), "resource", "").is(400, "invalid_target"), "no resource at the token endpoint")
}

func TestCodeIsForOneUse(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	p.register()
	for _, c := range [][2]string{
		{"code_verifier", strings.Repeat("x", 43)}, {"code_verifier", ""}, {"code_verifier", "short"},
		{"redirect_uri", redirectURI + "x"}, {"code", "nobody"},
	} {
		p.want(p.trade(p.authorize().Get("code"), c[0], c[1]).is(400, "invalid_grant"), c[0]+"="+c[1])
	}
	p.want(p.trade(p.authorize().Get("code"), "resource", p.s.Origin()).is(400, "invalid_target"), "another resource")
	p.want(p.trade(p.authorize().Get("code"), "client_id", "nobody").is(401, "invalid_client"), "another client")
	code := p.authorize().Get("code")
	p.want(p.trade(code).is(200, "") && p.s.Live(p.access), "first use")
	p.want(p.trade(code).is(400, "invalid_grant"), "second use")
	p.want(!p.s.Live(p.access) && !p.s.Live(p.renew), "the second use ends what the first brought")
}

func TestTokenRequestForm(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	p.want(p.send(http.MethodGet, p.s.Issuer()+"/token", "", "").is(405, ""), "GET")
	p.want(p.send(http.MethodPost, p.s.Issuer()+"/token", "application/json", "{}").is(400, "invalid_request"), "JSON")
	p.want(p.post("/token?client_id=x", url.Values{}).is(400, "invalid_request"), "query")
	p.want(p.post("/token", url.Values{"code": {"a", "b"}}).is(400, "invalid_request"), "twice")
	p.want(p.post("/token", url.Values{"grant_type": {"password"}}).is(400, "unsupported_grant_type"), "password")
}

func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{Clients: []sandbox.Client{
		{ID: "a b", Secret: "p%:q", Auth: "client_secret_basic", Grants: []string{"client_credentials"}},
		{ID: "post", Secret: "s", Auth: "client_secret_post", Grants: []string{"client_credentials"}},
		{ID: "either", Secret: "s", Grants: []string{"client_credentials"}},
		{ID: "public", Grants: []string{"client_credentials"}},
		{ID: "no-grant", Secret: "s"},
	}})
	ask := func(form url.Values, basic ...string) reply {
		form.Set("grant_type", "client_credentials")
		var header []string
		if basic != nil {
			r := request(p, http.MethodPost, "http://x", "")
			r.SetBasicAuth(url.QueryEscape(basic[0]), url.QueryEscape(basic[1]))
			header = []string{"Authorization", r.Header.Get("Authorization")}
		}
		return p.tokens(form, header...)
	}
	body := func(kv ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(kv); i += 2 {
			v.Set(kv[i], kv[i+1])
		}
		return v
	}
	p.want(ask(body(), "a b", "p%:q").is(200, "") && p.field("refresh_token") == "-", "basic")
	p.want(ask(body(), "a b", "wrong").is(401, "invalid_client") && p.header.Get("WWW-Authenticate") != "", "wrong secret")
	p.want(ask(body("client_id", "a b", "client_secret", "p%:q")).is(401, "invalid_client"), "post instead of basic")
	p.want(ask(body("client_secret", "p%:q"), "a b", "p%:q").is(400, "invalid_request"), "both")
	p.want(ask(body("client_id", "other"), "a b", "p%:q").is(400, "invalid_request"), "two clients")
	p.want(ask(body("client_id", "post", "client_secret", "s")).is(200, ""), "post")
	p.want(ask(body(), "post", "s").is(401, "invalid_client"), "basic instead of post")
	p.want(ask(body(), "either", "s").is(200, ""), "either: basic")
	p.want(ask(body("client_id", "either", "client_secret", "s")).is(200, ""), "either: post")
	p.want(ask(body("client_id", "either")).is(401, "invalid_client"), "either: none")
	p.want(ask(body("client_id", "public")).is(400, "unauthorized_client"), "public")
	p.want(ask(body(), "no-grant", "s").is(400, "unauthorized_client"), "grant not allowed")
	var seen []string
	for _, r := range p.s.Requests(sandbox.KindToken) {
		seen = append(seen, r.ClientID+"/"+r.Auth)
	}
	p.want(slices.Contains(seen, "a b/basic") && slices.Contains(seen, "post/post") && slices.Contains(seen, "public/none"), strings.Join(seen, " "))
}

func TestRegistration(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	try := func(body string) reply {
		return p.send(http.MethodPost, p.s.Issuer()+"/register", "application/json", body)
	}
	for body, problem := range map[string]string{
		`not json`:             "invalid_client_metadata",
		`{"redirect_uris":[]}`: "invalid_redirect_uri",
		`{"redirect_uris":["http://127.0.0.1/cb"]}`:                                                                      "invalid_redirect_uri", // web by default
		`{"redirect_uris":["http://127.0.0.1/cb"],"application_type":"tv"}`:                                              "invalid_client_metadata",
		`{"redirect_uris":["http://evil.example/cb"],"application_type":"native"}`:                                       "invalid_redirect_uri",
		`{"redirect_uris":["http://127.0.0.1/cb#f"],"application_type":"native"}`:                                        "invalid_redirect_uri",
		`{"redirect_uris":["http://127.0.0.1/cb"],"application_type":"native","grant_types":["password"]}`:               "invalid_client_metadata",
		`{"redirect_uris":["http://127.0.0.1/cb"],"application_type":"native","token_endpoint_auth_method":"telepathy"}`: "invalid_client_metadata",
	} {
		p.want(try(body).is(400, problem), body)
	}
	r := try(`{"redirect_uris":["http://127.0.0.1/cb","http://localhost/cb"],"application_type":"native","client_name":"me"}`)
	p.want(r.is(201, "") && r.field("token_endpoint_auth_method") == `"client_secret_basic"`, "confidential by default")
	o := r.object()
	secret, _ := o["client_secret"].(string)
	p.want(slices.Contains(p.s.Secrets(), secret), "the secret is a canary")

	uri, _ := o["registration_client_uri"].(string)
	token, _ := o["registration_access_token"].(string)
	p.want(p.send(http.MethodDelete, uri, "", "", "Authorization", "Bearer nonsense").is(401, ""), "delete with a wrong token")
	p.want(p.send(http.MethodDelete, uri, "", "", "Authorization", "Bearer "+token).is(204, ""), "delete")
	p.want(p.send(http.MethodDelete, uri, "", "", "Authorization", "Bearer "+token).is(401, ""), "delete again")
}

func TestClientsGoBad(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	p.signIn()
	p.s.ForgetClients()
	p.want(p.refresh(p.renew).is(401, "invalid_client"), "forgotten")
	p.id = ""
	p.signIn()
	p.s.ExpireSecrets()
	p.want(p.refresh(p.renew).is(401, "invalid_client"), "expired")
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	rotated := func(p *party) (old string) {
		p.signIn()
		old = p.renew
		p.want(p.refresh(old).is(200, "") && p.renew != old, "rotation")
		p.want(p.s.Live(p.renew), "the new one lives")
		return old
	}
	t.Run("strict", func(t *testing.T) {
		p := newParty(t, sandbox.Options{})
		old := rotated(p)
		current, access := p.renew, p.access
		p.want(p.refresh(old).is(400, "invalid_grant"), "reuse")
		p.want(p.refresh(current).is(400, "invalid_grant"), "the whole family is dead")
		p.want(!p.s.Live(access), "the access token too")
	})
	t.Run("rotation only", func(t *testing.T) {
		p := newParty(t, sandbox.Options{Refresh: sandbox.RotateOnly})
		old := rotated(p)
		current := p.renew
		p.want(p.refresh(old).is(400, "invalid_grant"), "reuse")
		p.want(p.refresh(current).is(200, ""), "the family lives")
	})
	t.Run("never", func(t *testing.T) {
		p := newParty(t, sandbox.Options{Refresh: sandbox.RotateNever})
		p.signIn()
		for range 3 {
			p.want(p.refresh(p.renew).is(200, "") && p.field("refresh_token") == "-", "the same again")
		}
	})
	t.Run("grace", func(t *testing.T) {
		now := &clock{at: time.Now()}
		p := newParty(t, sandbox.Options{Grace: time.Minute, Now: now.Now})
		old := rotated(p)
		now.add(59 * time.Second)
		p.want(p.refresh(old).is(200, ""), "within grace")
		now.add(2 * time.Second)
		p.want(p.refresh(old).is(400, "invalid_grant"), "behind grace")
		p.want(p.refresh(p.renew).is(400, "invalid_grant"), "and that ends all")
	})
	t.Run("offline_access", func(t *testing.T) {
		p := newParty(t, sandbox.Options{OfflineAccess: true})
		p.want(p.signIn().field("refresh_token") == "-", "not asked for")
		p.want(p.trade(p.authorize("scope", "offline_access mcp:tools").Get("code")).field("refresh_token") != "-", "asked for")
	})
	t.Run("scope", func(t *testing.T) {
		p := newParty(t, sandbox.Options{})
		p.signIn()
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {p.renew}, "client_id": {p.id}, "scope": {"mcp:admin"}}
		p.want(p.tokens(form).is(400, "invalid_scope"), "wider")
		form.Set("scope", "mcp:tools")
		p.want(p.tokens(form).field("scope") == `"mcp:tools"`, "narrower")
		form.Set("refresh_token", p.renew)
		form.Set("resource", p.s.Origin())
		p.want(p.tokens(form).is(400, "invalid_target"), "another resource")
	})
}

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	now := &clock{at: time.Now()}
	p := newParty(t, sandbox.Options{TokenTTL: time.Minute, Now: now.Now})
	works := func(want bool, what string) {
		t.Helper()
		p.initialize()
		p.want(p.is(200, "") == want, what)
		p.want(want || strings.Contains(p.header.Get("WWW-Authenticate"), `error="invalid_token"`), "challenge")
	}
	p.want(p.signIn().field("expires_in") == "60", "expires_in")
	works(true, "fresh")
	now.add(time.Minute)
	works(false, "expired")
	p.refresh(p.renew)
	works(true, "renewed")
	p.s.ExpireTokens()
	works(false, "expired at the server")
	p.refresh(p.renew)
	works(true, "renewed again")
	p.s.RevokeAll()
	works(false, "revoked")
	p.want(p.refresh(p.renew).is(400, "invalid_grant"), "revoked")
	p.access = "sandbox-nonsense"
	works(false, "unknown")
}

func TestAudience(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{Resources: []string{"https://other.example/mcp"}})
	p.register()
	for resource, want := range map[string]int{
		p.s.MCPURL(): 200, p.s.Origin(): 200, p.s.LegacyURL(): 401, "https://other.example/mcp": 401,
	} {
		p.trade(p.authorize("resource", resource).Get("code"), "resource", resource)
		p.want(claims(p.access)["aud"] == resource, "aud")
		p.want(p.initialize().is(want, ""), "token for "+resource)
	}
}

func TestRevocationAndIntrospection(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{Opaque: true, Clients: []sandbox.Client{{ID: "rs", Secret: "s"}}})
	p.signIn()
	introspect := func(token string) reply {
		return p.post("/introspect", url.Values{"token": {token}, "client_id": {"rs"}, "client_secret": {"s"}})
	}
	p.want(introspect(p.access).field("active") == "true" && p.field("sub") == `"alice"` && p.field("aud") == `"`+p.s.MCPURL()+`"`, "active")
	p.want(introspect("nonsense").field("active") == "false" && p.field("sub") == "-", "unknown")
	p.want(p.post("/introspect", url.Values{"token": {p.access}, "client_id": {p.id}}).is(401, "invalid_client"), "public client")

	p.want(p.post("/revoke", url.Values{"token": {p.access}, "client_id": {p.id}}).is(200, ""), "revoke")
	p.want(introspect(p.access).field("active") == "false", "revoked")
	p.want(p.refresh(p.renew).is(200, ""), "the sign-in lives")
	p.want(p.post("/revoke", url.Values{"token": {p.renew}, "client_id": {p.id}}).is(200, ""), "revoke the sign-in")
	p.want(p.refresh(p.renew).is(400, "invalid_grant") && introspect(p.access).field("active") == "false", "all is revoked")
	p.want(p.post("/revoke", url.Values{"token": {"nonsense"}, "client_id": {p.id}}).is(200, ""), "unknown token")
}

func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	now := &clock{at: time.Now()}
	p := newParty(t, sandbox.Options{Login: sandbox.LoginPages, Now: now.Now, Clients: []sandbox.Client{
		{ID: "tv", Grants: []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}},
	}})
	begin := func() (code, user, page string) {
		r := p.post("/device_authorization", url.Values{"client_id": {"tv"}, "resource": {p.s.MCPURL()}})
		p.want(r.is(200, "") && r.field("interval") == "5", "begin")
		o := r.object()
		return o["device_code"].(string), o["user_code"].(string), o["verification_uri_complete"].(string)
	}
	poll := func(code string) reply {
		now.add(10 * time.Second)
		return p.tokens(url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {code}, "client_id": {"tv"}})
	}
	code, _, page := begin()
	p.want(poll(code).is(400, "authorization_pending"), "pending")
	now.add(-8 * time.Second)
	p.want(poll(code).is(400, "slow_down"), "too fast")
	at, err := (&sandbox.Person{}).Visit(soon.Context(t), page)
	if err != nil || !strings.Contains(at.Body, "Signed in") {
		t.Fatalf("page: %+v, %v", at, err)
	}
	p.want(poll(code).is(200, "") && p.field("refresh_token") != "-", "approved")
	p.want(p.initialize().is(200, ""), "MCP")
	p.want(poll(code).is(400, "invalid_grant"), "again")

	code, _, page = begin()
	if at, err := (&sandbox.Person{Deny: true}).Visit(soon.Context(t), page); err != nil || !strings.Contains(at.Body, "Denied") {
		t.Fatalf("page: %+v, %v", at, err)
	}
	p.want(poll(code).is(400, "access_denied"), "denied")

	code, user, _ := begin()
	if err := p.s.DecideDevice(strings.ToLower(user), true); err != nil {
		t.Error(err)
	}
	now.add(10 * time.Minute)
	p.want(poll(code).is(400, "expired_token"), "expired")
	if p.s.DecideDevice(user, true) == nil {
		t.Error("an expired code was approved")
	}
}

func TestTwoAuthorizationServers(t *testing.T) {
	t.Parallel()
	p, q := newParty(t, sandbox.Options{}), newParty(t, sandbox.Options{Subject: "carol"})
	p.s.Trust(q.s)
	p.want(p.prm().field("authorization_servers") == `["`+p.s.Issuer()+`","`+q.s.Issuer()+`"]`, "metadata")
	q.register()
	q.trade(q.authorize("resource", p.s.MCPURL()).Get("code"), "resource", p.s.MCPURL())
	p.access = q.access
	p.want(p.initialize().is(200, ""), "a token of the other server")
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	keys := oidc.NewRemoteKeySet(t.Context(), p.s.Issuer()+"/jwks")
	v := oidc.NewVerifier(p.s.Issuer(), keys, &oidc.Config{SkipClientIDCheck: true, SupportedSigningAlgs: []string{"ES256"}})
	mint := func() string {
		tok, err := p.s.SignJWT("at+jwt", map[string]any{"iss": p.s.Issuer(), "sub": "x", "exp": time.Now().Add(time.Hour).Unix()})
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	old := mint()
	for _, overlap := range []bool{true, false} {
		if err := p.s.RotateKeys(overlap); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(soon.Context(t), mint()); err != nil {
			t.Errorf("new key, overlap %v: %v", overlap, err)
		}
		_, err := oidc.NewVerifier(p.s.Issuer(), oidc.NewRemoteKeySet(t.Context(), p.s.Issuer()+"/jwks"),
			&oidc.Config{SkipClientIDCheck: true, SupportedSigningAlgs: []string{"ES256"}}).Verify(context.Background(), old)
		if (err == nil) != overlap {
			t.Errorf("old key, overlap %v: %v", overlap, err)
		}
	}
}

func TestSecretsAreListed(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{Clients: []sandbox.Client{{ID: "x", Secret: "canary-of-x"}}})
	p.register()
	code := p.authorize().Get("code")
	r := p.trade(code)
	id, _ := r.object()["id_token"].(string)
	all := p.s.Secrets()
	for name, v := range map[string]string{"code": code, "access": p.access, "refresh": p.renew, "ID": id, "verifier": verifier, "client": "canary-of-x"} {
		if v == "" || !slices.Contains(all, v) {
			t.Errorf("%s is not listed", name)
		}
	}
}
