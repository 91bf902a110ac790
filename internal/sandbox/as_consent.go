package sandbox

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"sync"
	"time"
)

//go:embed page.css
var pageCSS string

//go:embed page.html
var pageHTML string

var pages = sync.OnceValue(func() *template.Template { return template.Must(template.New("").Parse(pageHTML)) })

type pageData struct {
	CSS     template.CSS
	Title   string
	Text    string
	Action  string // where the form goes
	ID      string
	Client  string
	Host    string // where the answer goes
	Subject string
	Target  string
	Scopes  []string
}

// pending is a request on a person's screen: approve and deny say what comes of it.
type pending struct {
	expires       time.Time
	approve, deny http.HandlerFunc
}

// askPerson shows the sign-in page; d names who asks for what.
func (s *Sandbox) askPerson(w http.ResponseWriter, p *pending, d pageData, redirects ...string) {
	d.Title, d.Action, d.ID, d.Subject = "Sign in", s.opts.IssuerPath+consentPath, random("page"), s.subject()
	p.expires = s.now().Add(pendingTTL)
	s.store.mu.Lock()
	trim(s.store.pending, func(p *pending) bool { return s.now().After(p.expires) })
	s.store.pending[d.ID] = p
	s.store.mu.Unlock()
	s.page(w, http.StatusOK, "consent", d, redirects...)
}

// askForCode shows the sign-in page of an authorization request.
func (s *Sandbox) askForCode(w http.ResponseWriter, want *wanted) {
	u, _ := url.Parse(want.redirect)
	s.askPerson(w, &pending{
		approve: func(w http.ResponseWriter, r *http.Request) { s.redirectCode(w, want) },
		deny: func(w http.ResponseWriter, r *http.Request) {
			s.redirectError(w, want, refuse("access_denied", "the person said no"))
		},
	}, pageData{Client: named(want.client), Host: u.Host, Target: want.resource, Scopes: want.scopes},
		u.Scheme+"://"+u.Host)
}

// serveConsent takes the person's decision. The page's id is the proof that it came
// from the page.
func (s *Sandbox) serveConsent(w http.ResponseWriter, r *http.Request) {
	form, err := s.form(r)
	if err != nil {
		err.send(w)
		return
	}
	s.store.mu.Lock()
	p := s.store.pending[form.Get("id")]
	delete(s.store.pending, form.Get("id"))
	s.store.mu.Unlock()
	switch {
	case p == nil || !s.now().Before(p.expires):
		s.page(w, http.StatusBadRequest, "message", pageData{Text: "This sign-in is over. Start it again from the program you came from."})
	case form.Get("decision") == "approve":
		p.approve(w, r)
	default:
		p.deny(w, r)
	}
}

func named(c *Client) string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}

// page writes a static page: no scripts, nothing from elsewhere, no frames. Browsers
// apply form-action to the redirect behind a form too, hence redirects.
func (s *Sandbox) page(w http.ResponseWriter, status int, name string, d pageData, redirects ...string) {
	d.CSS = template.CSS(pageCSS)
	if d.Title == "" {
		d.Title = "That did not work"
	}
	var b bytes.Buffer
	if err := pages().ExecuteTemplate(&b, name, d); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256([]byte(pageCSS))
	csp := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
	for _, origin := range redirects {
		csp += " " + origin
	}
	for k, v := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": csp,
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"Cross-Origin-Opener-Policy": "same-origin",
	} {
		w.Header().Set(k, v)
	}
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
