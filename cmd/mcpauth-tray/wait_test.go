package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// How long tests wait where soon.Limit is not it. These too say nothing of how fast the app
// is: they only end what would otherwise hang.
const (
	// promptly is for what takes a second or two, where the other way would be to wait for
	// something that never comes.
	promptly = 15 * time.Second
	// lifetime is for a process that has to end by itself.
	lifetime = 3 * soon.Limit
	// longest is for what may have to wait for much else: a build of the program with
	// nothing in the cache, or the last of all scripts.
	longest = 10 * time.Minute
)

// process prepares a program that does not outlive the test. One that hangs is ended after
// its lifetime; if it is written in Go it says where, on stderr.
func process(t testing.TB, name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), lifetime)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return cmd.Process.Signal(syscall.SIGQUIT)
		}
		return cmd.Process.Kill()
	}
	cmd.WaitDelay = promptly
	return cmd
}

// sharedFolder is a folder in which programs may write that nobody waits for, such as
// browsers. What they leave behind when the test ends is no failure of it.
func sharedFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
