//go:build (linux || freebsd || openbsd || netbsd) && !android

package tray

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fyne.io/systray"
	"github.com/godbus/dbus/v5"

	"github.com/mcpauth-tray/mcpauth-tray/assets"
)

// The StatusNotifierItem protocol: an item registers with the watcher, which panels
// that show items look at.
const (
	watcher     = "org.kde.StatusNotifierWatcher"
	watcherPath = "/StatusNotifierWatcher"
	itemPath    = "/StatusNotifierItem"
)

const (
	busWait  = 3 * time.Second // for any answer of the bus
	hostWait = 2 * time.Second // for a panel to appear, when a session starts with us
)

// label escapes a title: an underscore marks a letter for the keyboard.
func label(title string) string { return strings.ReplaceAll(title, "_", "__") }

// announce sets the name by which panels know the icon, and its picture: before the
// start, so that a panel never sees it without, and again for panels that were late.
func (n *native) announce() {
	n.draw(func() {
		systray.SetTitle(app)
		systray.SetIcon(assets.Icon(string(n.image)))
	})
}

// stopper returns what ends a loop that has not become ready; here every loop does.
func stopper(ready <-chan struct{}) func() {
	return func() {
		<-ready
		systray.Quit()
	}
}

// probe reports why there is no session bus. Without one the library could not be
// ended again.
func probe(ctx context.Context) error {
	bus, err := sessionBus(ctx)
	if err != nil {
		return fmt.Errorf("no D-Bus session bus: %w", err)
	}
	return bus.Close()
}

// sessionBus opens a connection of our own within busWait; it ends with ctx. The one
// that godbus shares within the process is the icon's, and any foreign signal on it
// stops the library from registering the icon again. A bus is never launched.
func sessionBus(ctx context.Context) (*dbus.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(busWait, cancel)
	bus, err := dbus.SessionBusPrivateNoAutoStartup(dbus.WithContext(ctx))
	if err == nil {
		if err = bus.Auth(nil); err == nil {
			err = bus.Hello()
		}
		if err != nil {
			bus.Close()
		}
	}
	if !late.Stop() && err != nil {
		err = errors.New("it does not answer")
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return bus, nil
}

// attendant returns what says when no panel shows the icon, keeps it registered, and ends
// drawing when it is gone for good. To miss no new panel it listens from now on, before
// the first one knows of the icon.
func attendant(ctx context.Context, sc *native, o Options) func() {
	bus, signals := listen(ctx)
	return func() {
		if !hasHost(ctx) && ctx.Err() == nil {
			o.Notice("no panel here shows tray icons (on GNOME the AppIndicator extension does); " +
				"running on without one, use `mcpauth-tray status` meanwhile")
		}
		if bus != nil {
			keepRegistered(ctx, bus, signals, sc.panels)
		}
		if ctx.Err() == nil {
			sc.lost.Store(true)
			o.Notice("the tray icon is gone because the session bus ended; running on without one, use `mcpauth-tray status`")
		}
	}
}

// hasHost waits for a panel that shows items.
func hasHost(ctx context.Context) bool {
	bus, err := sessionBus(ctx)
	if err != nil {
		return false
	}
	defer bus.Close()
	ctx, cancel := context.WithTimeout(ctx, hostWait)
	defer cancel()
	for {
		var shown bool
		property := bus.Object(watcher, watcherPath).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get",
			dbus.FlagNoAutoStart, watcher, "IsStatusNotifierHostRegistered")
		if property.Store(&shown) == nil && shown {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(hostWait / 20):
		}
	}
}

// listen asks for signals of new watchers on the library's own connection, which is nil
// when there is none: with another one the panel would see a second icon.
func listen(ctx context.Context) (*dbus.Conn, chan *dbus.Signal) {
	bus, err := dbus.SessionBus()
	if err != nil {
		return nil, nil
	}
	signals := make(chan *dbus.Signal, 16)
	bus.Signal(signals)
	within, cancel := context.WithTimeout(ctx, busWait)
	defer cancel()
	_ = bus.AddMatchSignalContext(within, dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchInterface("org.freedesktop.DBus"),
		dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, watcher))
	return bus, signals
}

// keepRegistered registers the icon with every new watcher until ctx or the bus ends,
// and tells panels of it.
// The library does so too, but gives up on the first signal it does not know.
func keepRegistered(ctx context.Context, bus *dbus.Conn, signals chan *dbus.Signal, panels chan<- struct{}) {
	defer bus.RemoveSignal(signals)
	for {
		select {
		case <-ctx.Done():
			return
		case <-bus.Context().Done():
			return
		case s := <-signals:
			if newWatcher(s) {
				within, cancel := context.WithTimeout(ctx, busWait)
				bus.Object(watcher, watcherPath).CallWithContext(within, watcher+".RegisterStatusNotifierItem", 0, itemPath)
				cancel()
				select {
				case panels <- struct{}{}:
				case <-ctx.Done():
				}
			}
		}
	}
}

// newWatcher reports whether a signal says that a watcher has appeared. The signal is
// nil when the connection was closed.
func newWatcher(s *dbus.Signal) bool {
	if s == nil || s.Name != "org.freedesktop.DBus.NameOwnerChanged" || len(s.Body) != 3 || s.Body[0] != watcher {
		return false
	}
	owner, _ := s.Body[2].(string)
	return owner != ""
}
