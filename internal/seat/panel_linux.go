package seat

import (
	"fmt"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

const (
	watcher     = "org.kde.StatusNotifierWatcher"
	watcherPath = "/StatusNotifierWatcher"
	itemPath    = "/StatusNotifierItem"
)

// Panel is a StatusNotifierWatcher and the host of its icons.
type Panel struct {
	t     testing.TB
	conn  *dbus.Conn
	icons chan string // bus names of those that registered
}

// StartPanel puts a panel on the bus, which may have one at a time.
func (s *Seat) StartPanel() *Panel {
	s.t.Helper()
	p := &Panel{t: s.t, conn: s.Connect(), icons: make(chan string, 64)}
	_, err := prop.Export(p.conn, watcherPath, prop.Map{watcher: {
		"IsStatusNotifierHostRegistered": {Value: true, Emit: prop.EmitTrue},
		"ProtocolVersion":                {Value: int32(0), Emit: prop.EmitFalse},
	}})
	if err == nil {
		err = p.conn.Export(p, watcherPath, watcher)
	}
	if err == nil {
		_, err = p.conn.RequestName(watcher, dbus.NameFlagDoNotQueue)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// Close ends the panel before its test ends.
func (p *Panel) Close() { p.conn.Close() }

// RegisterStatusNotifierItem is called by apps, on the bus.
func (p *Panel) RegisterStatusNotifierItem(service string, sender dbus.Sender) *dbus.Error {
	if service != itemPath {
		return dbus.MakeFailedError(fmt.Errorf("an item registered as %q", service))
	}
	p.icons <- string(sender)
	return nil
}

// RegisterStatusNotifierHost is called by other hosts, on the bus.
func (p *Panel) RegisterStatusNotifierHost(string) *dbus.Error { return nil }

// Icon waits for the next icon to register.
func (p *Panel) Icon() *Icon {
	p.t.Helper()
	name := soon.Receive(p.t, p.icons, "an icon is registered")
	return &Icon{t: p.t, item: p.conn.Object(name, itemPath), menu: p.conn.Object(name, itemPath+"/menu")}
}
