package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// runHere runs one command line of this process.
func runHere(args ...string) (code int, out, said string) {
	var stdout, stderr bytes.Buffer
	code = execute(args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// TestAddKeepsLinksAndPermissions: the file behind a link is replaced, not the link.
func TestAddKeepsLinksAndPermissions(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("links need a right here")
	}
	dir, home := t.TempDir(), t.TempDir()
	real, link := filepath.Join(home, "dotfiles.yaml"), filepath.Join(dir, "profiles.yaml")
	if err := os.WriteFile(real, []byte("version: 1\nprofiles: {}\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(real, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if code, _, said := runHere("add", "a", "https://a.example.com", "--profiles", link, "--state-dir", filepath.Join(dir, "state")); code != 0 {
		t.Fatal(code, said)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	info, err = os.Stat(real)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the permissions are %v, %v", info.Mode(), err)
	}
	if c, err := profile.Load(link); err != nil || len(c.Profiles) != 1 {
		t.Errorf("%v, %v", c, err)
	}
	left, err := os.ReadDir(home)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestAddAtTheSameTime: commands that edit at once wait for each other.
func TestAddAtTheSameTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, state := filepath.Join(dir, "profiles.yaml"), filepath.Join(dir, "state")
	if err := os.WriteFile(file, []byte("version: 1\nprofiles: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	const count = 10
	for i := range count {
		all.Go(func() {
			if code, _, said := runHere("add", fmt.Sprint("p", i), "https://a.example.com", "--profiles", file, "--state-dir", state); code != 0 {
				t.Errorf("exit code %d: %s", code, said)
			}
		})
	}
	all.Wait()
	if c, err := profile.Load(file); err != nil || len(c.Profiles) != count {
		t.Errorf("the file has %v, %v", c, err)
	}
}

// TestAnEditMeanwhileIsNotLost: what an editor saved after we read is never replaced.
func TestAnEditMeanwhileIsNotLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "profiles.yaml")
	if err := os.WriteFile(file, []byte("version: 1\nprofiles: {}\n# edited\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := pathsIn(file, filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	f := &profilesFile{paths: p, before: []byte("version: 1\nprofiles: {}\n"), text: []byte("version: 1\n"), beside: map[string]string{"x.secret": "hush"}}
	if err := f.save(); err == nil {
		t.Error("an edit was overwritten")
	}
	if _, err := os.Stat(filepath.Join(dir, "x.secret")); err == nil {
		t.Error("a secret was left behind")
	}
}

// TestAddFlags: every flag of add makes a key that this version has.
func TestAddFlags(t *testing.T) {
	t.Parallel()
	for _, o := range addOptions().options {
		if _, later := o.later(); later || o.key == "" || o.doc == "" {
			t.Errorf("%s: key %q, doc %q, later %v", o.name, o.key, o.doc, later)
		}
	}
}
