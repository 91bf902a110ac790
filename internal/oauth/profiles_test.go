package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

var ownClient = sandbox.Client{ID: "mine", RedirectURIs: []string{"http://localhost/callback"}}

// An issuer in the profile stands for itself: the target is never asked how to sign in.
func TestIssuerOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Clients: []sandbox.Client{ownClient}, IssuerPath: "/t"}, func(w *world) {
		w.profile.SignIn = profile.SignIn{Method: profile.MethodBrowser, Issuer: w.sb.Issuer(), ClientID: "mine", Scopes: []string{"openid", "mcp:tools"}}
	})
	w.account.Check(soon.Context(t))
	w.mustSignIn()
	if n := w.sb.Count(sandbox.KindMCP) + w.sb.Count(sandbox.KindPRM); n != 0 {
		t.Errorf("the target was asked %d times", n)
	}
	r := w.last()
	if r.Account.Resource != w.sb.MCPURL() || r.Account.Subject != "alice" || r.Account.ClientID != "mine" {
		t.Errorf("%+v", r.Account)
	}
	if !w.works(w.mustToken()) {
		t.Error("the token does not work")
	}
	if got := w.sb.Requests(sandbox.KindAuthorize)[0].Query.Get("scope"); got != "openid mcp:tools" {
		t.Errorf("scope %q", got)
	}
}

func TestTypedEndpoints(t *testing.T) {
	t.Parallel()
	client := ownClient
	client.Secret = "shh-very-secret"
	w := newWorld(t, sandbox.Options{Clients: []sandbox.Client{client}}, func(w *world) {
		w.profile.SignIn = profile.SignIn{
			Method: profile.MethodBrowser, AuthorizeURL: w.sb.Issuer() + "/authorize", TokenURL: w.sb.Issuer() + "/token",
			ClientID: "mine", ClientSecret: profile.Secret{Value: client.Secret}, Resource: profile.ResourceOmit,
			AuthorizeParams: map[string]string{"audience": "https://api.example.com"},
		}
	})
	w.mustSignIn()
	if n := w.sb.Count(sandbox.KindMetadata) + w.sb.Count(sandbox.KindPRM) + w.sb.Count(sandbox.KindMCP); n != 0 {
		t.Errorf("%d requests for metadata", n)
	}
	q := w.sb.Requests(sandbox.KindAuthorize)[0].Query
	if q.Get("audience") != "https://api.example.com" || q.Has("resource") || q.Get("code_challenge_method") != "S256" {
		t.Errorf("%v", q)
	}
	if r := w.sb.Requests(sandbox.KindToken)[0]; r.Auth != "post" || r.Form.Has("resource") {
		t.Errorf("auth %q, %v", r.Auth, r.Form)
	}
	if _, err := w.force(); err != nil {
		t.Error(err)
	}
}

// N14: exactly one way, chosen beforehand.
func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ secret, method, offered, want string }{
		{"", "", "", "none"},
		{"s +%&é", "", "", "post"},
		{"s +%&é", "", `["client_secret_basic"]`, "basic"},
		{"s +%&é", "", sandbox.Absent, "basic"},
		{"s +%&é", authBasic, "", "basic"},
		{"s +%&é", authPost, `["client_secret_basic"]`, "post"},
	} {
		t.Run(c.secret+" "+c.method+" "+c.want, func(t *testing.T) {
			t.Parallel()
			client := ownClient
			client.Secret = c.secret
			w := newWorld(t, sandbox.Options{Clients: []sandbox.Client{client}}, func(w *world) {
				w.profile.SignIn = profile.SignIn{ClientID: "mine", ClientSecret: profile.Secret{Value: c.secret}, TokenAuth: c.method}
				if c.offered != "" {
					w.sb.Set(func(f *sandbox.Faults) {
						f.Field(sandbox.KindMetadata, "token_endpoint_auth_methods_supported", c.offered)
					})
				}
			})
			w.mustSignIn()
			if _, err := w.force(); err != nil {
				t.Error(err)
			}
			for _, r := range w.sb.Requests(sandbox.KindToken) {
				if r.Auth != c.want {
					t.Errorf("%s: %q", r.Form.Get("grant_type"), r.Auth)
				}
			}
		})
	}
	for name, change := range map[string]func(*world){
		"no secret": func(w *world) {
			w.profile.SignIn.TokenAuth, w.profile.SignIn.ClientSecret = authBasic, profile.Secret{}
		},
		"unknown way": func(w *world) {
			w.sb.Set(func(f *sandbox.Faults) {
				f.Field(sandbox.KindMetadata, "token_endpoint_auth_methods_supported", `["tls_client_auth"]`)
			})
		},
		"unreadable secret": func(w *world) { w.profile.SignIn.ClientSecret = profile.Secret{File: "/nowhere"} },
	} {
		w := newWorld(t, sandbox.Options{Clients: []sandbox.Client{ownClient}}, func(w *world) {
			w.profile.SignIn = profile.SignIn{ClientID: "mine", ClientSecret: profile.Secret{Value: "x"}}
			change(w)
		})
		err := w.account.SignIn(soon.Context(t))
		if got := code(t, err); got != status.ProfileError && got != status.ProviderRefused || w.sb.Count(sandbox.KindToken) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A65 and its way out; INTERFACE: trusted_issuers.
func TestTrustedIssuers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, func(w *world) { w.sb.Switch("metadata-issuer-slash") })
	err := w.account.SignIn(soon.Context(t))
	slashed := w.sb.Issuer() + "/"
	if code(t, err) != status.ProviderRefused || !strings.Contains(err.Error(), slashed) {
		t.Fatalf("%v", err)
	}
	w.profile.SignIn.TrustedIssuers = []string{slashed}
	w.sb.Set(func(f *sandbox.Faults) { f.Param("iss", slashed) })
	w.reopen()
	w.mustSignIn()
	if w.last().Account.Issuer != slashed {
		t.Errorf("%+v", w.last().Account)
	}
}

// Metadata in two documents (Granola): what one lacks the other may say.
func TestMergedMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	paths := w.sb.MetadataPaths()
	doc := func(extra string) sandbox.Answer {
		iss := w.sb.Issuer()
		return sandbox.JSON(http.StatusOK, fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"code_challenge_methods_supported":["S256"],
			"authorization_response_iss_parameter_supported":true%s}`, iss, iss+"/authorize", iss+"/token", extra))
	}
	w.sb.Set(func(f *sandbox.Faults) {
		f.Path(paths[0], doc(""))
		f.Path(paths[1], doc(`,"registration_endpoint":"`+w.sb.Issuer()+`/register"`))
	})
	w.mustSignIn()
	w.sb.Set(func(f *sandbox.Faults) {
		f.Path(paths[0], sandbox.JSON(http.StatusOK, strings.Replace(doc("").Body, "S256", "plain", 1)))
	})
	if err := w.account.SignIn(soon.Context(t)); code(t, err) != status.ProviderRefused || !strings.Contains(err.Error(), "S256") {
		t.Errorf("PKCE was patched together: %v", err)
	}
}

// A64: a server that takes its metadata away does not become its own authorization server.
func TestNoLegacyDiscovery(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{OneOrigin: true}, nil)
	w.mustSignIn()
	w.sb.Set(func(f *sandbox.Faults) {
		f.Answer(sandbox.KindPRM, sandbox.Status(http.StatusNotFound))
		f.Challenges = []string{"Bearer"}
	})
	before := w.sb.Count(sandbox.KindMetadata)
	if err := w.account.SignIn(soon.Context(t)); code(t, err) != status.ProviderRefused || !strings.Contains(err.Error(), "sign_in.issuer") {
		t.Errorf("%v", err)
	}
	if w.sb.Count(sandbox.KindMetadata) != before || w.last().Phase != status.Ready {
		t.Errorf("%+v", w.last())
	}
}

// A67: what was promised once is not quietly dropped.
func TestIssIsPinned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	w.mustSignIn()
	w.sb.Switch("iss-unsupported")
	if _, err := w.signIn(w.person()); code(t, err) != status.SignInFailed || !strings.Contains(err.Error(), "promises to") {
		t.Errorf("%v", err)
	}
	if err := w.account.SignOut(soon.Context(t), false); err != nil {
		t.Fatal(err)
	}
	w.mustSignIn()
}

// A87: every fault of an ID token ends the sign-in, and gives the tokens back.
func TestIDToken(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]string{
		"id-none": "malformed jwt", "id-foreign-key": "signature", "id-nonce": "nonce", "id-audience": "audience", "id-issuer": "different provider",
		"id-expired": "expired", "metadata-jwks-private": "jwks_uri",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{}, func(w *world) { w.profile.SignIn.Scopes = []string{"openid"} })
			if !w.sb.Switch(name) {
				t.Fatal("no such switch")
			}
			_, err := w.signIn(w.person())
			if code(t, err) != status.SignInFailed || !strings.Contains(err.Error(), says) {
				t.Errorf("%v", err)
			}
			if len(w.store.grants()) != 0 || w.sb.Count(sandbox.KindRevoke) != 1 {
				t.Errorf("%d grants, %d revocations", len(w.store.grants()), w.sb.Count(sandbox.KindRevoke))
			}
		})
	}
	for name, change := range map[string]func(*sandbox.Faults){
		"azp":           func(f *sandbox.Faults) { f.Field(sandbox.KindIDToken, "azp", `"somebody"`) },
		"two audiences": func(f *sandbox.Faults) { f.Field(sandbox.KindIDToken, "aud", `["mine","other"]`) },
		"at_hash":       func(f *sandbox.Faults) { f.Field(sandbox.KindIDToken, "at_hash", `"AAAAAAAAAAAAAAAAAAAAAA"`) },
		"encrypted":     func(f *sandbox.Faults) { f.Field(sandbox.KindToken, "id_token", `"a.b.c.d.e"`) },
		"huge":          func(f *sandbox.Faults) { f.Field(sandbox.KindToken, "id_token", `"`+strings.Repeat("a.", 64<<10)+`"`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{Clients: []sandbox.Client{ownClient}}, func(w *world) {
				w.profile.SignIn.Scopes, w.profile.SignIn.ClientID = []string{"openid"}, "mine"
			})
			w.sb.Set(change)
			if _, err := w.signIn(w.person()); code(t, err) != status.SignInFailed || !strings.Contains(err.Error(), "ID token") {
				t.Errorf("%v", err)
			}
		})
	}
	for _, name := range []string{"", "id-absent"} {
		w := newWorld(t, sandbox.Options{}, func(w *world) { w.profile.SignIn.Scopes = []string{"openid"} })
		w.sb.Switch(name)
		w.mustSignIn()
		if got := w.last().Account.Subject; (got == "alice") != (name == "") {
			t.Errorf("%q: subject %q", name, got)
		}
	}
}

// Without published keys TLS stands for the signature, and everything else still counts.
func TestIDTokenWithoutKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, func(w *world) {
		w.profile.SignIn.Scopes = []string{"openid"}
		w.sb.Set(func(f *sandbox.Faults) { f.Field(sandbox.KindMetadata, "jwks_uri", sandbox.Absent) })
	})
	w.mustSignIn()
	if w.last().Account.Subject != "alice" {
		t.Errorf("%+v", w.last().Account)
	}
	w.sb.Switch("id-nonce")
	if _, err := w.signIn(w.person()); code(t, err) != status.SignInFailed {
		t.Errorf("%v", err)
	}
}

func TestTenantIssuer(t *testing.T) {
	t.Parallel()
	r := testRequest("https://login.example.com/{tenantid}/v2.0", false)
	const tenant = "0d8d2a9e-1111-2222-3333-444455556666"
	for tid, want := range map[string]string{
		tenant: "https://login.example.com/" + tenant + "/v2.0", "../evil": r.issuer, "": r.issuer,
	} {
		payload, err := json.Marshal(map[string]string{"tid": tid})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.expectedIssuer("e30." + b64(payload) + ".x"); got != want {
			t.Errorf("%q: %q", tid, got)
		}
	}
}

// No registration: exactly what to do is said before any browser opens.
func TestNeedsOwnClient(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	for name, change := range map[string]func(*world){
		"not offered": func(w *world) { w.sb.Switch("dcr-absent") },
		"refused":     func(w *world) { w.sb.Switch("dcr-denied") },
		"static":      func(w *world) { w.profile.SignIn.Registration = profile.RegistrationStatic },
	} {
		w := newWorld(t, sandbox.Options{}, func(w *world) {
			w.settings = profile.Settings{RedirectHost: "localhost", RedirectPort: port}
			change(w)
		})
		err := w.account.SignIn(soon.Context(t))
		for _, part := range []string{fmt.Sprintf("http://localhost:%d/callback", port), "sign_in.client_id", "profile tools"} {
			if code(t, err) != status.ProviderRefused || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is missing in %v", name, part, err)
			}
		}
		if strings.Contains(err.Error(), "/callback/") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRegistrationRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	w.mustSignIn()
	var sent map[string]any
	if err := json.Unmarshal(w.sb.Requests(sandbox.KindRegister)[0].Body, &sent); err != nil {
		t.Fatal(err)
	}
	redirect := w.sb.Requests(sandbox.KindAuthorize)[0].Query.Get("redirect_uri")
	if sent["application_type"] != "native" || sent["token_endpoint_auth_method"] != "none" || fmt.Sprint(sent["redirect_uris"]) != "["+redirect+"]" ||
		fmt.Sprint(sent["grant_types"]) != "[authorization_code refresh_token]" {
		t.Errorf("%v", sent)
	}
	if u := mustURL(t, redirect); u.Path != "/callback/"+digest(w.sb.Issuer())[:8] || u.Hostname() != "localhost" {
		t.Errorf("%s", redirect)
	}
}

// A confidential client that registered itself works across restarts too.
func TestRegisteredSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, func(w *world) {
		w.sb.Set(func(f *sandbox.Faults) {
			f.Field(sandbox.KindMetadata, "token_endpoint_auth_methods_supported", `["client_secret_basic"]`)
		})
	})
	w.mustSignIn()
	w.restart()
	if _, err := w.force(); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.sb.Requests(sandbox.KindToken) {
		if r.Auth != "basic" {
			t.Errorf("auth %q", r.Auth)
		}
	}
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	for _, revoke := range []bool{false, true} {
		w := newWorld(t, sandbox.Options{}, nil)
		tok := w.mustSignIn()
		if err := w.account.SignOut(soon.Context(t), revoke); err != nil {
			t.Fatal(err)
		}
		if r := w.last(); r.Phase != status.SignInNeeded || r.Summary != "signed out" || r.Account != nil {
			t.Errorf("%+v", r)
		}
		if _, err := w.account.Token(soon.Context(t)); code(t, err) != status.NotSignedIn {
			t.Errorf("%v", err)
		}
		if w.sb.Live(tok.Value) == revoke || len(w.store.grants()) != 0 || w.store.intents() != 0 {
			t.Errorf("revoke %v: live %v", revoke, w.sb.Live(tok.Value))
		}
		if revoke && w.sb.Requests(sandbox.KindRevoke)[0].Form.Get("token_type_hint") != "refresh_token" {
			t.Error("the refresh token was not the one revoked")
		}
		w.restart()
		if r := w.account.Check(soon.Context(t)); r.Phase != status.SignInNeeded {
			t.Errorf("%+v", r)
		}
		if err := w.account.SignOut(soon.Context(t), true); err != nil {
			t.Errorf("once more: %v", err)
		}
	}
}

// N33: what could not be revoked is not forgotten, unless asked to.
func TestSignOutWhileProviderIsDown(t *testing.T) {
	t.Parallel()
	for _, a := range []sandbox.Answer{sandbox.Status(503).With("Retry-After", "30"), sandbox.Drop(), sandbox.HTML(400), sandbox.Redirect(307, "@")} {
		w := newWorld(t, sandbox.Options{}, nil)
		w.mustSignIn()
		if a.Header.Get("Location") != "" {
			a = sandbox.Redirect(307, w.sb.ElsewhereURL()+"/revoke")
		}
		w.sb.Set(func(f *sandbox.Faults) { f.Answer(sandbox.KindRevoke, a) })
		err := w.account.SignOut(soon.Context(t), true)
		if code(t, err) != status.IDPUnavailable || !strings.Contains(err.Error(), "without revoking") {
			t.Errorf("%v", err)
		}
		w.mustToken()
		if err := w.account.SignOut(soon.Context(t), false); err != nil {
			t.Error(err)
		}
		if w.sb.Count(sandbox.KindElsewhere) != 0 {
			t.Error("the refresh token went elsewhere")
		}
	}
}

func TestSignOutDuringSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	done := w.begin()
	w.prompt()
	if err := w.account.SignOut(soon.Context(t), false); err != nil {
		t.Fatal(err)
	}
	if err := w.end(done); code(t, err) != status.NotSignedIn {
		t.Errorf("%v", err)
	}
}

// Cancel and Sign in, quickly: the second is a new one.
func TestSignInAfterCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error, 1)
		go func() { first <- w.account.SignIn(ctx) }()
		w.prompt()
		cancel()
		done := w.begin()
		if err := w.end(first); code(t, err) != status.NotSignedIn {
			t.Fatalf("%v", err)
		}
		if _, err := w.person().Visit(soon.Context(t), w.prompt().URL); err != nil {
			t.Fatal(err)
		}
		if err := w.end(done); err != nil {
			t.Fatal(err)
		}
	}
}

// F63: what a newer version stored is not overwritten.
func TestNewerRecordStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	newer := []byte(`{"version":99}`)
	w.store.put(accountKey(withDefaults(w.profile)), newer)
	if err := w.account.SignIn(soon.Context(t)); code(t, err) != status.SignInFailed || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("%v", err)
	}
	if err := w.account.SignOut(soon.Context(t), false); err != nil {
		t.Fatal(err)
	}
	w.mustSignIn()
}

// A profile edited while its sign-in runs gets no grant made for what it said before.
func TestProfileChangesDuringSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Clients: []sandbox.Client{ownClient}}, func(w *world) {
		w.profile.SignIn = profile.SignIn{ClientID: "mine", TokenAuth: authNone}
	})
	done := w.begin()
	prompt := w.prompt()
	w.profile.SignIn.TokenAuth = authBasic
	w.reopen()
	if _, err := w.person().Visit(soon.Context(t), prompt.URL); err != nil {
		t.Fatal(err)
	}
	if err := w.end(done); code(t, err) != status.SignInFailed || len(w.store.grants()) != 0 {
		t.Errorf("%v", err)
	}
}

// Accounts are made while sign-ins begin: no lock is taken in two orders.
func TestAccountsWhileSigningIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				w.open(w.profile)
				w.accounts.Configure(profile.Settings{})
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_ = w.account.SignIn(ctx)
			}
		})
	}
	all.Wait()
}

// The proxy of the profile, never for this machine.
func TestProxyChoice(t *testing.T) {
	t.Parallel()
	via, err := proxyFor("http://proxy.example.com:3128")
	if err != nil {
		t.Fatal(err)
	}
	hosts := proxyHosts{pick: via, hosts: map[string]bool{}}
	for raw, want := range map[string]string{
		"https://auth.example.com/": "http://proxy.example.com:3128", "http://localhost:1/": "", "http://127.0.0.1/": "", "http://[::1]/": "",
	} {
		u, err := hosts.choose(&http.Request{URL: mustURL(t, raw)})
		if err != nil || u == nil && want != "" || u != nil && u.String() != want {
			t.Errorf("%s: %v, %v", raw, u, err)
		}
	}
	if !hosts.has("proxy.example.com:3128") || hosts.has("auth.example.com:443") {
		t.Error("proxies are not told from servers")
	}
}

// A request that arrives during a sign-in can wait for its end.
func TestWaitForSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	done := w.begin()
	prompt := w.prompt()
	_, err := w.account.Token(soon.Context(t))
	var e *Error
	if code(t, err) != status.SignInRunning || !errors.As(err, &e) || e.Wait == nil {
		t.Fatalf("%v", err)
	}
	if _, err := w.person().Visit(soon.Context(t), prompt.URL); err != nil {
		t.Fatal(err)
	}
	soon.Receive(t, e.Wait, "that Wait is closed")
	w.mustToken()
	if err := w.end(done); err != nil {
		t.Error(err)
	}
}

func TestOpenServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	w.sb.Set(func(f *sandbox.Faults) { f.Answer(sandbox.KindMCP, sandbox.JSON(http.StatusOK, "{}")) })
	r := w.account.Check(soon.Context(t))
	if r.Phase != status.Ready || r.Summary != "no sign-in needed" || !strings.Contains(r.Detail, "offers one") {
		t.Errorf("%+v", r)
	}
	tok, err := w.account.Token(soon.Context(t))
	if err != nil || !tok.IsZero() {
		t.Errorf("%v, %v", tok, err)
	}
	w.sb.Switch("prm-missing")
	w.restart()
	if r := w.account.Check(soon.Context(t)); r.Phase != status.Ready || r.Detail != "" {
		t.Errorf("%+v", r)
	}
	// It closes while we run.
	if _, err := w.account.Refused(soon.Context(t), Token{}, []string{"Bearer"}); code(t, err) != status.NotSignedIn {
		t.Errorf("%v", err)
	}
	if r := w.last(); r.Phase != status.SignInNeeded {
		t.Errorf("%+v", r)
	}
}

func TestTargetDown(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]status.Phase{
		"mcp-reset": status.Backoff, "mcp-503": status.Backoff, "mcp-500": status.Ready, "mcp-401": status.SignInNeeded,
	} {
		w := newWorld(t, sandbox.Options{}, nil)
		w.sb.Switch(name)
		r := w.account.Check(soon.Context(t))
		if r.Phase != want || r.Failed != (want == status.Backoff) {
			t.Errorf("%s: %+v", name, r)
		}
		if want == status.Backoff {
			if _, err := w.account.Token(soon.Context(t)); code(t, err) != status.UpstreamUnreachable {
				t.Errorf("%s: %v", name, err)
			}
			if name == "mcp-503" && r.RetryAfter != 2*time.Minute {
				t.Errorf("%+v", r)
			}
		}
		if n := w.sb.Count(sandbox.KindMCP); n != 1 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

func TestNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Open: true}, func(w *world) { w.profile.SignIn.Method = profile.MethodNone })
	if r := w.account.Check(soon.Context(t)); r.Phase != status.Ready {
		t.Errorf("%+v", r)
	}
	tok, err := w.account.Token(soon.Context(t))
	if err != nil || !tok.IsZero() || len(w.sb.AllRequests()) != 0 {
		t.Errorf("%v, %v", tok, err)
	}
	if _, err := w.account.Refused(soon.Context(t), tok, nil); code(t, err) != status.CredentialsRejected {
		t.Errorf("%v", err)
	}
	if r := w.last(); r.Phase != status.SignInNeeded || r.Code != status.CredentialsRejected || r.Action == "" {
		t.Errorf("%+v", r)
	}
	w.account.Accepted(tok)
	if r := w.last(); r.Phase != status.Ready || r.Code != "" {
		t.Errorf("%+v", r)
	}
	if err := w.account.SignIn(soon.Context(t)); code(t, err) != status.ProfileError {
		t.Errorf("%v", err)
	}
}

func TestStaticToken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := New(Options{Store: newShelf(), Secret: func(_ context.Context, p profile.Secret) (string, error) {
		b, err := os.ReadFile(p.File)
		return string(b), err
	}})
	defer s.Close(t.Context())
	p := profile.Profile{Name: "x", Target: "https://mcp.example.com/", SignIn: profile.SignIn{Method: profile.MethodToken, Token: profile.Secret{File: file}}}
	a, err := s.Account(p)
	if err != nil {
		t.Fatal(err)
	}
	if r := a.Check(soon.Context(t)); r.Phase != status.Backoff || r.Code != status.ProfileError {
		t.Errorf("%+v", r)
	}
	write("one\n")
	if r := a.Check(soon.Context(t)); r.Phase != status.Ready {
		t.Errorf("%+v", r)
	}
	tok, err := a.Token(soon.Context(t))
	if err != nil || tok.Authorization() != "Bearer one" {
		t.Fatalf("%v, %v", tok, err)
	}
	if _, err := a.Refused(soon.Context(t), tok, nil); code(t, err) != status.CredentialsRejected {
		t.Errorf("%v", err)
	}
	if r := a.Check(soon.Context(t)); r.Phase != status.SignInNeeded || r.RenewAt.IsZero() {
		t.Errorf("%+v", r)
	}
	if _, err := a.Token(soon.Context(t)); code(t, err) != status.CredentialsRejected {
		t.Errorf("%v", err)
	}
	a.Accepted(tok) // one request may try after a while
	if r := a.Check(soon.Context(t)); r.Phase != status.Ready {
		t.Errorf("%+v", r)
	}
	write("two")
	if tok, err := a.Refused(soon.Context(t), tok, nil); err != nil || tok.Value != "two" {
		t.Errorf("%v, %v", tok, err)
	}
	write("three\r\nX: y")
	if r := a.Check(soon.Context(t)); r.Phase != status.Backoff {
		t.Errorf("%+v", r)
	}
	if err := a.SignIn(soon.Context(t)); code(t, err) != status.ProfileError {
		t.Errorf("%v", err)
	}
}

// A changed file is noticed without a refusal.
func TestStaticTokenChanges(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	synctest.Test(t, func(t *testing.T) {
		put := func(s string, at time.Time) {
			if err := errors.Join(os.WriteFile(file, []byte(s), 0o600), os.Chtimes(file, at, at)); err != nil {
				t.Fatal(err)
			}
		}
		s := New(Options{Store: newShelf(), Secret: func(_ context.Context, p profile.Secret) (string, error) {
			b, err := os.ReadFile(p.File)
			return string(b), err
		}})
		defer s.Close(context.Background())
		a, err := s.Account(profile.Profile{Target: "https://h/", SignIn: profile.SignIn{Method: profile.MethodToken, Token: profile.Secret{File: file}}})
		if err != nil {
			t.Fatal(err)
		}
		want := func(v string) {
			t.Helper()
			if tok, err := a.Token(context.Background()); err != nil || tok.Value != v {
				t.Errorf("%q, %v", tok.Value, err)
			}
		}
		put("one", time.Now())
		want("one")
		put("two", time.Now().Add(time.Second))
		want("one")
		time.Sleep(lookEvery)
		want("two")
	})
}

func TestAccountsAreShared(t *testing.T) {
	t.Parallel()
	s := New(Options{Store: newShelf()})
	defer s.Close(t.Context())
	base := profile.Profile{Name: "a", Target: "https://mcp.example.com/mcp", SignIn: profile.SignIn{Issuer: "https://auth.example.com", ClientID: "c"}}
	open := func(change func(*profile.Profile)) *Account {
		t.Helper()
		p := base
		change(&p)
		a, err := s.Account(p)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := open(func(*profile.Profile) {})
	for name, change := range map[string]func(*profile.Profile){
		"other name and port": func(p *profile.Profile) { p.Name, p.Listen = "b", "127.0.0.1:1" },
		"spelt otherwise":     func(p *profile.Profile) { p.Target = "https://MCP.example.com:443/mcp" },
		"other scopes":        func(p *profile.Profile) { p.SignIn.Scopes = []string{"x"} },
		"method":              func(p *profile.Profile) { p.SignIn.Method = profile.MethodBrowser },
	} {
		if open(change) != first {
			t.Errorf("%s: another account", name)
		}
	}
	for name, change := range map[string]func(*profile.Profile){
		"session":  func(p *profile.Profile) { p.SignIn.Session = "work" },
		"client":   func(p *profile.Profile) { p.SignIn.ClientID = "d" },
		"issuer":   func(p *profile.Profile) { p.SignIn.Issuer = "https://other.example.com" },
		"resource": func(p *profile.Profile) { p.SignIn.Resource = "https://mcp.example.com/" },
		"target":   func(p *profile.Profile) { p.Target = "https://mcp.example.com/other" },
		"origin": func(p *profile.Profile) {
			p.Target, p.SignIn.Resource = "https://evil.example/mcp", "https://mcp.example.com/mcp"
		},
		"no issuer": func(p *profile.Profile) { p.SignIn.Issuer = "" },
	} {
		if open(change) == first {
			t.Errorf("%s: the same account", name)
		}
	}
	for name, change := range map[string]func(*profile.Profile){
		"method": func(p *profile.Profile) { p.SignIn.Method = "telepathy" },
		"target": func(p *profile.Profile) { p.Target = "mcp.example.com" },
		"params": func(p *profile.Profile) { p.SignIn.AuthorizeParams = map[string]string{"state": "x"} },
		"ca":     func(p *profile.Profile) { p.TLS.CAFile = "/nowhere" },
		"proxy":  func(p *profile.Profile) { p.Proxy = "::" },
		"token":  func(p *profile.Profile) { p.SignIn.Method = profile.MethodToken },
	} {
		p := base
		change(&p)
		if _, err := s.Account(p); code(t, err) != status.ProfileError {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Scopes of all profiles that share a sign-in are asked for at once.
func TestSharedScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, func(w *world) { w.profile.SignIn.Scopes = []string{sandbox.ScopeTools} })
	p := w.profile
	p.Name, p.SignIn.Scopes = "admin", []string{sandbox.ScopeAdmin}
	if w.open(p) != w.account {
		t.Fatal("another account")
	}
	w.mustSignIn()
	if got := w.sb.Requests(sandbox.KindAuthorize)[0].Query.Get("scope"); got != sandbox.ScopeAdmin+" "+sandbox.ScopeTools {
		t.Errorf("scope %q", got)
	}
}

// A62: a server cannot send us where only the operator may.
func TestGuardAtDial(t *testing.T) {
	t.Parallel()
	decoy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer decoy.Close()
	go func() {
		for {
			c, err := decoy.Accept()
			if err != nil {
				return
			}
			t.Error("the decoy was connected to")
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(decoy.Addr().String())
	w, err := newWeb(profile.Profile{Target: "https://mcp.example.com/mcp"})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{"https://localhost:" + port + "/", "https://127.0.0.1:" + port + "/", "https://[::1]:" + port + "/"} {
		_, err := w.getJSON(t.Context(), "u", u)
		e := unaskable(hostOf(u), status.IDPUnavailable, err)
		if err == nil || e.Code != status.ProviderRefused {
			t.Errorf("%s: %v", u, err)
		}
		checkWords(t, e)
	}
	_, failed := w.post(t.Context(), "https://localhost:"+port+"/token", client{method: authNone}, url.Values{})
	if failed == nil || failed.verdict != configured || failed.lost {
		t.Errorf("%+v", failed)
	}
}

func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{TLS: true}, nil)
	w.mustSignIn()
	w.profile.TLS.CAFile = ""
	w.reopen()
	_, err := w.force()
	if code(t, err) != status.IDPUnavailable || !strings.Contains(err.Error(), "not trusted") || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("%v", err)
	}
	if len(w.store.grants()) != 1 {
		t.Error("the sign-in was lost")
	}
}

// A66: metadata that comes too slowly.
func TestSlowMetadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := withDefaults(profile.Profile{Target: "https://mcp.example.com/mcp", SignIn: profile.SignIn{Issuer: "https://auth.example.com"}})
		w := &web{fence: newFence(p), transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		before := time.Now()
		_, err := discover(t.Context(), w, p, nil)
		if took := time.Since(before); took != 2*requestTime || code(t, err) != status.IDPUnavailable || !strings.Contains(err.Error(), "in time") {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// No way of printing a token prints it.
func TestTokenDoesNotPrint(t *testing.T) {
	t.Parallel()
	tok := Token{Value: "canary", Type: "Bearer"}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", tok, "in", struct{ T Token }{tok}, "record", &record{Access: "canary"})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", tok, "in", []Token{tok})
	j, err := json.Marshal(map[string]any{"t": tok})
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(j) + fmt.Sprintf("%v %+v %#v %s %q %x %d %v", tok, tok, tok, tok, tok, tok, tok, &record{Access: "canary"})
	if strings.Contains(all, "canary") || strings.Contains(all, "63616e617279") {
		t.Error(all)
	}
	if tok.Authorization() != "Bearer canary" || (Token{}).Authorization() != "" {
		t.Error("Authorization")
	}
}
