package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// What a write that was cut off left beside profiles.yaml goes at the next start, and nothing
// else does: neither a person's files nor what somebody is writing now.
func TestLeftoversOfWritesGo(t *testing.T) {
	t.Parallel()
	a := newApp(t, "version: 1\nsettings: {token_store: memory}\nprofiles:\n  one: {target: 'http://127.0.0.1:1/mcp', sign_in: {method: none}}\n")
	old := time.Now().Add(-2 * leftAfter)
	for name, age := range map[string]time.Time{
		".profiles.yaml.mcpauth-tray-123": old, ".profiles.yaml.mcpauth-tray-456": time.Now(),
		".profiles.yaml.20260101": old, "profiles.yaml.mcpauth-tray-1": old, ".profiles.yaml.swp": old,
	} {
		file := filepath.Join(a.dir, name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, age, age); err != nil {
			t.Fatal(err)
		}
	}
	a.start()
	a.waitPhase("one", status.Ready)
	left, err := filepath.Glob(filepath.Join(a.dir, "*profiles.yaml?*"))
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	slices.Sort(left)
	if want := []string{".profiles.yaml.20260101", ".profiles.yaml.mcpauth-tray-456", ".profiles.yaml.swp", "profiles.yaml.mcpauth-tray-1"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("there are %q, want %q (%v)", left, want, err)
	}
}

// A file on its way has the name by which it is found when it is left behind.
func TestAnUnfinishedFileIsKnown(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "profiles.yaml")
	if err := os.Mkdir(file, 0o700); err != nil { // which cannot be replaced by a file
		t.Fatal(err)
	}
	if err := writeAtomic(file, []byte("x")); err == nil {
		t.Error("a folder was replaced")
	}
	f, err := newUnfinished(file)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	old := time.Now().Add(-2 * leftAfter)
	if err := os.Chtimes(f.Name(), old, old); err != nil {
		t.Fatal(err)
	}
	sweep(file)
	if _, err := os.Stat(f.Name()); err == nil {
		t.Errorf("%s is still there", f.Name())
	}
}
