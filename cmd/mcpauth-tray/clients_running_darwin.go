package main

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// clientRunning reports that a client is running which overwrites its config while it
// does. The command line client of the same maker is called claude.
func clientRunning(id string) bool {
	if id != "claude-desktop" {
		return false
	}
	processes, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return false
	}
	for _, p := range processes {
		name, _, _ := bytes.Cut(p.Proc.P_comm[:], []byte{0})
		if string(name) == "Claude" {
			return true
		}
	}
	return false
}
