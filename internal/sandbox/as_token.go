package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// serveToken is the token endpoint (RFC 6749 §3.2).
func (s *Sandbox) serveToken(w http.ResponseWriter, r *http.Request) {
	answer, err := s.exchange(r)
	if err != nil {
		sendError(w, r, err)
		return
	}
	w.Header().Set("Pragma", "no-cache")
	s.document(w, KindToken, http.StatusOK, answer)
}

func (s *Sandbox) exchange(r *http.Request) (object, *oauthError) {
	form, err := s.form(r)
	if err != nil {
		return nil, err
	}
	s.secrets.keep(form.Get("code_verifier"))
	grants := map[string]func(*Client, url.Values) (object, *oauthError){
		grantCode: s.byCode, grantRefresh: s.byRefresh, grantClient: s.byClient, grantDevice: s.byDevice,
	}
	by, ok := grants[form.Get("grant_type")]
	if !ok {
		return nil, refuse("unsupported_grant_type", "unknown grant_type")
	}
	c, err := s.authenticate(r, form)
	if err != nil {
		return nil, err
	}
	if !c.allows(form.Get("grant_type")) {
		return nil, refuse("unauthorized_client", "this client may not use this grant_type")
	}
	return by(c, form)
}

// byCode trades an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6).
func (s *Sandbox) byCode(c *Client, form url.Values) (object, *oauthError) {
	g, err := s.redeem(c, form)
	if err != nil {
		return nil, err
	}
	return s.issue(g, g.scopes, s.mayRefresh(g))
}

func (s *Sandbox) redeem(c *Client, form url.Values) (*grant, *oauthError) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	k := s.store.codes[form.Get("code")]
	if k == nil || k.client != c {
		return nil, refuse("invalid_grant", "unknown code")
	}
	if k.used {
		k.grant.ended = true // RFC 6749 §4.1.2: a code used twice ends what it brought
		return nil, refuse("invalid_grant", "the code was used before")
	}
	k.used = true
	switch {
	case k.grant.ended, !s.now().Before(k.expires):
		return nil, refuse("invalid_grant", "the code has expired")
	case form.Get("redirect_uri") != k.redirect:
		return nil, refuse("invalid_grant", "another redirect_uri than at the authorization endpoint")
	case !verifies(form.Get("code_verifier"), k.challenge):
		return nil, refuse("invalid_grant", "code_verifier does not fit")
	}
	return k.grant, s.sameResource(k.grant, form)
}

func verifies(verifier, challenge string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return same(base64.RawURLEncoding.EncodeToString(sum[:]), challenge)
}

// sameResource lets a token request name only the resource of its sign-in.
func (s *Sandbox) sameResource(g *grant, form url.Values) *oauthError {
	switch {
	case form.Has("resource") && form.Get("resource") != g.resource:
		return refuse("invalid_target", "another resource than at the authorization endpoint")
	case !form.Has("resource") && s.opts.RequireResource:
		return refuse("invalid_target", "resource is required")
	}
	return nil
}

func (s *Sandbox) mayRefresh(g *grant) bool {
	return g.client.allows(grantRefresh) &&
		(!s.opts.OfflineAccess || slices.Contains(g.scopes, "offline_access"))
}

// byRefresh renews (RFC 6749 §6), with rotation and reuse detection (RFC 9700 §4.14).
func (s *Sandbox) byRefresh(c *Client, form url.Values) (object, *oauthError) {
	g, scopes, err := s.spend(c, form)
	if err != nil {
		return nil, err
	}
	return s.issue(g, scopes, s.opts.Refresh != RotateNever)
}

func (s *Sandbox) spend(c *Client, form url.Values) (*grant, []string, *oauthError) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	rt := s.store.refresh[form.Get("refresh_token")]
	if rt == nil || rt.client != c || rt.grant.ended {
		return nil, nil, refuse("invalid_grant", "unknown refresh token")
	}
	scopes, err := narrowed(rt.grant, form.Get("scope"))
	if err == nil {
		err = s.sameResource(rt.grant, form)
	}
	if err != nil {
		return nil, nil, err
	}
	if !rt.rotated.IsZero() && !s.now().Before(rt.rotated.Add(s.opts.Grace)) {
		rt.grant.ended = s.opts.Refresh == RotateStrict
		return nil, nil, refuse("invalid_grant", "the refresh token was used before")
	}
	if s.opts.Refresh != RotateNever && rt.rotated.IsZero() {
		rt.rotated = s.now()
	}
	return rt.grant, scopes, nil
}

func narrowed(g *grant, scope string) ([]string, *oauthError) {
	scopes := strings.Fields(scope)
	if len(scopes) == 0 {
		return g.scopes, nil
	}
	for _, v := range scopes {
		if !slices.Contains(g.scopes, v) {
			return nil, refuse("invalid_scope", "more than was granted")
		}
	}
	return scopes, nil
}

// byClient is for a program that acts for itself (RFC 6749 §4.4): no refresh token.
func (s *Sandbox) byClient(c *Client, form url.Values) (object, *oauthError) {
	if c.Secret == "" {
		return nil, refuse("unauthorized_client", "a public client cannot act for itself")
	}
	resource, err := s.resourceOf(form["resource"])
	if err != nil {
		return nil, err
	}
	scopes, err := s.scopesOf(form.Get("scope"))
	if err != nil {
		return nil, err
	}
	return s.issue(&grant{client: c, subject: c.ID, resource: resource, scopes: scopes, at: s.now()}, scopes, false)
}

// issue makes the answer of the token endpoint (RFC 6749 §5.1).
func (s *Sandbox) issue(g *grant, scopes []string, withRefresh bool) (object, *oauthError) {
	ttl := s.opts.TokenTTL
	if f := s.faults.Load(); f.TokenTTL != 0 {
		ttl = f.TokenTTL
	}
	now := s.now()
	a := &access{grant: g, scopes: scopes, audience: g.resource, issued: now, expires: now.Add(ttl)}
	var err error
	if a.token, err = s.newAccessToken(a); err != nil {
		return nil, &oauthError{http.StatusInternalServerError, "server_error", err.Error()}
	}
	out := object{{"access_token", a.token}, {"token_type", "Bearer"}, {"expires_in", int(ttl / time.Second)}}
	rt := ""
	if withRefresh {
		rt = s.secrets.new("refresh")
		out = append(out, member{"refresh_token", rt})
	}
	out = append(out, member{"scope", strings.Join(scopes, " ")})
	if slices.Contains(scopes, "openid") && g.person {
		id, err := s.newIDToken(g)
		if err != nil {
			return nil, &oauthError{http.StatusInternalServerError, "server_error", err.Error()}
		}
		out = append(out, member{"id_token", id})
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	trim(s.store.access, func(a *access) bool { return a.ended || a.grant.ended || now.After(a.expires) })
	trim(s.store.refresh, func(r *refresh) bool {
		return r.grant.ended || !r.rotated.IsZero() && now.After(r.rotated.Add(s.opts.Grace))
	})
	s.store.access[a.token] = a
	if rt != "" {
		s.store.refresh[rt] = &refresh{grant: g}
	}
	return out, nil
}

// newAccessToken makes an opaque string or a JWT (RFC 9068).
func (s *Sandbox) newAccessToken(a *access) (string, error) {
	if s.opts.Opaque {
		return s.secrets.new("access"), nil
	}
	return s.SignJWT("at+jwt", map[string]any{
		"iss": s.Issuer(), "sub": a.subject, "aud": a.audience, "client_id": a.client.ID,
		"scope": strings.Join(a.scopes, " "), "jti": "sandbox-jti-" + rand.Text(),
		"iat": a.issued.Unix(), "exp": a.expires.Unix(),
	})
}
