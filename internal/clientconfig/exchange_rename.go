//go:build linux || darwin

package clientconfig

import (
	"errors"
	"os"
	"syscall"
)

// exchange puts the file from in the place of to. With swapped, from then has the old
// content; a file system that cannot do that just loses it.
func exchange(from, to string) (swapped bool, err error) {
	err = swapNames(from, to)
	switch {
	case err == nil:
		return true, nil
	case unknownToFS(err):
		return false, os.Rename(from, to)
	}
	return false, &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}

// create gives a file a name that no file has.
func create(from, to string) error {
	err := freshName(from, to)
	switch {
	case err == nil:
		return nil
	case unknownToFS(err):
		return createByLink(from, to)
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}

// unknownToFS reports that a file system does not have a kind of rename.
func unknownToFS(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.ENOTSUP)
}
