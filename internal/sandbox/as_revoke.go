package sandbox

import (
	"net/http"
	"strings"
)

// serveRevoke ends a token and, for a refresh token, its whole sign-in (RFC 7009).
func (s *Sandbox) serveRevoke(w http.ResponseWriter, r *http.Request) {
	form, err := s.form(r)
	if err != nil {
		sendError(w, r, err)
		return
	}
	c, err := s.authenticate(r, form)
	if err != nil {
		sendError(w, r, err)
		return
	}
	token := form.Get("token")
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if a := s.store.access[token]; a != nil && a.client == c {
		a.ended = true
	}
	if rt := s.store.refresh[token]; rt != nil && rt.client == c {
		rt.grant.ended = true
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK) // also for unknown tokens (§2.2)
}

// serveIntrospect says whether a token is good (RFC 7662), to clients with a secret.
func (s *Sandbox) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	form, err := s.form(r)
	if err != nil {
		sendError(w, r, err)
		return
	}
	c, err := s.authenticate(r, form)
	if err == nil && c.Secret == "" {
		err = &oauthError{http.StatusUnauthorized, "invalid_client", "a public client may not ask"}
	}
	if err != nil {
		sendError(w, r, err)
		return
	}
	a := s.store.live(form.Get("token"), s.now())
	if a == nil {
		s.document(w, KindIntrospect, http.StatusOK, object{{"active", false}})
		return
	}
	s.document(w, KindIntrospect, http.StatusOK, object{
		{"active", true}, {"iss", s.Issuer()}, {"sub", a.subject}, {"aud", a.audience},
		{"client_id", a.client.ID}, {"username", a.subject}, {"token_type", "Bearer"},
		{"scope", strings.Join(a.scopes, " ")}, {"exp", a.expires.Unix()}, {"iat", a.issued.Unix()},
	})
}
