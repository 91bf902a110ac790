package clientconfig

import (
	"errors"
	"io/fs"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

const openNow = 0

// ownedByUs is true: the access list decides, and a write that it forbids fails.
func ownedByUs(fs.FileInfo) bool { return true }

func links(fs.FileInfo) uint64 { return 1 }

// likeness leaves attributes and access list to ReplaceFile.
func likeness(*os.File, fs.FileInfo) error { return nil }

func syncFolder(string) error { return nil }

var replaceFile = windows.NewLazySystemDLL("kernel32.dll").NewProc("ReplaceFileW")

// exchange puts a file in the place of another, whose attributes and access list stay.
// The old content is gone then: swapped is false.
func exchange(from, to string) (swapped bool, err error) {
	return false, insist(func() error {
		source, err := windows.UTF16PtrFromString(from)
		if err != nil {
			return err
		}
		target, err := windows.UTF16PtrFromString(to)
		if err != nil {
			return err
		}
		ok, _, err := replaceFile.Call(uintptr(unsafe.Pointer(target)), uintptr(unsafe.Pointer(source)), 0, 0, 0, 0)
		if ok != 0 {
			return nil
		}
		return &os.LinkError{Op: "replace", Old: from, New: to, Err: err}
	})
}

// create gives a file a name that no file has.
func create(from, to string) error {
	return insist(func() error {
		source, err := windows.UTF16PtrFromString(from)
		if err != nil {
			return err
		}
		target, err := windows.UTF16PtrFromString(to)
		if err != nil {
			return err
		}
		if err := windows.MoveFileEx(source, target, windows.MOVEFILE_WRITE_THROUGH); err != nil {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
		}
		return nil
	})
}

// busy are the errors while a scanner or the client itself has the file open.
var busy = []error{windows.ERROR_SHARING_VIOLATION, windows.ERROR_ACCESS_DENIED, windows.ERROR_LOCK_VIOLATION,
	windows.ERROR_UNABLE_TO_REMOVE_REPLACED, windows.ERROR_UNABLE_TO_MOVE_REPLACEMENT}

// insist tries again for two seconds while the file is busy.
func insist(try func() error) error {
	wait := 5 * time.Millisecond
	for deadline := time.Now().Add(2 * time.Second); ; wait *= 2 {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		again := false
		for _, b := range busy {
			again = again || errors.Is(err, b)
		}
		if !again {
			return err
		}
		time.Sleep(min(wait, 200*time.Millisecond))
	}
}
