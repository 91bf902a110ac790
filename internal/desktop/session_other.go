//go:build !(linux || freebsd || openbsd || netbsd || dragonfly)

package desktop

// Session reports whether there seems to be a desktop session that could show a tray
// icon. On this platform there always is one.
func Session() bool { return true }
