package stdio

import (
	"context"
	"os"
	"syscall"
)

// watchParent returns a function that waits for the end of the parent; nil where there is
// no parent to watch. A process keeps its parent's number for life here, and another
// program may have that number by now: one that is younger than this process.
func watchParent() func(context.Context) bool {
	const limited = 0x1000 // PROCESS_QUERY_LIMITED_INFORMATION
	parent, err := syscall.OpenProcess(syscall.SYNCHRONIZE|limited, false, uint32(os.Getppid()))
	if err != nil {
		return nil
	}
	own, _ := syscall.GetCurrentProcess()
	if born(parent) > born(own) {
		_ = syscall.CloseHandle(parent)
		return nil
	}
	return func(context.Context) bool {
		defer syscall.CloseHandle(parent)
		event, err := syscall.WaitForSingleObject(parent, syscall.INFINITE)
		return err == nil && event == syscall.WAIT_OBJECT_0
	}
}

// born is when a process began, in nanoseconds; zero if that cannot be known.
func born(process syscall.Handle) int64 {
	var began, ended, kernel, user syscall.Filetime
	if syscall.GetProcessTimes(process, &began, &ended, &kernel, &user) != nil {
		return 0
	}
	return began.Nanoseconds()
}
