package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const idTokenTTL = time.Hour

// newIDToken makes an ID token (OpenID Connect Core 1.0 §2), changed by the faults in force.
func (s *Sandbox) newIDToken(g *grant) (string, error) {
	now := s.now()
	o := object{
		{"iss", s.Issuer()}, {"sub", g.subject}, {"aud", g.client.ID},
		{"iat", now.Unix()}, {"exp", now.Add(idTokenTTL).Unix()}, {"auth_time", g.at.Unix()},
	}
	if g.nonce != "" {
		o = append(o, member{"nonce", g.nonce})
	}
	o = append(o, personal(g)...)
	f := s.faults.Load()
	text, err := json.Marshal(o.with(f.fields[KindIDToken]))
	if err != nil {
		return "", err
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		return "", err
	}
	switch {
	case f.AlgNone:
		t, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims(claims)).
			SignedString(jwt.UnsafeAllowNoneSignatureType)
		s.secrets.keep(t)
		return t, err
	case f.ForeignKey:
		k, err := newKey()
		if err != nil {
			return "", err
		}
		return s.sign(k, "JWT", claims)
	}
	return s.SignJWT("JWT", claims)
}

// personal are the claims of the scopes profile and email.
func personal(g *grant) object {
	var o object
	if slices.Contains(g.scopes, "profile") {
		o = append(o, member{"name", strings.ToUpper(g.subject[:1]) + g.subject[1:]}, member{"preferred_username", g.subject})
	}
	if slices.Contains(g.scopes, "email") {
		o = append(o, member{"email", g.subject + "@example.com"}, member{"email_verified", true})
	}
	return o
}

// serveUserinfo answers who the access token is of (OpenID Connect Core 1.0 §5.3).
func (s *Sandbox) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	token, _ := bearer(r)
	a := s.store.live(token, s.now())
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		http.Error(w, "use GET or POST", http.StatusMethodNotAllowed)
	case a == nil:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		http.Error(w, "invalid token", http.StatusUnauthorized)
	case !slices.Contains(a.scopes, "openid"):
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="openid"`)
		http.Error(w, "openid is needed", http.StatusForbidden)
	default:
		s.document(w, KindUserinfo, http.StatusOK, append(object{{"sub", a.subject}}, personal(a.grant)...))
	}
}
