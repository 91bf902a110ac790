package oauth

import (
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
)

// A profile with an issuer and no scopes asks for the usual ones of OpenID Connect where the
// issuer knows them, in whichever document it says so.
func TestUsualScopesOfAnIssuer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  func(*sandbox.Faults)
		want string
	}{
		"both documents":       {func(*sandbox.Faults) {}, "openid offline_access"},
		"OpenID Connect's":     {func(f *sandbox.Faults) { f.Missing(wellKnownOAuth) }, "openid offline_access"},
		"without refreshing":   {func(f *sandbox.Faults) { f.Field(sandbox.KindMetadata, "scopes_supported", `["openid"]`) }, "openid"},
		"no OpenID Connect":    {func(f *sandbox.Faults) { f.Field(sandbox.KindMetadata, "scopes_supported", `["read"]`) }, ""},
		"says nothing of them": {func(f *sandbox.Faults) { f.Field(sandbox.KindMetadata, "scopes_supported", sandbox.Absent) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{Clients: []sandbox.Client{ownClient}}, func(w *world) {
				w.sb.Set(c.set)
				w.profile.SignIn = profile.SignIn{Method: profile.MethodBrowser, Issuer: w.sb.Issuer(), ClientID: "mine"}
			})
			w.mustSignIn()
			if q := w.sb.Requests(sandbox.KindAuthorize)[0].Query; q.Get("scope") != c.want || q.Has("scope") != (c.want != "") {
				t.Errorf("scope %q", q["scope"])
			}
		})
	}
}
