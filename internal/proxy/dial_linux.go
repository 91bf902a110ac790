package proxy

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// boundUnacknowledged makes a connection fail when what was sent is not acknowledged
// within a minute. Keep-alive probes do not run while data is on its way.
func boundUnacknowledged(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		// A kernel that refuses only takes longer to notice.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 60_000)
	})
}
