package seat

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// busConfig starts no service by itself: what is on the bus is what a test put there.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`

// Seat is a desktop session of its own: a home, a bus, and what a test starts there.
type Seat struct {
	Home    string    // short: it holds unix sockets
	Address string    // of the bus
	Bus     *exec.Cmd // may be ended, and started again
	Keyring *exec.Cmd // nil until it is started
	t       testing.TB
}

// New starts a seat with nothing but a bus.
func New(t testing.TB) *Seat {
	t.Helper()
	home, err := os.MkdirTemp("/tmp", "seat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	s := &Seat{Home: home, Address: "unix:path=" + home + "/bus", t: t}
	s.StartBus()
	return s
}

// StartBus starts the bus, where an earlier one may have been.
func (s *Seat) StartBus() {
	s.t.Helper()
	socket, config := filepath.Join(s.Home, "bus"), filepath.Join(s.Home, "bus.conf")
	_ = os.Remove(socket)
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, socket), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.Bus = exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile", "--nosyslog", "--print-address=1")
	out, err := s.Bus.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	Start(s.t, s.Bus)
	firstLine(s.t, "the bus", out)
}

// Connect opens a connection to the bus that is closed when the test ends.
func (s *Seat) Connect() *dbus.Conn {
	s.t.Helper()
	conn, err := dbus.Connect(s.Address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// Owned waits until somebody has that name on the bus, or nobody.
func (s *Seat) Owned(name string, want bool) {
	s.t.Helper()
	bus, ctx := s.Connect().BusObject(), soon.Context(s.t)
	soon.Until(s.t, fmt.Sprintf("%s is on the bus: %v", name, want), func() bool {
		var has bool
		return bus.CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, name).Store(&has) == nil && has == want
	})
}

// Env is all that a program of this seat has to know.
func (s *Seat) Env(more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.Home, "XDG_RUNTIME_DIR=" + s.Home, "XDG_DATA_HOME=" + s.Home,
		"DBUS_SESSION_BUS_ADDRESS=" + s.Address, "NO_AT_BRIDGE=1", "GIO_USE_VFS=local",
	}, more...)
}
