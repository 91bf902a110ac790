package tokenstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// smallDisk mounts a file system of a few pages, where this process may.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=700"); err != nil {
		t.Skip("cannot mount a small file system: ", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// wantDiskError wants the path and the text of the operating system (F42).
func wantDiskError(t *testing.T, err error, dir string, errno syscall.Errno) {
	t.Helper()
	if !errors.Is(err, errno) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), errno.Error()) {
		t.Fatalf("error %v, want %q with the path", err, errno)
	}
	wantHint(t, err)
}

// F40
func TestDiskFull(t *testing.T) {
	dir := smallDisk(t)
	s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: newFake()})
	blob := canary(4 << 10)
	mustSave(t, s, "a", blob)
	before := snapshot(t, dir)
	filler := filepath.Join(dir, "filler")
	full := os.WriteFile(filler, make([]byte, 1<<20), 0o600)
	if !errors.Is(full, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", full)
	}
	for range 3 {
		wantDiskError(t, s.Save(ctx, "a", canary(4<<10)), dir, syscall.ENOSPC)
	}
	wantBlob(t, s, "a", blob)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if after := snapshot(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("a failed Save left traces")
	}
	blob = canary(4 << 10)
	mustSave(t, s, "a", blob)
	wantBlob(t, s, "a", blob)
}

// F42
func TestReadOnlyDisk(t *testing.T) {
	dir := smallDisk(t)
	fake := newFake()
	s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	blob := canary(9)
	mustSave(t, s, "a", blob)
	unlock, err := s.Lock(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skip("cannot make it read-only: ", err)
	}
	wantDiskError(t, s.Save(ctx, "a", canary(9)), dir, syscall.EROFS)
	wantDiskError(t, s.Delete(ctx, "a"), dir, syscall.EROFS)
	wantBlob(t, s, "a", blob)
	wantBlob(t, mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}), "a", blob)
	_, err = s.Lock(ctx, "never locked before")
	if err == nil || !strings.Contains(err.Error(), syscall.EROFS.Error()) {
		t.Errorf("Lock: %v", err)
	}
}

func TestNoPermission(t *testing.T) {
	dir := t.TempDir()
	s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: newFake()})
	mustSave(t, s, "a", canary(9))
	tokens := filepath.Join(dir, "tokens")
	if err := os.Chmod(tokens, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(tokens, 0o700)
	if os.Geteuid() == 0 { // this thread alone loses root's way through permissions
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Skip(err)
		}
		defer func() { _ = syscall.Setfsuid(0) }()
	}
	wantDiskError(t, s.Save(ctx, "a", canary(9)), dir, syscall.EACCES)
}

func TestForeignFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	for _, sub := range []string{"", "tokens", "locks"} {
		dir := t.TempDir()
		s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: newFake()})
		mustSave(t, s, "a", canary(9))
		if err := os.Chown(filepath.Join(dir, sub), 65534, 65534); err != nil {
			t.Fatal(err)
		}
		_, err := s.Load(ctx, "a")
		if err == nil || !strings.Contains(err.Error(), "belongs to another user") {
			t.Errorf("%q of another user: %v", sub, err)
		}
	}
}
