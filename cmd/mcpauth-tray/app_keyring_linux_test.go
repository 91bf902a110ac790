package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// busConfig starts no service by itself: what is on the bus is what a test put there.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`

// seat is a desktop session of a test's own: a bus, a home, and a keyring.
type seat struct {
	t       *testing.T
	home    string // short: it holds unix sockets
	address string
	keyring *exec.Cmd
}

func newSeat(t *testing.T) *seat {
	t.Helper()
	home, err := os.MkdirTemp("/tmp", "ms")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	s := &seat{t: t, home: home, address: "unix:path=" + home + "/bus"}
	config := filepath.Join(home, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, home+"/bus"), 0o600); err != nil {
		t.Fatal(err)
	}
	bus := exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile", "--nosyslog", "--print-address=1")
	out, err := bus.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.run(bus, "dbus-daemon")
	up := make(chan bool, 1)
	go func() { up <- bufio.NewScanner(out).Scan() }()
	if !soon.Receive(t, up, "the bus to start") {
		t.Fatal("the bus did not start")
	}
	return s
}

// run starts a program that does not outlive the test, even when that crashes.
func (s *seat) run(cmd *exec.Cmd, name string) {
	s.t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		missing(s.t, name)
	}
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

func (s *seat) env() []string { return []string{"DBUS_SESSION_BUS_ADDRESS=" + s.address} }

func (s *seat) connect() *dbus.Conn {
	s.t.Helper()
	conn, err := dbus.Connect(s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

const (
	secretsName  = "org.freedesktop.secrets"
	secretsPath  = "/org/freedesktop/secrets"
	loginKeyring = dbus.ObjectPath(secretsPath + "/collection/login")
	keyringPass  = "pw"
)

// startKeyring starts gnome-keyring, with its login keyring unlocked or not.
func (s *seat) startKeyring(unlocked bool) {
	s.t.Helper()
	s.keyring = exec.Command("gnome-keyring-daemon", "--foreground", "--components=secrets", "--control-directory="+s.home+"/ctl")
	if unlocked {
		s.keyring.Args = append(s.keyring.Args, "--unlock")
		s.keyring.Stdin = strings.NewReader(keyringPass)
	}
	s.keyring.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "XDG_RUNTIME_DIR=" + s.home,
		"XDG_DATA_HOME=" + s.home, "NO_AT_BRIDGE=1", "GIO_USE_VFS=local"}, s.env()...)
	s.run(s.keyring, "gnome-keyring-daemon")
	s.owned(true)
}

func (s *seat) stopKeyring() {
	s.t.Helper()
	_ = s.keyring.Process.Kill()
	_ = s.keyring.Wait()
	s.owned(false)
}

// owned waits until there is a keyring on the bus, or none.
func (s *seat) owned(want bool) {
	s.t.Helper()
	bus, ctx := s.connect().BusObject(), soon.Context(s.t)
	soon.Until(s.t, fmt.Sprintf("the keyring to be there: %v", want), func() bool {
		var has bool
		return bus.CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, secretsName).Store(&has) == nil && has == want
	})

}

// unlock unlocks the login keyring as another program does, with no prompt.
func (s *seat) unlock() {
	s.t.Helper()
	service, ctx := s.connect().Object(secretsName, secretsPath), soon.Context(s.t)
	var nothing dbus.Variant
	var opened dbus.ObjectPath
	if err := service.CallWithContext(ctx, "org.freedesktop.Secret.Service.OpenSession", 0, "plain", dbus.MakeVariant("")).Store(&nothing, &opened); err != nil {
		s.t.Fatal(err)
	}
	secret := struct {
		Session           dbus.ObjectPath
		Parameters, Value []byte
		Type              string
	}{opened, []byte{}, []byte(keyringPass), "text/plain"}
	const unlock = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface.UnlockWithMasterPassword"
	if err := service.CallWithContext(ctx, unlock, 0, loginKeyring, secret).Err; err != nil {
		s.t.Fatal(err)
	}
}

const inKeyring = "version: 1\nsettings: {redirect_port: 0}\nprofiles:\n"

// signedInWithKeyring starts an app that has a sign-in, kept as by default.
func signedInWithKeyring(t *testing.T, s *seat, box *sandbox.Sandbox) (*app, *browser) {
	t.Helper()
	person := newBrowser(t, "visit-and-approve")
	a := newApp(t, inKeyring+profileFor("one", box, ""), append(s.env(), person.env())...)
	a.start()
	a.waitPhase("one", status.SignInNeeded)
	a.signIn("one")
	return a, person
}

func TestASignInIsKeptInTheKeyring(t *testing.T) {
	t.Parallel()
	s, box := newSeat(t), newBox(t, sandbox.Options{})
	s.startKeyring(true)
	a, person := signedInWithKeyring(t, s, box)
	a.stop()
	s.stopKeyring()
	s.startKeyring(true) // what matters is on disk
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
	s, box := newSeat(t), newBox(t, sandbox.Options{})
	s.startKeyring(true)
	a, person := signedInWithKeyring(t, s, box)
	a.stop()
	s.stopKeyring()
	s.startKeyring(false)
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

	s.unlock()
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
