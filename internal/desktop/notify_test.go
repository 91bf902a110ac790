//go:build linux

package desktop

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// startBus runs a message bus of the test's own, which starts no services by itself.
func startBus(t *testing.T) (address string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "bus") // the path of a socket has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conf := filepath.Join(dir, "bus.conf")
	err = os.WriteFile(conf, fmt.Appendf(nil, `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`, dir), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dbus-daemon", "--config-file="+conf, "--nofork", "--nopidfile", "--nosyslog", "--print-address=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// missing skips a test whose outside part is not installed, except where all must be.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}

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

func startNotifier(t *testing.T, address string, can ...string) *notifier {
	t.Helper()
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
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
			address := startBus(t)
			t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
			n := startNotifier(t, address, c.can...)
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
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", startBus(t))
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
