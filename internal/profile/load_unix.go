//go:build unix

package profile

import (
	"io/fs"
	"os"
	"syscall"
)

// exposed reports whether users other than the owner can read a file.
func exposed(info fs.FileInfo) bool { return info.Mode().Perm()&0o044 != 0 }

// changeable complains about a file that another user could change: it decides where
// tokens are sent.
func changeable(file string, info fs.FileInfo) *Error {
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && !trusted(int(owner.Uid)) {
		return &Error{Message: "the file belongs to another user, who could change it",
			Hint: "make a copy of your own, or give this one to your user with chown"}
	}
	if info.Mode().Perm()&0o002 != 0 {
		return &Error{Message: "every user of this computer can change the file",
			Hint: "take that away with chmod o-w"}
	}
	for _, folder := range parents(file) {
		in, err := os.Stat(folder)
		if err == nil && in.Mode().Perm()&0o002 != 0 && in.Mode()&fs.ModeSticky == 0 {
			return &Error{Message: "every user of this computer can replace the file, because its folder lets everybody write",
				Hint: "take that away with chmod o-w on the folder"}
		}
	}
	return nil
}

// trusted owners of a file are its reader and root; root may read everybody's.
func trusted(owner int) bool {
	me := os.Geteuid()
	return owner == me || owner == 0 || me == 0
}
