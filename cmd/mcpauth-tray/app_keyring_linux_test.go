package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

const inKeyring = "version: 1\nsettings: {redirect_port: 0}\nprofiles:\n"

// signedInWithKeyring starts an app that has a sign-in, kept as by default.
func signedInWithKeyring(t *testing.T, s *seat.Seat, box *sandbox.Sandbox) (*app, *browser) {
	t.Helper()
	person := newBrowser(t, "visit-and-approve")
	a := newApp(t, inKeyring+profileFor("one", box, ""), "DBUS_SESSION_BUS_ADDRESS="+s.Address, person.env())
	a.start()
	a.waitPhase("one", status.SignInNeeded)
	a.signIn("one")
	return a, person
}

func TestASignInIsKeptInTheKeyring(t *testing.T) {
	t.Parallel()
	s, box := seat.New(t), newBox(t, sandbox.Options{})
	s.StartKeyring(true)
	a, person := signedInWithKeyring(t, s, box)
	a.stop()
	s.StopKeyring()
	s.StartKeyring(true) // what matters is on disk
	a.start()
	echoes(t, a.waitPhase("one", status.Ready).URL)
	person.opened(1)
	for name, text := range files(t, filepath.Join(a.dir, "state")) {
		for _, secret := range box.Secrets() {
			if strings.Contains(text, secret) {
				t.Errorf("%s has a secret in the clear", name)
			}
		}
	}
}

func TestALockedKeyringIsSeenAndWaitedFor(t *testing.T) {
	t.Parallel()
	s, box := seat.New(t), newBox(t, sandbox.Options{})
	s.StartKeyring(true)
	a, person := signedInWithKeyring(t, s, box)
	a.stop()
	s.StopKeyring()
	s.StartKeyring(false)
	a.start()
	row := a.untilRow("one", "to show the locked keyring", func(p *status.Profile) bool { return p.Code == status.SecretStoreLocked })
	if row.Phase != status.Backoff || !strings.Contains(row.Summary, "locked") || !strings.Contains(row.Action, "Unlock") {
		t.Errorf("the row is %+v", row)
	}
	if told := post(t, row.URL, "tools/list"); told.rpc.Error == nil || told.rpc.Error.Code != status.SecretStoreLocked.RPC() ||
		!strings.Contains(told.rpc.Error.Message, "locked") {
		t.Errorf("a client is told %d %s", told.status, told.body)
	}
	if said := a.fails(exitSecretStore, "signin", "one", "--wait"); !strings.Contains(said, "locked") {
		t.Errorf("signin says %q", said)
	}

	s.Unlock()
	row = a.waitPhase("one", status.Ready)
	echoes(t, row.URL)
	if row.Code != "" || row.Account == nil {
		t.Errorf("the row is %+v", row)
	}
	person.opened(1)
}

func TestWithoutAKeyringNothingIsKept(t *testing.T) {
	t.Parallel()
	box, person := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	a := newApp(t, inKeyring+profileFor("one", box, ""), "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent/bus", person.env())
	a.start()
	row := a.untilRow("one", "to show that there is no keyring", func(p *status.Profile) bool { return p.Code == status.SecretStoreAbsent })
	if row.Phase == status.Ready || row.Phase == status.SignInNeeded || !strings.Contains(row.Action, "token_store") {
		t.Errorf("the row is %+v", row)
	}
	if told := post(t, row.URL, "tools/list"); told.rpc.Error == nil || told.rpc.Error.Code != status.SecretStoreAbsent.RPC() {
		t.Errorf("a client is told %d %s", told.status, told.body)
	}
	a.fails(exitSecretStore, "signin", "one", "--wait")
	person.opened(0)
	for name, text := range files(t, filepath.Join(a.dir, "state")) {
		if strings.Contains(name, "tokens") {
			t.Errorf("%s was written: %q", name, text)
		}
	}
	// The way out that the row names.
	a.applied(func() { a.edit(inMemory + profileFor("one", box, "")) })
	a.waitPhase("one", status.SignInNeeded)
	echoes(t, a.signIn("one").URL)
}
