package tokenstore

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// The ACL that files inherit from %LocalAppData% lets in the user, SYSTEM and the
// administrators; mode bits say nothing of it.

func checkOwner(string) error { return nil }

func checkPrivate(string) error { return nil }

// replace is on disk when it returns. A virus scanner or an indexer that has the
// file open for a moment makes it fail with one of two errors.
func replace(from, to string) error {
	src, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	dst, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err = windows.MoveFileEx(src, dst, windows.MOVEFILE_REPLACE_EXISTING|windows.MOVEFILE_WRITE_THROUGH)
		busy := errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if err == nil {
			return nil
		}
		if !busy || try == 20 {
			return &os.LinkError{Op: "replace", Old: from, New: to, Err: err}
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// syncDir has nothing to do: replace writes through.
func syncDir(string) error { return nil }
