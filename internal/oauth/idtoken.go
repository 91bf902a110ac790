package oauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// idTokenAlgs are the signatures we accept, when the provider says it uses them.
var idTokenAlgs = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512,
	oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// clockSkew is how far a provider's clock may be behind ours.
const clockSkew = time.Minute

// whoSignedIn verifies the ID token (OpenID Connect Core §3.1.3.7) and returns its subject.
// Without openid, or without an ID token, it is empty.
func (r *request) whoSignedIn(ctx context.Context, a *tokenAnswer) (subject string, err error) {
	if r.nonce == "" || a.idToken == "" || r.issuer == "" {
		return "", nil
	}
	token, err := r.verify(ctx, a.idToken)
	if err == nil {
		err = r.checkClaims(token, a.access)
	}
	if err != nil {
		return "", &Error{Code: status.SignInFailed, Summary: "the provider's ID token was not accepted",
			Detail: hostOf(r.issuer) + ": " + clean(withoutURLs(err.Error()), 160), Action: "Sign in again; if it happens again, tell the operator of the provider", Err: err}
	}
	return clean(token.Subject, 200), nil
}

func (r *request) verify(ctx context.Context, raw string) (*oidc.IDToken, error) {
	if len(raw) > longestSecret {
		return nil, errors.New("it is too large")
	}
	m := r.found.meta
	config := &oidc.Config{
		ClientID:             r.client.id,
		SupportedSigningAlgs: supportedAlgs(m.idTokenAlgs),
		Now:                  func() time.Time { return time.Now().Add(-clockSkew) },
	}
	var keys oidc.KeySet
	if m.jwks == "" {
		// It came straight from the token endpoint over TLS, which the standard lets stand
		// for the signature (§3.1.3.7, 6).
		config.InsecureSkipSignatureCheck = true
	} else {
		if _, err := r.found.web.fence.url("jwks_uri", m.jwks); err != nil {
			return nil, err
		}
		keys = oidc.NewRemoteKeySet(oidc.ClientContext(ctx, r.found.web.bounded(metadataLimit)), m.jwks)
	}
	return oidc.NewVerifier(r.expectedIssuer(raw), keys, config).Verify(ctx, raw)
}

func supportedAlgs(said []string) []string {
	if said == nil {
		return []string{oidc.RS256}
	}
	known := slices.DeleteFunc(slices.Clone(said), func(alg string) bool { return !slices.Contains(idTokenAlgs, alg) })
	if len(known) == 0 {
		return []string{oidc.RS256}
	}
	return known
}

// expectedIssuer is the issuer the ID token has to name: ours, or one the operator trusts. In
// Entra's shared metadata it is a template that the token's tenant fills in.
func (r *request) expectedIssuer(raw string) string {
	var claims struct{ Iss, Tid string }
	if parts := strings.Split(raw, "."); len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(payload, &claims) // only to choose among what is accepted anyway
		}
	}
	if slices.Contains(r.trusted, claims.Iss) {
		return claims.Iss
	}
	if isTenant(claims.Tid) {
		return strings.Replace(r.issuer, "{tenantid}", claims.Tid, 1)
	}
	return r.issuer
}

func isTenant(id string) bool {
	return len(id) == 36 && strings.Trim(strings.ToLower(id), "0123456789abcdef-") == ""
}

// checkClaims is what go-oidc leaves to its callers.
func (r *request) checkClaims(token *oidc.IDToken, access string) error {
	var claims struct {
		AZP string `json:"azp"`
	}
	if err := token.Claims(&claims); err != nil {
		return errors.New("its claims cannot be read")
	}
	switch {
	case token.Nonce != r.nonce:
		return errors.New("its nonce is not that of this sign-in")
	case claims.AZP != "" && claims.AZP != r.client.id, len(token.Audience) > 1 && claims.AZP == "":
		return errors.New("it was issued for another client")
	case token.Expiry.IsZero():
		return errors.New("it has no expiry")
	case token.AccessTokenHash != "" && token.VerifyAccessToken(access) != nil:
		return errors.New("it belongs to another access token")
	}
	return nil
}

// bounded is a client for libraries that read whole answers: GETs only, no redirects, so
// many bytes, in the usual time.
func (w *web) bounded(limit int64) *http.Client {
	return &http.Client{
		Transport:     boundedTransport{w, limit},
		CheckRedirect: redirects(false),
		Timeout:       requestTime,
	}
}

type boundedTransport struct {
	web   *web
	limit int64
}

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.web.transport.RoundTrip(r)
	if err == nil {
		resp.Body = boundedBody{io.LimitReader(resp.Body, t.limit), resp.Body}
	}
	return resp, err
}

type boundedBody struct {
	io.Reader
	io.Closer
}
