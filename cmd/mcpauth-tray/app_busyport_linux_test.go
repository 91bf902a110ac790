package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// TestABusySignInPortNamesItsOwner: who has the one port that is registered is said to whoever
// wants to sign in.
func TestABusySignInPortNamesItsOwner(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, port, _ := net.SplitHostPort(busy.Addr().String())
	box := newBox(t, sandbox.Options{Clients: []sandbox.Client{{ID: "mine", RedirectURIs: []string{"http://localhost/callback"}}}})
	a := newApp(t, "version: 1\nsettings: {token_store: memory, redirect_port: "+port+"}\nprofiles:\n"+profileFor("one", box, ", sign_in: {client_id: mine}"))
	a.start()
	a.waitPhase("one", status.SignInNeeded)
	out, err := a.command("signin", "one", "--wait").CombinedOutput()
	if want := fmt.Sprintf("(pid %d)", os.Getpid()); err == nil || !strings.Contains(string(out), "port "+port+" is in use by ") || !strings.Contains(string(out), want) {
		t.Errorf("%v\n%s\nwant %s", err, out, want)
	}
}
