package clientconfig

import (
	"errors"
	"os"
	"syscall"
)

func makePipe(path string) error { return syscall.Mkfifo(path, 0o600) }

// smallDisk puts a file system of 64 KiB at a folder.
func (l *lab) smallDisk(dir string) {
	l.t.Helper()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k")
	if errors.Is(err, os.ErrPermission) {
		l.t.Skip("mounting takes root")
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}
