//go:build unix

package tokenstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner refuses a state folder whose folders somebody else could swap.
func checkOwner(dir string) error {
	mode, err := ownMode(dir)
	if err == nil && mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0 {
		err = fmt.Errorf("%s can be changed by every user; run: chmod o-w %s", dir, dir)
	}
	return err
}

// checkPrivate refuses a folder that others may enter. It is not made private here:
// whoever opened it may already have been in.
func checkPrivate(dir string) error {
	mode, err := ownMode(dir)
	if err == nil && mode.Perm()&0o077 != 0 {
		err = fmt.Errorf("%s is open to other users; run: chmod 700 %s", dir, dir)
	}
	return err
}

// ownMode returns the mode of a folder that belongs to the user of this process.
func ownMode(dir string) (fs.FileMode, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, diskError("cannot look at the folder for sign-ins", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return 0, fmt.Errorf("%s belongs to another user; name a state directory of your own", dir)
	}
	return info.Mode(), nil
}

func replace(from, to string) error { return os.Rename(from, to) }

// syncDir makes a rename in dir survive a power cut, where the file system can.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}
