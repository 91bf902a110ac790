package clientconfig

import "golang.org/x/sys/unix"

// swapNames has two files exchange their names.
func swapNames(a, b string) error { return unix.RenamexNp(a, b, unix.RENAME_SWAP) }

// freshName gives a file a name, unless there is a file of that name.
func freshName(from, to string) error { return unix.RenamexNp(from, to, unix.RENAME_EXCL) }
