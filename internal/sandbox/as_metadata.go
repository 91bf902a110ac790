package sandbox

import (
	"net/http"
)

// endpoints of the authorization server, below the issuer.
const (
	authorizePath  = "/authorize"
	consentPath    = "/consent"
	tokenPath      = "/token"
	registerPath   = "/register"
	revokePath     = "/revoke"
	introspectPath = "/introspect"
	userinfoPath   = "/userinfo"
	jwksPath       = "/jwks"
	devicePath     = "/device_authorization"
	devicePagePath = "/device"
)

// grant types
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
	grantClient  = "client_credentials"
	grantDevice  = "urn:ietf:params:oauth:grant-type:device_code"
)

func (s *Sandbox) routeAuth() {
	t, p := s.auth, s.opts.IssuerPath
	for _, path := range s.MetadataPaths() {
		t.on(path, KindMetadata, only(http.MethodGet, s.serveMetadata))
	}
	t.on(p+jwksPath, KindJWKS, only(http.MethodGet, s.serveJWKS))
	t.on(p+authorizePath, KindAuthorize, only(http.MethodGet, s.serveAuthorize))
	t.on(p+consentPath, KindConsent, only(http.MethodPost, s.serveConsent))
	t.on(p+tokenPath, KindToken, only(http.MethodPost, s.serveToken))
	t.on(p+registerPath, KindRegister, only(http.MethodPost, s.serveRegister))
	t.below[p+registerPath+"/"] = route{KindClient, s.serveClient}
	t.on(p+revokePath, KindRevoke, only(http.MethodPost, s.serveRevoke))
	t.on(p+introspectPath, KindIntrospect, only(http.MethodPost, s.serveIntrospect))
	t.on(p+userinfoPath, KindUserinfo, s.serveUserinfo)
	t.on(p+devicePath, KindDevice, only(http.MethodPost, s.serveDevice))
	t.on(p+devicePagePath, KindDevicePage, only(http.MethodGet, s.serveDevicePage))
}

// MetadataPaths lists where the authorization server's metadata is, in the order a
// client has to try (RFC 8414 §3.1, OpenID Connect Discovery 1.0 §4.1).
func (s *Sandbox) MetadataPaths() []string {
	const oauth, oidc = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	p := s.opts.IssuerPath
	if p == "" {
		return []string{oauth, oidc}
	}
	return []string{oauth + p, oidc + p, p + oidc}
}

func (s *Sandbox) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	iss := s.Issuer()
	s.document(w, KindMetadata, http.StatusOK, object{
		{"issuer", iss},
		{"authorization_endpoint", iss + authorizePath},
		{"token_endpoint", iss + tokenPath},
		{"registration_endpoint", iss + registerPath},
		{"revocation_endpoint", iss + revokePath},
		{"introspection_endpoint", iss + introspectPath},
		{"userinfo_endpoint", iss + userinfoPath},
		{"device_authorization_endpoint", iss + devicePath},
		{"jwks_uri", iss + jwksPath},
		{"scopes_supported", s.opts.Scopes},
		{"response_types_supported", []string{"code"}},
		{"response_modes_supported", []string{"query"}},
		{"grant_types_supported", []string{grantCode, grantRefresh, grantClient, grantDevice}},
		{"token_endpoint_auth_methods_supported", authMethods},
		{"revocation_endpoint_auth_methods_supported", authMethods},
		{"introspection_endpoint_auth_methods_supported", authMethods[1:]},
		{"code_challenge_methods_supported", []string{"S256"}},
		{"authorization_response_iss_parameter_supported", true},
		{"subject_types_supported", []string{"public"}},
		{"id_token_signing_alg_values_supported", []string{"ES256"}},
		{"claims_supported", []string{"sub", "iss", "aud", "exp", "iat", "nonce", "auth_time", "name", "email", "email_verified"}},
		{"prompt_values_supported", []string{"none", "login", "consent", "select_account"}},
	})
}

func (s *Sandbox) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	keys, err := s.keys.jwks()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.document(w, KindJWKS, http.StatusOK, keys)
}

// only lets one method through; GET includes HEAD.
func only(method string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && !(method == http.MethodGet && r.Method == http.MethodHead) {
			w.Header().Set("Allow", method)
			http.Error(w, "use "+method, http.StatusMethodNotAllowed)
			return
		}
		h(w, r)
	}
}
