package proxy

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpRxtConnDropTime is TCP_RXT_CONNDROPTIME of netinet/tcp.h, in seconds.
const tcpRxtConnDropTime = 0x80

// boundUnacknowledged makes a connection fail when what was sent is not acknowledged
// within a minute. Keep-alive probes do not run while data is on its way.
func boundUnacknowledged(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		// A kernel that refuses only takes longer to notice.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, tcpRxtConnDropTime, 60)
	})
}
