package clientconfig

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// lab is a home folder with clients in it, and an Editor of one app.
type lab struct {
	t      testing.TB
	home   string
	env    map[string]string
	exe    string
	state  string
	runs   map[string]bool
	editor *Editor
}

func newLab(t testing.TB) *lab {
	t.Helper()
	return newLabIn(t, t.TempDir())
}

// newQuickLab is in memory where that is possible, for tests of very many writes: each
// waits for the disk a few times.
func newQuickLab(t testing.TB) *lab {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "clientconfig-*")
	if err != nil {
		return newLab(t)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return newLabIn(t, dir)
}

func newLabIn(t testing.TB, dir string) *lab {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the paths of this lab are those of Unix")
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, home: filepath.Join(root, "home"), exe: "/opt/mcpauth-tray/mcpauth-tray", state: filepath.Join(root, "state"), runs: map[string]bool{}}
	l.env = map[string]string{"HOME": l.home}
	l.mkdir(l.home)
	l.restart()
	return l
}

// restart makes the Editor anew, as a new start of the app does.
func (l *lab) restart() {
	l.t.Helper()
	e, err := New(Options{StateDir: l.state, Exe: l.exe, Getenv: func(name string) string { return l.env[name] },
		Running: func(id string) bool { return l.runs[id] }})
	if err != nil {
		l.t.Fatal(err)
	}
	e.system.goos = "linux" // the golden files have its paths
	l.editor = e
}

func (l *lab) mkdir(dir string) {
	l.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) path(rel string) string { return filepath.Join(l.home, rel) }

// file is where a client's config is.
func (l *lab) file(id string) string {
	l.t.Helper()
	c, err := ClientByID(id)
	if err != nil {
		l.t.Fatal(err)
	}
	files, err := l.editor.system.files(c)
	if err != nil {
		l.t.Fatal(err)
	}
	return files[0]
}

func (l *lab) write(path, text string) {
	l.t.Helper()
	l.mkdir(filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// read returns "(none)" for a file that is not there.
func (l *lab) read(path string) string {
	l.t.Helper()
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return "(none)"
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return string(data)
}

func (l *lab) want(path, text string) {
	l.t.Helper()
	if got := l.read(path); got != text {
		l.t.Errorf("%s is\n%s\nwant\n%s", path, got, text)
	}
}

var tools = Entry{Profile: "company-tools", URL: "http://127.0.0.1:7801/mcp"}

// do carries a task out and returns the one plan of it, with the error of the whole.
func (l *lab) do(id string, task Task) (*Plan, error) {
	l.t.Helper()
	plans, err := l.editor.Write(l.t.Context(), id, task)
	if err != nil {
		return nil, err
	}
	if len(plans) == 0 {
		return &Plan{}, nil
	}
	return plans[0], plans[0].Err()
}

func (l *lab) must(id string, task Task) *Plan {
	l.t.Helper()
	p, err := l.do(id, task)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

func (l *lab) undo(id string) error {
	l.t.Helper()
	plans, err := l.editor.PlanUndo(id, false)
	if err != nil {
		return err
	}
	for _, p := range plans {
		if err := l.editor.Apply(l.t.Context(), p); err != nil {
			return err
		}
		if err := p.Err(); err != nil {
			return err
		}
	}
	return nil
}

// stateOf is how an entry stands in a client's config.
func (l *lab) stateOf(id string, e Entry) State {
	l.t.Helper()
	rows, err := l.editor.List([]Entry{e})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Client.ID == id {
			return r.Entries[0].State
		}
	}
	l.t.Fatalf("no row for %s", id)
	return ""
}

// debris fails when something lies in a client's folder that was not there before.
func (l *lab) debris(dir string, wanted ...string) {
	l.t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		l.t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, name := range wanted {
		allowed[name] = true
	}
	for _, entry := range entries {
		if !allowed[entry.Name()] {
			l.t.Errorf("%s was left behind in %s", entry.Name(), dir)
		}
	}
}
