package tokenstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing of an ACL")
	}
	dir := filepath.Join(t.TempDir(), "state")
	s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: newFake()})
	mustSave(t, s, "a", canary(9))
	unlock, err := s.Lock(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"tokens", "locks"} {
		for _, mode := range []fs.FileMode{0o750, 0o701, 0o777} {
			if err := os.Chmod(filepath.Join(dir, sub), mode); err != nil {
				t.Fatal(err)
			}
			err := s.Save(ctx, "a", canary(9))
			if err == nil || !strings.Contains(err.Error(), "chmod 700") {
				t.Errorf("%s with mode %v: %v", sub, mode, err)
			}
		}
		if err := os.Chmod(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(ctx); err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("a state folder anybody can change: %v", err)
	}
}

func TestStrayTempsAreRemoved(t *testing.T) {
	dir, fake, blob := t.TempDir(), newFake(), canary(9)
	mustSave(t, mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}), "a", blob)
	stray, err := writeTemp(sealedPath(dir, "a"), []byte("half"))
	if err != nil {
		t.Fatal(err)
	}
	s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	unlock, err := s.locks.disk.shareWriters() // another process is writing
	if err != nil {
		t.Fatal(err)
	}
	wantBlob(t, s, "a", blob)
	if _, err := os.Stat(stray); err != nil {
		t.Error("a file was removed while somebody was writing")
	}
	unlock()
	wantBlob(t, s, "a", blob)
	if _, err := os.Stat(stray); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the stray file is still there")
	}
}
