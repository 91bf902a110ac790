//go:build linux

package desktop

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

type message struct{ App, Title, Body string }

// notifier is a notification service; it shows what it got on its channel.
type notifier struct {
	can  []string
	seen chan message
}

func (n *notifier) GetCapabilities() ([]string, *dbus.Error) { return n.can, nil }

func (n *notifier) Notify(app string, _ uint32, _, title, body string, _ []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	n.seen <- message{app, title, body}
	return 1, nil
}

func startNotifier(t *testing.T, s *seat.Seat, can ...string) *notifier {
	t.Helper()
	conn := s.Connect()
	n := &notifier{can: can, seen: make(chan message, 1)}
	if err := conn.Export(n, "/org/freedesktop/Notifications", notifications); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName(notifications, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNotify(t *testing.T) {
	const body = `<b>2 & 3</b> "é"`
	for _, c := range []struct {
		name, shown string
		can         []string
	}{
		{"plain", body, []string{"body"}},
		{"markup", `&lt;b&gt;2 &amp; 3&lt;/b&gt; "é"`, []string{"body", "body-markup"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := seat.New(t)
			t.Setenv("DBUS_SESSION_BUS_ADDRESS", s.Address)
			n := startNotifier(t, s, c.can...)
			if err := Notify("github", body); err != nil {
				t.Fatal(err)
			}
			if got, want := soon.Receive(t, n.seen, "the message"), (message{"mcpauth-tray", "github", c.shown}); got != want {
				t.Errorf("shown %q, want %q", got, want)
			}
		})
	}
}

func TestNotifyWithoutService(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", seat.New(t).Address)
	if err := Notify("a", "b"); err == nil {
		t.Error("no error")
	}
}

// A bus that accepts but never answers, and one that is not there.
func TestNotifyDeadBus(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", dir+"/s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for name, address := range map[string]string{
		"silent": "unix:path=" + dir + "/s", "missing": "unix:path=" + dir + "/none", "garbage": "garbage", "disabled": "disabled:",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
			start := time.Now()
			if err := Notify("a", "b"); err == nil {
				t.Error("no error")
			}
			if took := time.Since(start); took > soon.Limit {
				t.Errorf("took %s", took)
			}
		})
	}
}
