package main

import (
	"syscall"
	"testing"
)

func pauseSignals(t *testing.T) (stop, cont syscall.Signal) {
	t.Skip("a process cannot be stopped here")
	return 0, 0
}
