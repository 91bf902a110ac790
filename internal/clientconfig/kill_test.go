package clientconfig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What a process is asked to do that is killed on the way, or held up.
const (
	envKill = "CLIENTCONFIG_KILL_AT" // the how manyeth step it dies at
	envDo   = "CLIENTCONFIG_DO"
)

// deeds are what such a process does.
var deeds = map[string]func(e *Editor, client string) error{
	"set": func(e *Editor, client string) error {
		_, err := e.Write(context.Background(), client, Task{Set: []Entry{tools}})
		return err
	},
	"many": func(e *Editor, client string) error {
		_, err := e.Write(context.Background(), client, Task{Set: append(many(19), tools)})
		return err
	},
	"move": func(e *Editor, client string) error {
		_, err := e.Write(context.Background(), client, Task{Set: []Entry{moved}})
		return err
	},
	"drop": func(e *Editor, client string) error {
		_, err := e.Write(context.Background(), client, Task{Drop: []Entry{tools}})
		return err
	},
	"undo": func(e *Editor, client string) error {
		plans, err := e.PlanUndo(client, false)
		for _, p := range plans {
			err = errors.Join(err, e.Apply(context.Background(), p))
		}
		return err
	},
}

var moved = Entry{Profile: tools.Profile, URL: "http://127.0.0.1:7900/mcp"}

// TestMain makes the test binary a process that writes a config.
func TestMain(m *testing.M) {
	if do := os.Getenv(envDo); do != "" {
		alone(do)
		return
	}
	os.Exit(m.Run())
}

func alone(do string) {
	e, err := New(Options{StateDir: os.Getenv("STATE"), Exe: "/opt/mcpauth-tray/mcpauth-tray"})
	if err != nil {
		panic(err)
	}
	e.system.goos = "linux"
	at, _ := strconv.Atoi(os.Getenv(envKill))
	count := 0
	e.step = func(string) {
		if count++; count == at {
			p, _ := os.FindProcess(os.Getpid())
			_ = p.Kill()
			select {}
		}
	}
	limitProcess()
	if name := os.Getenv("CLIENTCONFIG_PROFILE"); name != "" {
		tools.Profile = name
	}
	if err := deeds[do](e, os.Getenv("CLIENT")); err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println("done")
}

// alone runs a process that does something to a client's config.
func (l *lab) alone(do, id string, env ...string) *exec.Cmd {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), envDo+"="+do, "STATE="+l.state, "CLIENT="+id, "HOME="+l.home, "XDG_CONFIG_HOME=")
	c.Env = append(c.Env, env...)
	return c
}

// kill has a process die at a step, and reports whether it came that far.
func (l *lab) kill(do, id string, at int) bool {
	l.t.Helper()
	out, err := l.alone(do, id, envKill+"="+strconv.Itoa(at)).CombinedOutput()
	switch {
	case err == nil && string(out) == "done\n":
		return false
	case len(out) > 0:
		l.t.Fatalf("%s, %v", out, err)
	}
	return true
}

// tree is everything below a folder: names, modes, where links lead and what files hold.
func (l *lab) tree(dir string) string {
	l.t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&b, path, info.Mode())
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			fmt.Fprintln(&b, to)
		case info.Mode().IsRegular():
			fmt.Fprintln(&b, l.read(path))
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return b.String()
}

// same requires that the home folder is as it was.
func (l *lab) same(before string) {
	l.t.Helper()
	if after := l.tree(l.home); after != before {
		l.t.Errorf("the home folder is\n%s\nand was\n%s", after, before)
	}
}

// tidy requires that nothing lies about in our own folder.
func (l *lab) tidy() {
	l.t.Helper()
	entries, _ := filepath.Glob(filepath.Join(l.state, "clients", "*"))
	for _, path := range entries {
		switch filepath.Base(path) {
		case "lock", "owned.json", "backups":
		default:
			l.t.Errorf("%s was left behind", path)
		}
	}
}

// oldLocks makes the locks that a killed process left look old.
func (l *lab) oldLocks(file string) {
	old := time.Now().Add(-time.Minute)
	_ = os.Chtimes(file+".lock", old, old)
}

// killing is a config, what is done to it first, and what is killed.
type killing struct {
	client, before string // before "": there is no file
	first          []string
	do             string
	linked         bool // the config's folder is a link
}

func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	const codex = "# mine\n[mcp_servers.github]\nurl = \"x\" # there"
	for _, k := range []killing{
		{client: "cursor", do: "set"},
		{client: "cursor", before: others, do: "set"},
		{client: "cursor", before: others, do: "set", linked: true},
		{client: "cursor", first: []string{"set"}, do: "drop"},
		{client: "cursor", before: others, first: []string{"set"}, do: "drop"},
		{client: "cursor", before: others, first: []string{"set"}, do: "move"},
		{client: "cursor", first: []string{"set"}, do: "undo"},
		{client: "cursor", before: others, first: []string{"set"}, do: "undo"},
		{client: "cursor", before: others, first: []string{"set", "move"}, do: "undo"},
		{client: "cline", do: "set"},
		{client: "claude-code", before: others, do: "set"},
		{client: "claude-code", before: others, do: "many"},
		{client: "codex", before: codex, do: "set"},
		{client: "goose", before: "a: 1 # b", first: []string{"set"}, do: "drop"},
	} {
		name := strings.Join(append(k.first, k.do), "-")
		t.Run(fmt.Sprintf("%s/%s there %v linked %v", k.client, name, k.before != "", k.linked), func(t *testing.T) {
			t.Parallel()
			at := 1
			for k.at(t, at) {
				at++
			}
			if at < 10 {
				t.Errorf("there were only %d steps", at-1)
			}
		})
	}
}

// at kills at one step, and reports whether it came to that.
func (k killing) at(t *testing.T, at int) bool {
	l := newQuickLab(t)
	file := l.file(k.client)
	if k.linked {
		l.mkdir(l.path("dots"))
		if err := os.Symlink("dots", filepath.Dir(file)); err != nil {
			t.Fatal(err)
		}
	}
	if k.before != "" {
		l.write(file, k.before)
	}
	home := l.tree(l.home)
	for _, do := range k.first {
		if err := deeds[do](l.editor, k.client); err != nil {
			t.Fatal(err)
		}
	}
	old := l.read(file)
	killed := l.kill(k.do, k.client, at)
	l.oldLocks(file)
	l.restart()
	now := l.read(file)
	k.again(l)
	done := l.read(file)
	switch {
	case now != old && now != done:
		t.Errorf("killed at step %d, the file is\n%s", at, now)
	case old == done:
		t.Fatal("nothing was done")
	}
	l.tidy()
	l.debrisOf(file)
	// And everything can be taken out again.
	l.must(k.client, Task{Drop: append(many(19), tools)})
	l.same(home)
	if ids, err := l.editor.Written(); err != nil || len(ids) != 0 {
		t.Errorf("after step %d still written: %v, %v", at, ids, err)
	}
	l.tidy()
	return killed
}

// again does what was killed once more, as the app would or as a person would.
func (k killing) again(l *lab) {
	l.t.Helper()
	switch k.do {
	case "set":
		l.must(k.client, Task{Set: []Entry{tools}, Auto: k.before != ""}) // the app makes no folder by itself
		if got := l.stateOf(k.client, tools); got != Current {
			l.t.Errorf("the entry is %s", got)
		}
	case "many":
		l.must(k.client, Task{Set: append(many(19), tools), Auto: true})
	case "move":
		l.must(k.client, Task{Set: []Entry{moved}, Auto: true})
	case "drop":
		l.must(k.client, Task{Drop: []Entry{tools}})
	case "undo":
		want := len(k.first) - 1 // writes that are left to undo
		plans, err := l.editor.PlanUndo(k.client, false)
		if err != nil && !errors.Is(err, ErrNoUndo) {
			l.t.Fatal(err)
		}
		if len(plans) > 0 && len(plans[0].rec.Steps) == want {
			if err := l.editor.Apply(l.t.Context(), plans[0]); err != nil {
				l.t.Error(err)
			}
		}
		l.must(k.client, Task{Set: []Entry{tools}, Auto: true}) // what was undone stays out
		if got := l.stateOf(k.client, tools); (got == Current) != (want > 0) {
			l.t.Errorf("the entry is %s", got)
		}
	}
}

// debrisOf fails when something lies beside a config.
func (l *lab) debrisOf(file string) {
	l.t.Helper()
	if exists(filepath.Dir(file)) && filepath.Dir(file) != l.home {
		l.debris(filepath.Dir(file), filepath.Base(file))
	}
}

// TestUndoAfterAKill takes back a write that was killed at any step.
func TestUndoAfterAKill(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", others} {
		for at := 1; ; at++ {
			l := newQuickLab(t)
			file := l.file("cursor")
			if before != "" {
				l.write(file, before)
			}
			home := l.tree(l.home)
			killed := l.kill("set", "cursor", at)
			if err := l.undo("cursor"); err != nil && !errors.Is(err, ErrNoUndo) {
				t.Errorf("undo after step %d: %v", at, err)
			}
			l.must("cursor", Task{Drop: []Entry{tools}}) // clears what was left, whatever it was
			l.same(home)
			if !killed {
				break
			}
		}
	}
}

// TestAnEditWhileAWriteIsCutOff: what another program wrote in the moment of the
// exchange, and was not put back as we were killed, is kept.
func TestAnEditWhileAWriteIsCutOff(t *testing.T) {
	t.Parallel()
	l := newQuickLab(t)
	file := l.file("cursor")
	l.write(file, others)
	for at := 1; l.read(file) == others; at++ {
		l.kill("set", "cursor", at)
	}
	theirs := strings.Replace(others, "github", "theirs", 2)
	left := leftovers(filepath.Dir(file), besides(file))
	if len(left) != 1 {
		t.Skip("files are not exchanged here")
	}
	l.write(filepath.Join(filepath.Dir(file), left[0]), theirs)
	p := l.must("cursor", Task{Set: []Entry{moved}})
	if len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "is kept in ") {
		t.Fatalf("notes %q", p.Notes)
	}
	_, kept, _ := strings.Cut(p.Notes[0], "is kept in ")
	for port := range 2 * maxSteps {
		l.must("cursor", Task{Set: []Entry{{Profile: tools.Profile, URL: fmt.Sprintf("http://127.0.0.1:%d/mcp", 8000+port)}}})
	}
	l.want(kept, theirs)
	l.debrisOf(file)
}
