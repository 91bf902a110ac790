//go:build !windows

package oauth

import "syscall"

// exclusive has nothing to do: a bound port is exclusive here.
func exclusive(_, _ string, _ syscall.RawConn) error { return nil }

func isBusyHere(error) bool { return false }
