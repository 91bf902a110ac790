//go:build unix

package main

import (
	"syscall"
	"testing"
)

// pauseSignals stop a process and let it go on.
func pauseSignals(*testing.T) (stop, cont syscall.Signal) { return syscall.SIGSTOP, syscall.SIGCONT }
