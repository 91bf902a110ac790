package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// metadata is what an authorization server says of itself (RFC 8414 §2, OpenID Connect
// Discovery §3).
type metadata struct {
	issuer        string
	authorization string
	token         string
	registration  string
	revocation    string
	jwks          string
	scopes        []string
	grants        []string // nil: not said
	tokenAuth     []string // nil: not said
	idTokenAlgs   []string
	pkce          []string
	iss           bool // authorization_response_iss_parameter_supported (RFC 9207)
	openID        bool // read from an OpenID Connect document
}

func readMetadata(d document) metadata {
	return metadata{
		issuer:        d.text("issuer"),
		authorization: d.text("authorization_endpoint"),
		token:         d.text("token_endpoint"),
		registration:  d.text("registration_endpoint"),
		revocation:    d.text("revocation_endpoint"),
		jwks:          d.text("jwks_uri"),
		scopes:        validScopes(d.list("scopes_supported")),
		grants:        d.list("grant_types_supported"),
		tokenAuth:     d.list("token_endpoint_auth_methods_supported"),
		idTokenAlgs:   d.list("id_token_signing_alg_values_supported"),
		pkce:          d.list("code_challenge_methods_supported"),
		iss:           d.flag("authorization_response_iss_parameter_supported"),
	}
}

// refreshes reports whether the server may issue refresh tokens.
func (m *metadata) refreshes() bool {
	return m.grants == nil || slices.Contains(m.grants, "refresh_token")
}

// fill takes from o, a document of the same issuer, what m says nothing of. What protects
// the sign-in (PKCE, iss) is not patched together.
func (m *metadata) fill(o metadata) {
	if o.issuer != m.issuer {
		return
	}
	for mine, other := range map[*string]string{&m.registration: o.registration, &m.revocation: o.revocation, &m.jwks: o.jwks} {
		if *mine == "" {
			*mine = other
		}
	}
	if m.idTokenAlgs == nil {
		m.idTokenAlgs = o.idTokenAlgs
	}
	if m.scopes == nil {
		m.scopes = o.scopes
	}
}

const (
	wellKnownOAuth  = "/.well-known/oauth-authorization-server"
	wellKnownOpenID = "/.well-known/openid-configuration"
)

// form is one place where an issuer's metadata may be.
type form struct {
	url    string
	openID bool
}

// metadataForms are the places in the order MCP demands. The root is not asked for an
// issuer with a path: it is somebody else's.
func metadataForms(issuer *url.URL) []form {
	origin, path := originOf(issuer), strings.TrimSuffix(issuer.EscapedPath(), "/")
	forms := []form{{origin + wellKnownOAuth + path, false}, {origin + wellKnownOpenID + path, true}}
	if path != "" {
		forms = append(forms, form{origin + path + wellKnownOpenID, true})
	}
	return forms
}

// findMetadata fetches the metadata of an issuer. The document must say it is that
// issuer's, character for character, or be in trusted (RFC 8414 §3.3).
func (w *web) findMetadata(ctx context.Context, issuer string, trusted []string) (metadata, error) {
	u, err := w.fence.url("the issuer", issuer)
	if err == nil && u.RawQuery != "" {
		err = fmt.Errorf("the issuer has a query (host %s)", clean(u.Host, 100))
	}
	if err != nil {
		return metadata{}, unaskable(hostOf(issuer), status.IDPUnavailable, err)
	}
	var found *metadata
	var failed error
	for _, form := range metadataForms(u) {
		if found != nil && found.openID == form.openID {
			continue
		}
		m, err := w.tryMetadata(ctx, form, issuer, trusted)
		switch {
		case err != nil:
			failed = worse(failed, err)
		case found != nil:
			found.fill(m)
		default:
			found = &m
		}
		if found != nil && found.registration != "" && found.jwks != "" {
			break
		}
	}
	if found == nil {
		return metadata{}, failed
	}
	return *found, nil
}

// errNoMetadata is the least telling way of finding nothing.
var errNoMetadata = errors.New("no metadata there")

// worse keeps the failure that explains more than "not found".
func worse(a, b error) error {
	if a != nil && !errors.Is(a, errNoMetadata) {
		return a
	}
	return b
}

func (w *web) tryMetadata(ctx context.Context, form form, issuer string, trusted []string) (metadata, error) {
	host := hostOf(issuer)
	r, err := w.getJSON(ctx, "the issuer", form.url)
	if err != nil {
		return metadata{}, unaskable(host, status.IDPUnavailable, err)
	}
	missing := refusedBy(host+" publishes no authorization server metadata: "+r.odd(), "Set sign_in.issuer of the profile, or authorize_url and token_url, or tell the operator of the server")
	missing.Err = errNoMetadata
	switch {
	case r.status >= http.StatusInternalServerError || r.status == http.StatusTooManyRequests:
		return metadata{}, &Error{Code: status.IDPUnavailable, Summary: host + " cannot answer now", Detail: r.odd(), RetryAfter: retryAfter(r.header)}
	case r.status != http.StatusOK:
		return metadata{}, missing
	}
	d, err := parseDocument(r)
	if err != nil {
		missing.Detail = "the metadata of " + host + " cannot be used: " + err.Error()
		return metadata{}, missing
	}
	m := readMetadata(d)
	m.openID = form.openID
	if m.issuer != issuer && !slices.Contains(trusted, m.issuer) {
		return metadata{}, refusedBy(
			fmt.Sprintf("the metadata of issuer %q says it is %q", clean(issuer, 100), clean(m.issuer, 100)),
			"If both are the same provider, add the second to sign_in.trusted_issuers")
	}
	for _, endpoint := range [][2]string{{"authorization_endpoint", m.authorization}, {"token_endpoint", m.token}} {
		if _, err := w.fence.url(endpoint[0], endpoint[1]); err != nil {
			return metadata{}, unaskable(host, status.IDPUnavailable, err)
		}
	}
	return m, nil
}
