package oauth

import (
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// The whole way, with nothing configured but the address of the server.
func TestSignIn(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]sandbox.Options{
		"plain":            {},
		"pages":            {Login: sandbox.LoginPages},
		"https":            {TLS: true},
		"path":             {IssuerPath: "/tenant"},
		"one origin":       {OneOrigin: true},
		"opaque":           {Opaque: true},
		"exact redirect":   {ExactRedirect: true, RequireResource: true},
		"offline access":   {OfflineAccess: true},
		"server at root":   {MCPPath: "/"},
		"stateless server": {Stateless: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, o, nil)
			r := w.account.Check(soon.Context(t))
			if r.Phase != status.SignInNeeded || r.Code != status.NotSignedIn {
				t.Fatalf("before: %+v", r)
			}
			tok := w.mustSignIn()
			if o.MCPPath == "" && !w.works(tok) {
				t.Error("the token does not work")
			}
			r = w.last()
			if r.Phase != status.Ready || r.Account == nil || !r.Account.Refreshable || r.RenewAt.IsZero() {
				t.Errorf("after: %+v %+v", r, r.Account)
			}
			if r.Account.Resource != w.sb.MCPURL() && o.MCPPath == "" || r.Account.Issuer != w.sb.Issuer() {
				t.Errorf("account: %+v", r.Account)
			}
			w.restart()
			if again := w.mustToken(); again.Value != tok.Value {
				t.Error("the token did not survive a restart")
			}
			if n := w.sb.Count(sandbox.KindToken); n != 1 {
				t.Errorf("%d token requests", n)
			}
		})
	}
}
