package clientconfig

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

const openNow = 0

// ownedByUs is true: the access list decides, and a write that it forbids fails.
func ownedByUs(fs.FileInfo) bool { return true }

func links(fs.FileInfo) uint64 { return 1 }

// likeness gives a new file the attributes of the one it replaces, and its access list:
// the part that is its own, as what it has from its folder the new file has too.
func likeness(f *os.File, old string, _ fs.FileInfo) error {
	if err := copyAccess(f, old); err != nil {
		return err
	}
	from, err := windows.UTF16PtrFromString(old)
	if err != nil {
		return err
	}
	to, err := windows.UTF16PtrFromString(f.Name())
	if err != nil {
		return err
	}
	attributes, err := windows.GetFileAttributes(from)
	if err != nil {
		return err
	}
	const kept = windows.FILE_ATTRIBUTE_HIDDEN | windows.FILE_ATTRIBUTE_SYSTEM | windows.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
	return windows.SetFileAttributes(to, attributes&kept|windows.FILE_ATTRIBUTE_ARCHIVE)
}

func copyAccess(f *os.File, old string) error {
	access, err := windows.GetNamedSecurityInfo(old, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return nil // a file system without
	}
	control, _, err := access.Control()
	if err != nil {
		return err
	}
	list, _, err := access.DACL()
	if errors.Is(err, windows.ERROR_OBJECT_NOT_FOUND) {
		return nil
	}
	if err != nil {
		return err
	}
	what := windows.SECURITY_INFORMATION(windows.DACL_SECURITY_INFORMATION | windows.UNPROTECTED_DACL_SECURITY_INFORMATION)
	if control&windows.SE_DACL_PROTECTED != 0 {
		what = windows.DACL_SECURITY_INFORMATION | windows.PROTECTED_DACL_SECURITY_INFORMATION
	}
	return windows.SetNamedSecurityInfo(f.Name(), windows.SE_FILE_OBJECT, what, nil, nil, list, nil)
}

func syncFolder(string) error { return nil }

// exchange puts a file in the place of another at once. The old content is gone then:
// swapped is false.
func exchange(from, to string) (swapped bool, err error) { return false, move(from, to) }

// move gives a file the name of another, which it replaces.
func move(from, to string) error {
	return rename(from, to, windows.MOVEFILE_REPLACE_EXISTING|windows.MOVEFILE_WRITE_THROUGH)
}

// create gives a file a name that no file has.
func create(from, to string) error { return rename(from, to, windows.MOVEFILE_WRITE_THROUGH) }

// busy are the errors while a scanner or the client itself has the file open.
var busy = []error{windows.ERROR_SHARING_VIOLATION, windows.ERROR_ACCESS_DENIED, windows.ERROR_LOCK_VIOLATION}

// rename tries again for two seconds while a file is busy.
func rename(from, to string, flags uint32) error {
	source, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	target, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	wait := 5 * time.Millisecond
	for deadline := time.Now().Add(2 * time.Second); ; wait *= 2 {
		err := windows.MoveFileEx(source, target, flags)
		if err == nil {
			return nil
		}
		again := false
		for _, b := range busy {
			again = again || errors.Is(err, b)
		}
		if !again || time.Now().After(deadline) {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
		}
		time.Sleep(min(wait, 200*time.Millisecond))
	}
}
