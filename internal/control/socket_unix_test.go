//go:build unix

package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

const nobody = 65534

var action = supervisor.Action{Verb: supervisor.Pause}

func TestSocketBelongsToItsOwnerAlone(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, want := range map[string]fs.FileMode{path: fs.ModeSocket | 0o600, filepath.Dir(path): fs.ModeDir | 0o700} {
		info, err := os.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	if l.Addr().String() != path {
		t.Errorf("Addr = %s", l.Addr())
	}
	_ = l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// stale leaves a socket behind as a killed process does.
func stale(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
}

func TestStaleSocketIsReplaced(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	stale(t, path)
	if err := Dial(path).Do(soon.Context(t), action); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Do on a dead socket = %v", err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

func TestOneOfManyTakesAStaleSocket(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	stale(t, path)
	type result struct {
		l   net.Listener
		err error
	}
	const many = 20
	results := make(chan result)
	for range many {
		go func() { l, err := Listen(path); results <- result{l, err} }()
	}
	var won []net.Listener
	for range many {
		r := soon.Receive(t, results, "what a listener came to")
		if r.err == nil {
			won = append(won, r.l)
		} else if !errors.Is(r.err, ErrInUse) {
			t.Error(r.err)
		}
	}
	if len(won) != 1 {
		t.Errorf("%d listeners", len(won))
	}
	for _, l := range won {
		_ = l.Close()
	}
}

func TestListenRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		prepare    func(path string) error
	}{
		{"a directory open to others", "chmod 700", func(p string) error { return os.Mkdir(filepath.Dir(p), 0o750) }},
		{"a directory for everybody", "one of your own", func(p string) error {
			return errors.Join(os.Mkdir(filepath.Dir(p), 0o700), os.Chmod(filepath.Dir(p), 0o777|fs.ModeSticky))
		}},
		{"a file in the way", "not a socket", func(p string) error {
			return errors.Join(os.Mkdir(filepath.Dir(p), 0o700), os.WriteFile(p, []byte("precious"), 0o600))
		}},
		{"a link in the way", "not a socket", func(p string) error {
			return errors.Join(os.Mkdir(filepath.Dir(p), 0o700), os.Symlink("/dev/null", p))
		}},
		{"a file for a directory", "", func(p string) error { return os.WriteFile(filepath.Dir(p), nil, 0o600) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := socketPath(t)
			if err := c.prepare(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			l, err := Listen(path)
			if err == nil {
				_ = l.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrInUse) {
				t.Error(err)
			}
			if after, _ := os.Lstat(path); before != nil && !os.SameFile(before, after) {
				t.Error("what was in the way is gone")
			}
		})
	}
}

func TestListenRefusesAForeignDirectory(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Dir(path), nobody, nobody); err != nil {
		t.Skip("needs root: ", err)
	}
	if _, err := Listen(path); !errors.Is(err, ErrForeign) {
		t.Errorf("Listen = %v", err)
	}
}

func TestCloseLeavesTheSocketOfAnother(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	_ = first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the second's socket is gone: %v", err)
	}
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100), "state")
	path, err := Path(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := Dial(path).Do(soon.Context(t), action); !errors.Is(err, ErrNotRunning) && !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("Do = %v", err)
	}
	l, err := Listen(path)
	if err != nil {
		if !strings.Contains(err.Error(), "shorter --state-dir") {
			t.Fatal(err)
		}
		return
	}
	defer l.Close()
	if _, err := Listen(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second Listen = %v", err)
	}
	conn, err := dial(soon.Context(t), path)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	_ = l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestPathPrefersAPrivateRuntimeDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	private, open := filepath.Join(dir, "private"), filepath.Join(dir, "open")
	for d, mode := range map[string]fs.FileMode{private: 0o700, open: 0o755} {
		if err := os.Mkdir(d, mode); err != nil {
			t.Fatal(err)
		}
	}
	for runtime, want := range map[string]string{
		"":                            "/s/control.sock",
		private:                       private + "/mcpauth-tray.sock",
		open:                          "/s/control.sock",
		filepath.Join(dir, "missing"): "/s/control.sock",
	} {
		if got, err := Path("/s", runtime); err != nil || got != want {
			t.Errorf("Path(/s, %q) = %q, %v", runtime, got, err)
		}
	}
}

// TestMaskDoesNotMatter runs alone: the umask is the whole process's.
func TestMaskDoesNotMatter(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := socketPath(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}
