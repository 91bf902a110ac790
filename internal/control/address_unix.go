//go:build unix && !linux

package control

import (
	"fmt"
	"syscall"
)

// socketAddress returns a name for path that fits a socket address, good until done is called.
func socketAddress(path string) (address string, done func(), err error) {
	if most := len(syscall.RawSockaddrUnix{}.Path); len(path) >= most {
		return "", nil, fmt.Errorf("the path is longer than the %d bytes a socket may have; use a shorter --state-dir", most-1)
	}
	return path, func() {}, nil
}
