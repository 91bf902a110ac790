package clientconfig

import "golang.org/x/sys/unix"

// swapNames has two files exchange their names.
func swapNames(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

// freshName gives a file a name, unless there is a file of that name.
func freshName(from, to string) error {
	return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
}
