package sandbox

import (
	"net/http"
	"net/url"
	"strings"
)

// client authentication methods (RFC 7591 §2)
const (
	authNone  = "none"
	authPost  = "client_secret_post"
	authBasic = "client_secret_basic"
)

var authMethods = []string{authNone, authPost, authBasic}

// form returns the single-valued parameters of a POST (RFC 6749 §3.2: none twice).
func (s *Sandbox) form(r *http.Request) (url.Values, *oauthError) {
	var form url.Values
	s.note(r, func(q *Request) { form = q.Form })
	if form == nil {
		return nil, refuse("invalid_request", "the body is not a form")
	}
	if r.URL.RawQuery != "" {
		return nil, refuse("invalid_request", "parameters belong in the body")
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, refuse("invalid_request", name+" is given twice")
		}
	}
	return form, nil
}

// authenticate finds the client of a token request and checks its secret: one way of
// authentication, and the one it is registered for.
func (s *Sandbox) authenticate(r *http.Request, form url.Values) (*Client, *oauthError) {
	id, secret, method, err := presented(r, form)
	if err != nil {
		return nil, err
	}
	s.note(r, func(q *Request) { q.ClientID, q.Auth = id, strings.TrimPrefix(method, "client_secret_") })
	fail := &oauthError{http.StatusUnauthorized, "invalid_client", "unknown client or wrong secret"}
	c := s.store.client(id)
	if c == nil {
		return nil, fail
	}
	switch {
	case c.Auth == "" && c.Secret == "" && method != authNone,
		c.Auth == "" && c.Secret != "" && method == authNone,
		c.Auth != "" && c.Auth != method:
		fail.text = "this client may not authenticate with " + method
		return nil, fail
	case c.Secret != "" && !same(c.Secret, secret):
		return nil, fail
	case !c.secretExpires.IsZero() && !s.now().Before(c.secretExpires):
		fail.text = "the client secret has expired"
		return nil, fail
	}
	return c, nil
}

func presented(r *http.Request, form url.Values) (id, secret, method string, _ *oauthError) {
	header := r.Header.Get("Authorization")
	if header == "" {
		if form.Has("client_secret") {
			return form.Get("client_id"), form.Get("client_secret"), authPost, nil
		}
		return form.Get("client_id"), "", authNone, nil
	}
	fail := &oauthError{http.StatusUnauthorized, "invalid_client", "malformed basic authentication"}
	rawID, rawSecret, ok := r.BasicAuth()
	if !ok {
		return "", "", "", fail
	}
	// RFC 6749 §2.3.1: both are form-encoded first.
	id, err1 := url.QueryUnescape(rawID)
	secret, err2 := url.QueryUnescape(rawSecret)
	if err1 != nil || err2 != nil {
		return "", "", "", fail
	}
	if form.Has("client_secret") {
		return "", "", "", refuse("invalid_request", "more than one way of client authentication")
	}
	if form.Has("client_id") && form.Get("client_id") != id {
		return "", "", "", refuse("invalid_request", "two different clients")
	}
	return id, secret, authBasic, nil
}

// sendError answers err; a client that tried basic is told so (RFC 6749 §5.2).
func sendError(w http.ResponseWriter, r *http.Request, err *oauthError) {
	if err.status == http.StatusUnauthorized && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="sandbox"`)
	}
	err.send(w)
}
