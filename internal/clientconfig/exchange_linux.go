package clientconfig

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// exchange puts the file from in the place of to. With swapped, from then has the old
// content; a file system that cannot do that just loses it.
func exchange(from, to string) (swapped bool, err error) {
	err = unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return false, os.Rename(from, to)
	}
	if err != nil {
		return false, &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return true, nil
}
