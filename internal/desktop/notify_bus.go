//go:build linux || freebsd || openbsd || netbsd || dragonfly

package desktop

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

const notifications = "org.freedesktop.Notifications"

// Notify shows a message of the app, by the Desktop Notifications Specification 1.2.
func Notify(title, body string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := notify(ctx, title, body); err != nil {
		return fmt.Errorf("no notification was shown: %w", err)
	}
	return nil
}

func notify(ctx context.Context, title, body string) error {
	bus, err := sessionBus(ctx)
	if err != nil {
		return err
	}
	defer bus.Close()
	server := bus.Object(notifications, "/org/freedesktop/Notifications")
	var can []string
	if err := server.CallWithContext(ctx, notifications+".GetCapabilities", 0).Store(&can); err != nil {
		return err
	}
	if slices.Contains(can, "body-markup") {
		body = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(body)
	}
	hints := map[string]dbus.Variant{"desktop-entry": dbus.MakeVariant(app)}
	return server.CallWithContext(ctx, notifications+".Notify", 0,
		app, uint32(0), "", title, body, []string{}, hints, int32(-1)).Err
}

// sessionBus opens a connection of our own, which ends with ctx. The connection that
// godbus shares within a process belongs to the tray icon, which a stray answer on it
// would break; and a bus is never launched.
func sessionBus(ctx context.Context) (*dbus.Conn, error) {
	bus, err := dbus.SessionBusPrivateNoAutoStartup(dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err = bus.Auth(nil); err == nil {
		err = bus.Hello()
	}
	if err != nil {
		bus.Close()
		return nil, err
	}
	return bus, nil
}
