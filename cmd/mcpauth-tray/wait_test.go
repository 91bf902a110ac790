package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// How long tests wait. A test machine may be slow and busy, so that nothing here says how
// fast the app is: these bounds only end what would otherwise hang.
const (
	// patience is for anything that has to happen.
	patience = time.Minute
	// promptly is for what takes a second or two, where the other way would be to wait for
	// something that never comes.
	promptly = 15 * time.Second
	// lifetime is for a process that has to end by itself.
	lifetime = 3 * patience
	// longest is for what may have to wait for much else: a build of the program with
	// nothing in the cache, or the last of all scripts.
	longest = 10 * time.Minute
)

// soon is a context for calls that have to come to an end.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

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

// eventually polls for what has no channel to wait on, such as the state of another
// process. ok is called on the test's goroutine.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// receive waits for one value.
func receive[T any](t testing.TB, what string, from <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(patience):
		t.Fatalf("waited too long for %s", what)
	}
	return value
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
