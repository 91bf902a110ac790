package tokenstore

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
)

// session is a seat whose bus is the one of this process.
type session struct {
	*seat.Seat
	t *testing.T
}

// newSession starts the bus and makes it the one of this process. Tests that use it
// cannot run in parallel.
func newSession(t *testing.T) *session {
	t.Helper()
	s := &session{seat.New(t), t}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", s.Address)
	// go-keyring's connection is the one the whole process shares.
	t.Cleanup(func() {
		if conn, err := dbus.SessionBus(); err == nil {
			conn.Close()
		}
	})
	return s
}

// lock locks the login collection, as a screen saver may.
func (s *session) lock() {
	s.t.Helper()
	var locked []dbus.ObjectPath
	var prompt dbus.ObjectPath
	err := s.Connect().Object(busName, rootPath).Call(serviceAPI+".Lock", 0, []dbus.ObjectPath{loginPath}).Store(&locked, &prompt)
	if err != nil || len(locked) != 1 {
		s.t.Fatal("Lock: ", locked, err)
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
