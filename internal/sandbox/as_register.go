package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// registration is the client metadata the server understands (RFC 7591 §2).
type registration struct {
	RedirectURIs    []string `json:"redirect_uris"`
	Auth            string   `json:"token_endpoint_auth_method"`
	Grants          []string `json:"grant_types"`
	ResponseTypes   []string `json:"response_types"`
	Name            string   `json:"client_name"`
	ApplicationType string   `json:"application_type"`
	Scope           string   `json:"scope"`
}

// serveRegister registers a client (RFC 7591 §3).
func (s *Sandbox) serveRegister(w http.ResponseWriter, r *http.Request) {
	var reg registration
	if err := json.NewDecoder(r.Body).Decode(&reg); err != nil {
		refuse("invalid_client_metadata", "the body is not JSON client metadata").send(w)
		return
	}
	reg.setDefaults()
	if err := reg.check(); err != nil {
		err.send(w)
		return
	}
	c := s.addClient(reg)
	if c == nil {
		(&oauthError{http.StatusServiceUnavailable, "temporarily_unavailable", "too many clients; restart the sandbox"}).send(w)
		return
	}
	s.note(r, func(q *Request) { q.ClientID = c.ID })
	s.document(w, KindRegister, http.StatusCreated, append(s.describe(c, reg),
		member{"registration_client_uri", s.Issuer() + registerPath + "/" + c.ID},
		member{"registration_access_token", c.manage}))
}

func (reg *registration) setDefaults() {
	if reg.Auth == "" {
		reg.Auth = authBasic
	}
	if reg.Grants == nil {
		reg.Grants = []string{grantCode}
	}
	if reg.ApplicationType == "" {
		reg.ApplicationType = "web"
	}
}

// check holds OpenID Connect Registration 1.0 §2: loopback http is for native clients.
func (reg *registration) check() *oauthError {
	if !slices.Contains(authMethods, reg.Auth) {
		return refuse("invalid_client_metadata", "unknown token_endpoint_auth_method")
	}
	if reg.ApplicationType != "web" && reg.ApplicationType != "native" {
		return refuse("invalid_client_metadata", "application_type is web or native")
	}
	for _, g := range reg.Grants {
		if g != grantCode && g != grantRefresh && g != grantClient && g != grantDevice {
			return refuse("invalid_client_metadata", "unknown grant type")
		}
	}
	if len(reg.RedirectURIs) == 0 && slices.Contains(reg.Grants, grantCode) {
		return refuse("invalid_redirect_uri", "redirect_uris is empty")
	}
	for _, raw := range reg.RedirectURIs {
		if !reg.accepts(raw) {
			return refuse("invalid_redirect_uri", "a redirect URI is not allowed for application_type "+reg.ApplicationType)
		}
	}
	return nil
}

func (reg *registration) accepts(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Fragment != "" || u.User != nil {
		return false
	}
	_, loopback := withoutLoopbackPort(raw)
	if reg.ApplicationType == "native" {
		return loopback || u.Scheme == "https"
	}
	return u.Scheme == "https" && u.Hostname() != "localhost"
}

func (s *Sandbox) addClient(reg registration) *Client {
	c := &Client{
		ID:   random("client"),
		Auth: reg.Auth, RedirectURIs: reg.RedirectURIs, Grants: reg.Grants, Name: reg.Name,
		registered: true, manage: s.secrets.new("registration"),
	}
	if c.Auth != authNone {
		c.Secret = s.secrets.new("secret")
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if len(s.store.clients) >= keepEntries {
		return nil
	}
	s.store.clients[c.ID] = c
	return c
}

func (s *Sandbox) describe(c *Client, reg registration) object {
	o := object{{"client_id", c.ID}, {"client_id_issued_at", s.now().Unix()}}
	if c.Secret != "" {
		o = append(o, member{"client_secret", c.Secret}, member{"client_secret_expires_at", 0})
	}
	return append(o,
		member{"redirect_uris", reg.RedirectURIs}, member{"token_endpoint_auth_method", reg.Auth},
		member{"grant_types", reg.Grants}, member{"response_types", []string{"code"}},
		member{"client_name", reg.Name}, member{"application_type", reg.ApplicationType})
}

// serveClient deletes a registration (RFC 7592 §2.3).
func (s *Sandbox) serveClient(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, s.opts.IssuerPath+registerPath+"/")
	s.note(r, func(q *Request) { q.ClientID = id })
	token, _ := bearer(r)
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	c := s.store.clients[id]
	switch {
	case c == nil || !c.registered || !same(token, c.manage):
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		http.Error(w, "unknown client or wrong token", http.StatusUnauthorized)
	case r.Method != http.MethodDelete:
		w.Header().Set("Allow", http.MethodDelete)
		http.Error(w, "use DELETE", http.StatusMethodNotAllowed)
	default:
		delete(s.store.clients, id)
		w.WriteHeader(http.StatusNoContent)
	}
}

// ExpireSecrets makes the secrets of every registered client expire now (invalid_client).
func (s *Sandbox) ExpireSecrets() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, c := range s.store.clients {
		if c.registered {
			c.secretExpires = s.now().Add(-time.Second)
		}
	}
}
