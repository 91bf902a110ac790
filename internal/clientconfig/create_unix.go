//go:build !windows

package clientconfig

import (
	"errors"
	"os"
	"syscall"
)

// create gives a file a name that no file has.
func create(from, to string) error {
	err := os.Link(from, to)
	if err == nil {
		return os.Remove(from)
	}
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) { // a file system without links
		if exists(to) {
			return os.ErrExist
		}
		return os.Rename(from, to)
	}
	return err
}
