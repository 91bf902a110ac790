//go:build !windows

package clientconfig

import (
	"errors"
	"os"
	"syscall"
)

// move gives a file of our own the name of another, which it replaces.
func move(from, to string) error { return os.Rename(from, to) }

// createByLink gives a file a name that no file has, where the system has no rename that
// does so.
func createByLink(from, to string) error {
	err := os.Link(from, to)
	if err == nil {
		return os.Remove(from)
	}
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) { // a file system without links
		if exists(to) {
			return os.ErrExist
		}
		return os.Rename(from, to)
	}
	return err
}
