package proxy

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// tcpMaxRT is TCP_MAXRT of ws2ipdef.h, in seconds.
const tcpMaxRT = 5

// boundUnacknowledged makes a connection fail when what was sent is not acknowledged
// within a minute. Keep-alive probes do not run while data is on its way.
func boundUnacknowledged(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		// A system that refuses only takes longer to notice.
		_ = windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_TCP, tcpMaxRT, 60)
	})
}
