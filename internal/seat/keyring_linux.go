package seat

import (
	"os/exec"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

const (
	secretsName  = "org.freedesktop.secrets"
	secretsPath  = "/org/freedesktop/secrets"
	loginKeyring = dbus.ObjectPath(secretsPath + "/collection/login")
	keyringPass  = "pw"
)

// StartKeyring starts gnome-keyring, with its login keyring unlocked or not. The password
// is pw.
func (s *Seat) StartKeyring(unlocked bool) {
	s.t.Helper()
	s.Keyring = exec.Command("gnome-keyring-daemon", "--foreground", "--components=secrets", "--control-directory="+s.Home+"/ctl")
	if unlocked {
		s.Keyring.Args = append(s.Keyring.Args, "--unlock")
		s.Keyring.Stdin = strings.NewReader(keyringPass)
	}
	s.Keyring.Env = s.Env()
	Start(s.t, s.Keyring)
	s.Owned(secretsName, true)
}

// StopKeyring returns when the bus knows of the end, too.
func (s *Seat) StopKeyring() {
	s.t.Helper()
	End(s.Keyring)
	s.Owned(secretsName, false)
}

// Unlock unlocks the login keyring as another program does, with no prompt.
func (s *Seat) Unlock() {
	s.t.Helper()
	service, ctx := s.Connect().Object(secretsName, secretsPath), soon.Context(s.t)
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
