//go:build !linux

package proxy

// owner is not found out on this system.
func owner(_, _ string) string { return "" }
