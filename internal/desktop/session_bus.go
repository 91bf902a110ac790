//go:build linux || freebsd || openbsd || netbsd || dragonfly

package desktop

import (
	"fmt"
	"os"
)

// Session reports whether there seems to be a desktop session that could show a tray
// icon: on this platform, a session bus. It only looks, and tries nothing.
func Session() bool {
	if a := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" && a != "autolaunch:" {
		return a != "disabled:"
	}
	_, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Getuid()))
	return err == nil
}
