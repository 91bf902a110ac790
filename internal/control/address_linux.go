package control

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// socketAddress returns a name for path that fits a socket address, good until done is
// called: a path that is too long is reached through its open directory.
func socketAddress(path string) (address string, done func(), err error) {
	if len(path) < len(syscall.RawSockaddrUnix{}.Path) {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { _ = dir.Close() }, nil
}
