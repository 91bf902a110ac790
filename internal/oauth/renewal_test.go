package oauth

import (
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// force has the upstream refuse the token at hand, so that it is renewed.
func (w *world) force() (Token, error) {
	w.t.Helper()
	return w.account.Refused(soon.Context(w.t), w.mustToken(), []string{`Bearer error="invalid_token"`})
}

// reopen is a person's restart of the profile: breakers are shut again.
func (w *world) reopen() { w.account = w.open(w.profile) }

// F11: many at once on an account whose provider ends the family on reuse.
func TestManyRenewOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Refresh: sandbox.RotateStrict}, nil)
	tok := w.mustSignIn()
	w.sb.ExpireTokens()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			fresh, err := w.account.Refused(soon.Context(t), tok, nil)
			if err != nil || fresh.Value == tok.Value {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if n := w.sb.Count(sandbox.KindToken); n != 2 {
		t.Errorf("%d token requests", n)
	}
	if !w.works(w.mustToken()) {
		t.Error("the family was ended")
	}
}

// Through rotation after rotation, and restarts, the newest refresh token is the one kept.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Refresh: sandbox.RotateStrict, RequireResource: true}, nil)
	w.mustSignIn()
	for range 5 {
		w.restart()
		if _, err := w.force(); err != nil {
			t.Fatal(err)
		}
		if !w.works(w.mustToken()) {
			t.Fatal("the token does not work")
		}
	}
	forms := w.sb.Requests(sandbox.KindToken)
	for _, r := range forms[1:] {
		if r.Form.Get("resource") != w.sb.MCPURL() || r.Form.Get("scope") == "" {
			t.Errorf("%v", r.Form)
		}
	}
}

// F2, F28: what a strict provider, and one with grace, make of a lost answer.
func TestLostRotation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o    sandbox.Options
		lost string
		ok   bool
	}{
		"grace, reset":      {sandbox.Options{Grace: time.Minute}, "token-dropped-once", true},
		"strict, reset":     {sandbox.Options{}, "token-dropped-once", false},
		"strict, truncated": {sandbox.Options{}, "token-truncated", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.o, nil)
			w.mustSignIn()
			w.sb.Switch(c.lost)
			_, err := w.force()
			w.sb.Behave()
			if (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
			if !c.ok {
				if code(t, err) != status.NotSignedIn || w.last().Phase != status.SignInNeeded {
					t.Errorf("%v: %+v", err, w.last())
				}
				w.mustSignIn()
			}
			if !w.works(w.mustToken()) {
				t.Error("the token does not work")
			}
		})
	}
}

// What a renewal must survive, with the tokens kept and nothing sent elsewhere.
func TestRenewalSwitches(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]status.Code{
		"token-500": status.IDPUnavailable, "token-503": status.IDPUnavailable, "token-503-forever": status.IDPUnavailable, "token-429": status.IDPUnavailable,
		"token-400-html": status.IDPUnavailable, "token-403-html": status.IDPUnavailable, "token-200-html": status.IDPUnavailable,
		"token-302": status.IDPUnavailable, "token-307": status.IDPUnavailable, "token-308": status.IDPUnavailable,
		"token-400-empty": status.IDPUnavailable, "token-reset": status.IDPUnavailable, "token-invalid-scope": status.ProviderRefused,
		"type-mac": status.IDPUnavailable, "access-newline": status.IDPUnavailable, "access-absent": status.IDPUnavailable,
		"expires-text": "", "expires-null": "", "expires-negative": "", "no-refresh-token": "", "type-absent": "", "token-cut": "", "token-lost": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{}, nil)
			w.mustSignIn()
			w.sb.Switch(name)
			_, err := w.force()
			if got := code(t, err); got != want {
				t.Errorf("%q: %v", got, err)
			}
			if n := w.sb.Count(sandbox.KindElsewhere); n != 0 {
				t.Errorf("%d requests elsewhere", n)
			}
			if want != "" {
				if r := w.last(); r.Phase != status.Backoff || !r.Failed || r.Code != want {
					t.Errorf("%+v", r)
				}
			}
			if name == "no-refresh-token" {
				return // the sandbox rotated all the same
			}
			w.sb.Behave()
			w.reopen()
			w.account.Check(soon.Context(t))
			w.sb.ExpireTokens()
			if _, err := w.force(); err != nil || !w.works(w.mustToken()) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestProviderEndsSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	w.mustSignIn()
	w.sb.RevokeAll()
	if _, err := w.force(); code(t, err) != status.NotSignedIn {
		t.Errorf("%v", err)
	}
	if r := w.last(); r.Phase != status.SignInNeeded || !strings.Contains(r.Detail, "ended the sign-in") {
		t.Errorf("%+v", r)
	}
	w.restart()
	if r := w.account.Check(soon.Context(t)); r.Phase != status.SignInNeeded {
		t.Errorf("%+v", r)
	}
	if w.sb.Count(sandbox.KindToken) != 2 {
		t.Errorf("%d token requests", w.sb.Count(sandbox.KindToken))
	}
	w.mustSignIn()
}

// F30, A82: a client the provider forgot is registered afresh, once a day.
func TestForgottenClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, func(w *world) {
		w.settings = profile.Settings{RedirectHost: "localhost", RedirectPort: freePort(t)}
	})
	w.mustSignIn()
	w.mustSignIn()
	w.restart()
	w.mustSignIn()
	if n := w.sb.Count(sandbox.KindRegister); n != 1 {
		t.Fatalf("%d registrations for three sign-ins", n)
	}
	for want := 2; want <= 3; want++ {
		w.sb.ForgetClients()
		if _, err := w.force(); code(t, err) != status.NotSignedIn || !strings.Contains(err.Error(), "does not know this client") {
			t.Fatalf("%v", err)
		}
		if want == 3 {
			break
		}
		w.mustSignIn()
		if n := w.sb.Count(sandbox.KindRegister); n != want {
			t.Errorf("%d registrations", n)
		}
	}
	done := w.begin()
	if _, err := w.person().Visit(soon.Context(t), w.prompt().URL); err != nil {
		t.Fatal(err)
	}
	if n := w.sb.Count(sandbox.KindRegister); n != 2 {
		t.Errorf("%d registrations in one day", n)
	}
	select {
	case err := <-done:
		t.Errorf("ended: %v", err)
	default:
	}
}

// A63: another authorization server gets nothing of what the first one issued.
func TestProviderChanges(t *testing.T) {
	t.Parallel()
	other := sandboxed(t, sandbox.Options{})
	w := newWorld(t, sandbox.Options{}, nil)
	w.mustSignIn()
	w.sb.Trust(other)
	w.sb.Set(func(f *sandbox.Faults) {
		f.Field(sandbox.KindPRM, "authorization_servers", `["`+other.Issuer()+`"]`)
	})
	if _, err := w.force(); err != nil {
		t.Fatalf("renewing goes on where it was issued: %v", err)
	}
	err := w.account.SignIn(soon.Context(t))
	if code(t, err) != status.ProviderRefused || !strings.Contains(err.Error(), w.sb.Issuer()) || !strings.Contains(err.Error(), other.Issuer()) {
		t.Fatalf("%v", err)
	}
	if r := w.last(); r.Phase != status.Ready || !strings.Contains(r.Detail, "provider has changed") {
		t.Errorf("%+v", r)
	}
	if n := other.Count(sandbox.KindToken) + other.Count(sandbox.KindRegister); n != 0 {
		t.Errorf("%d requests at the new one before anybody agreed", n)
	}
	w.mustSignIn() // agreed
	for _, r := range other.Requests(sandbox.KindToken) {
		if r.Form.Get("grant_type") != "authorization_code" {
			t.Errorf("%v", r.Form)
		}
	}
	if r := w.last(); r.Account.Issuer != other.Issuer() {
		t.Errorf("%+v", r.Account)
	}
}

// With a client of the operator's own, agreeing takes a line in the profile.
func TestProviderChangesUnderOwnClient(t *testing.T) {
	t.Parallel()
	clients := []sandbox.Client{{ID: "mine", Secret: "shh-very-secret", RedirectURIs: []string{"http://localhost/callback"}}}
	other := sandboxed(t, sandbox.Options{Clients: clients})
	w := newWorld(t, sandbox.Options{Clients: clients}, func(w *world) {
		w.profile.SignIn.ClientID, w.profile.SignIn.ClientSecret = "mine", profile.Secret{Value: "shh-very-secret"}
	})
	w.mustSignIn()
	w.sb.Trust(other)
	w.sb.Set(func(f *sandbox.Faults) {
		f.Field(sandbox.KindPRM, "authorization_servers", `["`+other.Issuer()+`"]`)
	})
	for range 3 {
		err := w.account.SignIn(soon.Context(t))
		if code(t, err) != status.ProviderRefused || !strings.Contains(err.Error(), "trusted_issuers") {
			t.Fatalf("%v", err)
		}
	}
	if n := other.Count(sandbox.KindToken); n != 0 {
		t.Errorf("the secret went to %s", other.Issuer())
	}
	w.profile.SignIn.TrustedIssuers = []string{other.Issuer()}
	w.reopen()
	w.mustSignIn()
}

// N12: a step-up asks for what was granted and what was missing.
func TestStepUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	tok := w.mustSignIn()
	w.sb.Switch("mcp-403")
	_, err := w.account.Refused(soon.Context(t), tok, []string{`Bearer error="insufficient_scope", scope="` + sandbox.ScopeAdmin + `"`})
	if code(t, err) != status.NotSignedIn || w.last().Phase != status.Ready || !strings.Contains(w.last().Detail, sandbox.ScopeAdmin) {
		t.Errorf("%v: %+v", err, w.last())
	}
	tok = w.mustSignIn()
	if !w.works(tok) {
		t.Error("the new rights are not there")
	}
	asked := strings.Fields(w.sb.Requests(sandbox.KindAuthorize)[1].Query.Get("scope"))
	for _, s := range []string{sandbox.ScopeAdmin, sandbox.ScopeTools, "offline_access"} {
		if !slices.Contains(asked, s) {
			t.Errorf("asked for %q only", asked)
		}
	}
	if r := w.last(); r.Detail != "" {
		t.Errorf("%+v", r)
	}
}

// C16, N11: the resource of the metadata goes with every request, byte for byte.
func TestResourceEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{RequireResource: true}, nil)
	w.mustSignIn()
	if _, err := w.force(); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range w.sb.Requests(sandbox.KindAuthorize) {
		all = append(all, r.Query["resource"]...)
	}
	for _, r := range w.sb.Requests(sandbox.KindToken) {
		all = append(all, r.Form["resource"]...)
		if u, err := url.Parse(r.Path); err != nil || u.RawQuery != "" || r.RawQuery != "" {
			t.Errorf("a query at the token endpoint: %q", r.RawQuery)
		}
	}
	if !slices.Equal(all, []string{w.sb.MCPURL(), w.sb.MCPURL(), w.sb.MCPURL()}) {
		t.Errorf("%q", all)
	}
}
