//go:build !linux && !darwin && !windows

package main

// clientRunning is false: there is no Claude Desktop for this system.
func clientRunning(string) bool { return false }
