package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// pages starts a sandbox with pages and returns the authorization URL of a client
// whose callback is a real server.
func pages(t *testing.T) (p *party, address string, callback *httptest.Server) {
	p = newParty(t, sandbox.Options{Login: sandbox.LoginPages})
	callback = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("back with " + r.URL.Query().Get("state") + r.URL.Query().Get("error")))
	}))
	t.Cleanup(callback.Close)
	p.register()
	return p, p.s.Issuer() + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {p.id}, "redirect_uri": {callback.URL + "/callback"}, "state": {"S"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}.Encode(), callback
}

func TestPersonApproves(t *testing.T) {
	t.Parallel()
	_, address, callback := pages(t)
	at, err := (&sandbox.Person{}).Visit(soon.Context(t), address)
	if err != nil {
		t.Fatal(err)
	}
	if at.Status != 200 || at.Body != "back with S" || !strings.HasPrefix(at.URL.String(), callback.URL) || at.URL.Query().Get("code") == "" {
		t.Errorf("%+v", at)
	}
}

func TestPersonDenies(t *testing.T) {
	t.Parallel()
	_, address, _ := pages(t)
	at, err := (&sandbox.Person{Deny: true}).Visit(soon.Context(t), address)
	if err != nil || at.Body != "back with Saccess_denied" {
		t.Errorf("%+v, %v", at, err)
	}
}

func TestVisitErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	_, address, callback := pages(t)
	callback.Close()
	_, err := (&sandbox.Person{}).Visit(soon.Context(t), address)
	if err == nil || strings.Contains(err.Error(), "code=") {
		t.Error(err)
	}
}

func TestPageIsSafe(t *testing.T) {
	t.Parallel()
	p, address, callback := pages(t)
	r := p.get(address)
	csp := r.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "style-src 'sha256-", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self' " + callback.URL} {
		p.want(strings.Contains(csp, part), part)
	}
	p.want(r.header.Get("X-Frame-Options") == "DENY" && r.header.Get("Cache-Control") == "no-store" &&
		r.header.Get("Referrer-Policy") == "no-referrer" && r.header.Get("X-Content-Type-Options") == "nosniff", "headers")
	p.want(!regexp.MustCompile(`(?i)<script|src=|https?://[^<]*\.(css|js|png)|@import|url\(`).Match(r.body), "nothing from elsewhere")
	p.want(p.get(address+"&prompt=none").status == 303 && strings.Contains(p.header.Get("Location"), "error=login_required"), "prompt=none")
}

func TestPageEscapesNames(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{Login: sandbox.LoginPages, Clients: []sandbox.Client{
		{ID: "x", Name: `<script>alert(1)</script>`, RedirectURIs: []string{redirectURI}},
	}})
	p.id = "x"
	p.authorize()
	p.want(p.is(200, "") && !strings.Contains(string(p.body), "<script") && strings.Contains(string(p.body), "&lt;script&gt;"), "page")
}

func TestConsentNeedsThePage(t *testing.T) {
	t.Parallel()
	p, address, _ := pages(t)
	p.want(p.post("/consent", url.Values{"id": {"guess"}, "decision": {"approve"}}).html(400), "guess")
	p.get(address)
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindSubmatch(p.body)
	form := url.Values{"id": {string(id[1])}, "decision": {"approve"}}
	p.want(p.post("/consent", form).is(303, ""), "first")
	p.want(p.post("/consent", form).html(400), "second")
}
