//go:build !windows

package proxy

import (
	"errors"
	"syscall"
)

// exclusive has nothing to do: a port has one listener here.
func exclusive(_, _ string, _ syscall.RawConn) error { return nil }

func isBusy(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
