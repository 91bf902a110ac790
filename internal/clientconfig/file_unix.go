//go:build !windows

package clientconfig

import (
	"io/fs"
	"os"
	"syscall"
)

// openNow keeps an open from waiting, should a pipe have taken the place of a file.
const openNow = syscall.O_NONBLOCK

func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

func links(info fs.FileInfo) uint64 {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 1
	}
	return uint64(stat.Nlink)
}

// likeness gives a new file the group, the mode and the attributes of the one it replaces.
// Where the group or the access list cannot be kept, no group gets its rights.
func likeness(f *os.File, old string, info fs.FileInfo) error {
	mode := info.Mode().Perm()
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && f.Chown(-1, int(stat.Gid)) != nil {
		mode &^= 0o070
	}
	if copyAttributes(f, old) != nil {
		mode &^= 0o070
	}
	return f.Chmod(mode)
}

// syncFolder makes a rename last.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
