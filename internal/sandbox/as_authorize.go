package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// wanted is a valid authorization request.
type wanted struct {
	client    *Client
	redirect  string
	state     string
	hasState  bool
	challenge string
	scopes    []string
	resource  string
	nonce     string
	prompt    string
}

var s256 = lazily(`^[A-Za-z0-9_-]{43}$`)

// serveAuthorize is the authorization endpoint (RFC 6749 §4.1.1 with PKCE).
func (s *Sandbox) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	want, problem := s.target(q)
	if problem != "" {
		// Without a known redirect URI the person is told, not the client.
		s.page(w, http.StatusBadRequest, "message", pageData{Text: problem})
		return
	}
	s.note(r, func(q *Request) { q.ClientID = want.client.ID })
	if err := s.readAuthorize(q, want); err != nil {
		s.redirectError(w, want, err)
		return
	}
	switch f := s.faults.Load(); {
	case f.Decline != "":
		s.redirectError(w, want, refuse(f.Decline, "a switch of the sandbox is on"))
	case s.opts.Login == LoginAuto:
		s.redirectCode(w, want)
	case want.prompt == "none":
		s.redirectError(w, want, refuse("login_required", "a person has to approve"))
	default:
		s.askForCode(w, want)
	}
}

// target finds out where answers to an authorization request go.
func (s *Sandbox) target(q url.Values) (*wanted, string) {
	for _, name := range []string{"client_id", "redirect_uri", "state"} {
		if len(q[name]) > 1 {
			return nil, "The request has " + name + " twice."
		}
	}
	c := s.store.client(q.Get("client_id"))
	if c == nil {
		return nil, "The request is from an unknown client."
	}
	redirect := q.Get("redirect_uri")
	if redirect == "" || !s.redirectKnown(c, redirect) {
		return nil, "The client did not register the address it wants the answer at."
	}
	return &wanted{client: c, redirect: redirect, state: q.Get("state"), hasState: q.Has("state")}, ""
}

// redirectKnown compares exactly, but for the port of a loopback address (RFC 8252 §7.3).
func (s *Sandbox) redirectKnown(c *Client, redirect string) bool {
	if slices.Contains(c.RedirectURIs, redirect) {
		return true
	}
	if s.opts.ExactRedirect {
		return false
	}
	u, ok := withoutLoopbackPort(redirect)
	return ok && slices.ContainsFunc(c.RedirectURIs, func(known string) bool {
		k, ok := withoutLoopbackPort(known)
		return ok && k == u
	})
}

func withoutLoopbackPort(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" {
		return "", false
	}
	switch h := u.Hostname(); h {
	case "127.0.0.1", "::1", "localhost":
		u.Host = h
		return u.String(), true
	}
	return "", false
}

func (s *Sandbox) readAuthorize(q url.Values, want *wanted) *oauthError {
	for name, values := range q {
		if len(values) > 1 && name != "resource" {
			return refuse("invalid_request", name+" is given twice")
		}
	}
	switch {
	case q.Get("response_type") != "code":
		return refuse("unsupported_response_type", "only code")
	case !want.client.allows(grantCode):
		return refuse("unauthorized_client", "this client may not use the authorization endpoint")
	case q.Get("code_challenge_method") != "S256", !s256().MatchString(q.Get("code_challenge")):
		return refuse("invalid_request", "PKCE with S256 is required")
	}
	want.challenge, want.nonce, want.prompt = q.Get("code_challenge"), q.Get("nonce"), q.Get("prompt")
	var err *oauthError
	if want.resource, err = s.resourceOf(q["resource"]); err != nil {
		return err
	}
	want.scopes, err = s.scopesOf(q.Get("scope"))
	return err
}

// resourceOf compares byte for byte (RFC 8707 §2); none means the MCP server.
func (s *Sandbox) resourceOf(values []string) (string, *oauthError) {
	switch {
	case len(values) == 0 && s.opts.RequireResource:
		return "", refuse("invalid_target", "resource is required")
	case len(values) == 0:
		return s.MCPURL(), nil
	case len(values) > 1:
		return "", refuse("invalid_target", "one resource at a time")
	case !s.knowsResource(values[0]):
		return "", refuse("invalid_target", "unknown resource")
	}
	return values[0], nil
}

func (s *Sandbox) knowsResource(v string) bool {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return slices.Contains(s.store.resources, v)
}

func (s *Sandbox) scopesOf(scope string) ([]string, *oauthError) {
	scopes := strings.Fields(scope)
	for _, v := range scopes {
		if !slices.Contains(s.opts.Scopes, v) {
			return nil, refuse("invalid_scope", "unknown scope")
		}
	}
	if f := s.faults.Load(); f.Grant != nil {
		return f.Grant, nil
	}
	if len(scopes) == 0 {
		scopes = []string{ScopeTools}
	}
	return scopes, nil
}

// redirectCode approves: a code goes back to the client.
func (s *Sandbox) redirectCode(w http.ResponseWriter, want *wanted) {
	g := &grant{
		client: want.client, subject: s.subject(), resource: want.resource,
		scopes: want.scopes, nonce: want.nonce, person: true, at: s.now(),
	}
	c := s.secrets.new("code")
	s.store.mu.Lock()
	trim(s.store.codes, func(k *code) bool { return k.used || s.now().After(k.expires) })
	s.store.codes[c] = &code{grant: g, redirect: want.redirect, challenge: want.challenge, expires: s.now().Add(codeTTL)}
	s.store.mu.Unlock()
	s.redirect(w, want, map[string]string{"code": c})
}

func (s *Sandbox) redirectError(w http.ResponseWriter, want *wanted, err *oauthError) {
	s.redirect(w, want, map[string]string{"error": err.name, "error_description": err.text})
}

// redirect is the authorization response, with iss (RFC 9207).
func (s *Sandbox) redirect(w http.ResponseWriter, want *wanted, params map[string]string) {
	params["iss"] = s.Issuer()
	if want.hasState {
		params["state"] = want.state
	}
	f := s.faults.Load()
	for name, value := range f.params {
		params[name] = value
		if value == Absent {
			delete(params, name)
		}
	}
	u, _ := url.Parse(want.redirect)
	q := u.Query()
	for name, value := range params {
		q.Set(name, value)
	}
	for _, name := range f.Twice {
		q.Add(name, q.Get(name))
	}
	u.RawQuery = q.Encode()
	w.Header().Set("Location", u.String())
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

func (s *Sandbox) subject() string {
	if f := s.faults.Load(); f.Subject != "" {
		return f.Subject
	}
	return s.opts.Subject
}
