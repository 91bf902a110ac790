//go:build unix

package profile

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func TestPermissions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		folder     os.FileMode
		want       string // part of the error; empty: none
		warnings   int
	}{
		{"private", withSecret, 0o600, 0o700, "", 1},
		{"group can read", withSecret, 0o640, 0o700, "is a secret written into this file, which other users can read", 0},
		{"all can read", withSecret, 0o604, 0o700, "is a secret written into this file, which other users can read", 0},
		{"all can read, no secret", minimal, 0o644, 0o755, "", 0},
		{"group can write", minimal, 0o664, 0o775, "", 0},
		{"all can write", minimal, 0o646, 0o700, "every user of this computer can change the file", 0},
		{"all can write the folder", minimal, 0o600, 0o777, "lets everybody write", 0},
		{"sticky folder", minimal, 0o600, 0o777 | os.ModeSticky, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := write(t, c.text, c.mode)
			if err := os.Chmod(filepath.Dir(file), c.folder); err != nil {
				t.Fatal(err)
			}
			config, err := Load(file)
			if c.want == "" && (err != nil || len(config.Warnings) != c.warnings) {
				t.Error(complaints(config, err))
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush")) {
				t.Error(complaints(config, err))
			}
		})
	}
}

func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	t.Parallel()
	file := write(t, minimal, 0o600)
	if err := os.Chown(file, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err != nil {
		t.Errorf("root may read everybody's: %v", err)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(link, link); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{pipe, "/dev/zero", "/dev/null", link, "/dev/null/x"} {
		done := make(chan error, 1)
		go func() {
			_, err := Load(file)
			done <- err
		}()
		if err := soon.Receive(t, done, "an answer about "+file); err == nil {
			t.Errorf("%s is no file", file)
		}
	}
}

// TestWatchPermissions: what is refused for its permissions is applied once they are right.
func TestWatchPermissions(t *testing.T) {
	t.Parallel()
	file := write(t, withSecret, 0o644)
	f := follow(t, file, quick, "[which other users can read]")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	f.want("a")
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	f.want("[which other users can read]")
}
