package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func TestOneInstanceForAStateDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock := filepath.Join(dir, "a", "b", "lock")
	release, err := lockInstance(lock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockInstance(lock); !errors.Is(err, errOtherInstance) {
		t.Errorf("a second start: %v", err)
	}
	other, err := lockInstance(filepath.Join(dir, "other", "lock"))
	if err != nil {
		t.Fatalf("another state directory: %v", err)
	}
	other()

	ctx, cancel := context.WithTimeout(t.Context(), 10*lockPoll)
	defer cancel()
	if err := awaitInstanceEnd(ctx, lock); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("awaitInstanceEnd while it runs: %v", err)
	}
	time.AfterFunc(lockPoll, release)
	if err := awaitInstanceEnd(soon.Context(t), lock); err != nil {
		t.Errorf("awaitInstanceEnd: %v", err)
	}
	again, err := lockInstance(lock)
	if err != nil {
		t.Fatalf("a start after the end: %v", err)
	}
	again()
}

func TestStateDirectoryIsClosedToOthers(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("mode bits mean nothing there")
	}
	dir := t.TempDir()
	made, given, used := filepath.Join(dir, "made"), filepath.Join(dir, "given"), filepath.Join(dir, "used")
	for _, d := range []string{given, filepath.Join(used, "something")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for d, want := range map[string]os.FileMode{made: 0o700, given: 0o700, used: 0o755} {
		release, err := lockInstance(filepath.Join(d, "lock"))
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		info, err := os.Stat(d)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", filepath.Base(d), info.Mode().Perm(), want)
		}
	}
	if _, err := lockInstance(filepath.Join("/dev/null", "state", "lock")); err == nil {
		t.Error("no error for an impossible place")
	}
}
