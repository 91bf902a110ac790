package main

import (
	"os"
	"path/filepath"
	"strings"
)

// clientRunning reports that a client is running which overwrites its config while it
// does. It is told by the program that a process of ours runs, whose name it may share
// with others.
func clientRunning(id string) bool {
	if id != "claude-desktop" {
		return false
	}
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		exe, err := os.Readlink(link)
		if err != nil {
			continue
		}
		name := filepath.Base(exe)
		folder := strings.Contains(exe, "/claude-desktop/") || strings.Contains(exe, "/Claude/")
		if name == "claude-desktop" || folder && (name == "claude" || name == "electron" || name == "Claude") {
			return true
		}
	}
	return false
}
