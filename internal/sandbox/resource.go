package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"
)

const wellKnownPRM = "/.well-known/oauth-protected-resource"

func (s *Sandbox) routeResource() {
	t, mcp := s.resource, s.mcpPath()
	s.store.addResources(s.resources()...)
	if !s.opts.Open {
		for _, p := range []string{mcp, legacyPath, ""} {
			t.on(wellKnownPRM+p, KindPRM, only(http.MethodGet, s.prm(t.origin+p)))
		}
	}
	t.on(cmp.Or(mcp, "/"), KindMCP, s.protect(s.MCPURL, s.serveMCP))
	echo, stream := s.protect(s.MCPURL, serveEcho), s.protect(s.MCPURL, serveStream)
	t.on(mcp+"/echo", KindEcho, echo)
	t.below[mcp+"/echo/"] = route{KindEcho, echo}
	t.on(mcp+"/stream", KindStream, stream)
	t.on(legacyPath, KindLegacy, s.protect(s.LegacyURL, only(http.MethodGet, s.serveLegacy)))
	t.on(messagePath, KindMessage, s.protect(s.LegacyURL, only(http.MethodPost, s.serveMessage)))
}

// mcpPath is empty for an MCP server at the root.
func (s *Sandbox) mcpPath() string { return strings.TrimRight(s.opts.MCPPath, "/") }

func (s *Sandbox) routeElsewhere() {
	s.elsewhere.other = route{KindElsewhere, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"elsewhere":true}` + "\n"))
	}}
}

// PRMPath is where the metadata of the resource with that path is (RFC 9728 §3.1);
// an empty path is the root form, whose resource is Origin.
func (s *Sandbox) PRMPath(resourcePath string) string { return wellKnownPRM + resourcePath }

// prm serves protected resource metadata (RFC 9728 §2).
func (s *Sandbox) prm(resource string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		var servers []string
		for _, a := range s.authorities() {
			servers = append(servers, a.Issuer())
		}
		s.document(w, KindPRM, http.StatusOK, object{
			{"resource", resource}, {"authorization_servers", servers},
			{"scopes_supported", []string{ScopeTools}}, {"bearer_methods_supported", []string{"header"}},
			{"resource_name", "Sandbox MCP server"},
		})
	}
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

// protect admits requests with a good token for that resource (RFC 6750).
func (s *Sandbox) protect(resource func() string, next http.HandlerFunc) http.HandlerFunc {
	admitted := auth.RequireBearerToken(s.verify, nil)(next)
	return func(w http.ResponseWriter, r *http.Request) {
		f := s.faults.Load()
		for k, vs := range f.Header {
			w.Header()[http.CanonicalHeaderKey(k)] = slices.Clone(vs)
		}
		if f.Reflect {
			w.Header().Set("X-Reflected", r.Header.Get("Authorization"))
		}
		token, sent := bearer(r)
		switch a := s.accept(token); {
		case s.opts.Open:
			next(w, r)
		case !sent:
			s.challenge(w, r, http.StatusUnauthorized, "", "")
		case a == nil, a.audience != resource() && a.audience != s.Origin():
			s.challenge(w, r, http.StatusUnauthorized, "invalid_token", "")
		case f.NeedScope != "" && !slices.Contains(a.scopes, f.NeedScope):
			s.challenge(w, r, http.StatusForbidden, "insufficient_scope", f.NeedScope)
		default:
			admitted.ServeHTTP(w, r)
		}
	}
}

// accept finds a live token at the authorization servers the MCP server trusts.
func (s *Sandbox) accept(token string) *access {
	for _, a := range s.authorities() {
		if t := a.store.live(token, a.now()); t != nil {
			return t
		}
	}
	return nil
}

// verify tells the SDK whose token it is, so that tools know and sessions stay with
// their owner.
func (s *Sandbox) verify(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
	a := s.accept(token)
	if a == nil {
		return nil, auth.ErrInvalidToken
	}
	return &auth.TokenInfo{UserID: a.subject, Scopes: a.scopes, Expiration: a.expires}, nil
}

func (s *Sandbox) challenge(w http.ResponseWriter, r *http.Request, status int, problem, scope string) {
	for _, c := range s.challenges(r, problem, scope) {
		w.Header().Add("WWW-Authenticate", c)
	}
	http.Error(w, http.StatusText(status), status)
}

func (s *Sandbox) challenges(r *http.Request, problem, scope string) []string {
	if f := s.faults.Load(); f.Challenges != nil {
		return f.Challenges
	}
	path := s.mcpPath()
	if p := r.URL.Path; p == legacyPath || p == messagePath {
		path = legacyPath
	}
	if scope == "" {
		scope = ScopeTools
	}
	c := fmt.Sprintf(`Bearer resource_metadata="%s", scope="%s"`, s.Origin()+wellKnownPRM+path, scope)
	if problem != "" {
		c += fmt.Sprintf(`, error="%s"`, problem)
	}
	return []string{c}
}
