package oauth

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// exclusive keeps other programs from binding the same port (RFC 8252 Appendix B.3).
func exclusive(_, _ string, c syscall.RawConn) error {
	const exclusiveAddrUse = ^windows.SO_REUSEADDR
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, exclusiveAddrUse, 1)
	})
	return errors.Join(err, failed)
}

func isBusyHere(err error) bool {
	return errors.Is(err, windows.WSAEADDRINUSE) || errors.Is(err, windows.WSAEACCES)
}
