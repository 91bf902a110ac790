package tokenstore

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

const password = "pw"

// busConfig starts no service by itself: what is on the bus is what a test put there.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`

// session is a desktop session of its own: a bus, a home, and a keyring daemon.
type session struct {
	t      *testing.T
	home   string // short: it holds unix sockets
	addr   string
	bus    *exec.Cmd
	daemon *exec.Cmd
}

// newSession starts the bus and makes it the one of this process. Tests that use it
// cannot run in parallel.
func newSession(t *testing.T) *session {
	t.Helper()
	home, err := os.MkdirTemp("/tmp", "ts")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	s := &session{t: t, home: home, addr: "unix:path=" + home + "/bus"}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", s.addr)
	s.startBus()
	// go-keyring's connection is the one the whole process shares.
	t.Cleanup(func() {
		if conn, err := dbus.SessionBus(); err == nil {
			conn.Close()
		}
	})
	return s
}

func (s *session) startBus() {
	s.t.Helper()
	config := filepath.Join(s.home, "bus.conf")
	_ = os.Remove(filepath.Join(s.home, "bus"))
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, s.home+"/bus"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.bus = program("dbus-daemon", "--config-file="+config, "--nofork", "--print-address=1")
	out, err := s.bus.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.bus.Start(); err != nil {
		missing(s.t, "dbus-daemon", err)
	}
	s.t.Cleanup(stopper(s.bus))
	if !bufio.NewScanner(out).Scan() {
		s.t.Fatal("the bus did not start")
	}
}

// program is a process that does not outlive the tests, even when they crash.
func program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func stopper(cmd *exec.Cmd) func() {
	return func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
}

// env is what a program of this session sees.
func (s *session) env(more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "XDG_RUNTIME_DIR=" + s.home, "XDG_DATA_HOME=" + s.home,
		"DBUS_SESSION_BUS_ADDRESS=" + s.addr, "NO_AT_BRIDGE=1", "GIO_USE_VFS=local",
	}, more...)
}

// startKeyring starts gnome-keyring, with its login collection unlocked or not.
func (s *session) startKeyring(unlocked bool) {
	s.t.Helper()
	args := []string{"--foreground", "--components=secrets", "--control-directory=" + s.home + "/ctl"}
	s.daemon = program("gnome-keyring-daemon", args...)
	if unlocked {
		s.daemon.Args = append(s.daemon.Args, "--unlock")
		s.daemon.Stdin = strings.NewReader(password)
	}
	s.daemon.Env = s.env()
	if err := s.daemon.Start(); err != nil {
		missing(s.t, "gnome-keyring-daemon", err)
	}
	s.t.Cleanup(stopper(s.daemon))
	s.waitOwned("org.freedesktop.secrets", true)
}

func (s *session) stopKeyring() {
	stopper(s.daemon)()
	s.waitOwned("org.freedesktop.secrets", false)
}

func (s *session) waitOwned(name string, want bool) {
	s.t.Helper()
	conn := s.connect()
	defer conn.Close()
	soon.Until(s.t, name, func() bool {
		var has bool
		return conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, name).Store(&has) == nil && has == want
	})
}

func (s *session) connect() *dbus.Conn {
	s.t.Helper()
	conn, err := dbus.Connect(s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// lock locks the login collection, as a screen saver may.
func (s *session) lock() {
	s.t.Helper()
	conn := s.connect()
	defer conn.Close()
	var locked []dbus.ObjectPath
	var prompt dbus.ObjectPath
	err := conn.Object(busName, rootPath).Call(serviceAPI+".Lock", 0, []dbus.ObjectPath{loginPath}).Store(&locked, &prompt)
	if err != nil || len(locked) != 1 {
		s.t.Fatal("Lock: ", locked, err)
	}
}

// unlock unlocks the login collection as another program does, with no prompt of ours.
func (s *session) unlock() {
	s.t.Helper()
	conn := s.connect()
	defer conn.Close()
	service := conn.Object(busName, rootPath)
	var nothing dbus.Variant
	var opened dbus.ObjectPath
	if err := service.Call(serviceAPI+".OpenSession", 0, "plain", dbus.MakeVariant("")).Store(&nothing, &opened); err != nil {
		s.t.Fatal(err)
	}
	secret := struct {
		Session           dbus.ObjectPath
		Parameters, Value []byte
		Type              string
	}{opened, []byte{}, []byte(password), "text/plain"}
	const master = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface.UnlockWithMasterPassword"
	if err := service.Call(master, 0, loginPath, secret).Err; err != nil {
		s.t.Fatal(err)
	}
}

// silentBus accepts connections and never says a word.
func silentBus(t *testing.T) {
	t.Helper()
	home, err := os.MkdirTemp("/tmp", "ts")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	l := listenUnix(t, home+"/bus")
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(new(bytes.Buffer), conn); conn.Close() }()
		}
	}()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+home+"/bus")
}
