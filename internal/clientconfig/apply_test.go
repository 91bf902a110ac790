package clientconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAnEditAfterThePlanIsKept(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.write(file, others)
	plans, err := l.editor.Plan("cursor", Task{Set: []Entry{tools}})
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.Replace(others, "github.example", "hub.example", 1)
	l.write(file, theirs)
	if err := l.editor.Apply(t.Context(), plans[0]); !errors.Is(err, ErrChanged) {
		t.Errorf("error %v", err)
	}
	l.want(file, theirs)
	l.debris(filepath.Dir(file), "mcp.json")
	if got := l.stateOf("cursor", tools); got != Missing {
		t.Errorf("state %s", got)
	}
	if err := l.undo("cursor"); !errors.Is(err, ErrNoUndo) {
		t.Errorf("undo: %v", err)
	}
}

// TestAnEditInTheLastMomentIsKept has another program write the config between our last
// look at it and the exchange, in place and by renaming.
func TestAnEditInTheLastMomentIsKept(t *testing.T) {
	t.Parallel()
	theirs := strings.Replace(others, "github.example", "hub.example", 1)
	for _, by := range []string{"writing", "renaming"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			file := l.file("cursor")
			l.write(file, others)
			var once sync.Once
			l.editor.step = func(step string) {
				if step != "checked" {
					return
				}
				once.Do(func() {
					if by == "writing" {
						l.write(file, theirs)
						return
					}
					l.write(file+".new", theirs)
					if err := os.Rename(file+".new", file); err != nil {
						t.Error(err)
					}
				})
			}
			l.must("cursor", Task{Set: []Entry{tools}}) // tried again by itself
			text := l.read(file)
			if !strings.Contains(text, "hub.example") || !strings.Contains(text, "7801") {
				t.Error(text)
			}
			l.debris(filepath.Dir(file), "mcp.json")
			if err := l.undo("cursor"); err != nil {
				t.Fatal(err)
			}
			l.want(file, theirs)
		})
	}
	t.Run("a new file", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		file := l.file("cursor")
		var once sync.Once
		l.editor.step = func(step string) {
			if step == "checked" {
				once.Do(func() { l.write(file, others) })
			}
		}
		l.must("cursor", Task{Set: []Entry{tools}})
		if text := l.read(file); !strings.Contains(text, "github") || !strings.Contains(text, "7801") {
			t.Error(text)
		}
		l.must("cursor", Task{Drop: []Entry{tools}})
		l.want(file, others)
	})
}

func TestAFileOfOursIsNotDeletedWithSomebodysEdit(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.must("cursor", Task{Set: []Entry{tools}})
	theirs := strings.Replace(l.read(file), "{\n    \"company", "{\n    \"new\": {},\n    \"company", 1)
	var once sync.Once
	l.editor.step = func(step string) {
		if step == "checked" {
			once.Do(func() { l.write(file, theirs) })
		}
	}
	l.must("cursor", Task{Drop: []Entry{tools}})
	l.want(file, "{\n  \"mcpServers\": {\n    \"new\": {}\n  }\n}\n")
	l.debris(filepath.Dir(file), "mcp.json")
}

func TestManyWritersAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.write(file, others)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			other, err := New(Options{StateDir: l.state, Exe: l.exe, Getenv: func(name string) string { return l.env[name] }})
			if err != nil {
				t.Error(err)
				return
			}
			e := Entry{Profile: fmt.Sprintf("p%d", i), URL: fmt.Sprintf("http://127.0.0.1:%d/mcp", 8000+i)}
			for { // three tries are not many against seven others
				_, err := other.Write(t.Context(), "cursor", Task{Set: []Entry{e}})
				if !errors.Is(err, ErrChanged) {
					if err != nil {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	wg.Wait()
	if got := strings.Count(l.read(file), "127.0.0.1"); got != 8 {
		t.Errorf("%d entries:\n%s", got, l.read(file))
	}
	l.must("cursor", Task{Gone: func(string) bool { return true }})
	l.want(file, others)
}

func TestLocksOfClients(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"claude-code", "cline"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			file := l.file(id)
			l.write(file, others)
			held := false
			l.editor.step = func(step string) {
				if step != "locked" {
					return
				}
				info, err := os.Lstat(file + ".lock")
				if held = err == nil && info.IsDir(); !held {
					t.Errorf("the client's lock is not held: %v", err)
				}
				owners, _ := os.ReadDir(file + ".lock")
				if id == "cline" && (len(owners) != 1 || !strings.HasPrefix(owners[0].Name(), "owner.")) {
					t.Errorf("owners: %v", owners)
				}
			}
			l.must(id, Task{Set: []Entry{tools}})
			if !held {
				t.Error("nothing was locked")
			}
			l.debris(filepath.Dir(file), filepath.Base(file))

			t.Run("held by the client", func(t *testing.T) {
				l.mkdir(file + ".lock/")
				l.write(file+".lock/owner.1", "1")
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				before := l.read(file)
				_, err := l.editor.Write(ctx, id, Task{Drop: []Entry{tools}})
				if err == nil || !strings.Contains(err.Error(), "could not be locked") {
					t.Errorf("error %v", err)
				}
				l.want(file, before)
				l.want(file+".lock/owner.1", "1")
			})
			t.Run("left behind", func(t *testing.T) {
				l.oldLocks(file)
				l.must(id, Task{Drop: []Entry{tools}})
				l.want(file, others)
				l.debris(filepath.Dir(file), filepath.Base(file))
			})
			t.Run("a file in its place", func(t *testing.T) {
				l.write(file+".lock", "")
				if _, err := l.do(id, Task{Set: []Entry{tools}}); err == nil || !strings.Contains(err.Error(), "a file is in the place") {
					t.Errorf("error %v", err)
				}
				l.want(file, others)
			})
		})
	}
}

// TestClientsWithoutALockGetNone: some cannot lock any more once such a file was made.
func TestClientsWithoutALockGetNone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, c := range Clients() {
		if c.ByHand || c.Lock != "" {
			continue
		}
		file := l.file(c.ID)
		l.editor.step = func(string) {
			if exists(file + ".lock") {
				t.Errorf("%s: %s.lock was made", c.ID, file)
			}
		}
		l.must(c.ID, Task{Set: []Entry{tools}})
	}
}

func TestWhatIsOursCannotBeRead(t *testing.T) {
	t.Parallel()
	for text, hint := range map[string]string{
		"": "repair", "{": "repair", "null": "repair", "[]": "repair", "{}": "repair", "\x00\x00": "repair",
		`{"version": 1, "files": []}`:                                             "repair",
		`{"version": 1, "files": {"/x": null}}`:                                   "repair",
		`{"version": 1, "files": {"/x": {}}}`:                                     "repair",
		`{"version": 1, "files": {"/x": {"entries": {"a": null}}}}`:               "repair",
		`{"version": 1, "files": {"/x": {"entries": {}, "steps": [{}]}}}`:         "repair",
		`{"version": 1, "files": {"/x": {"entries": {}, "undo": {"after": ""}}}}`: "repair",
		`{"version": 2, "files": []}`:                                             "newer",
	} {
		l := newLab(t)
		own := filepath.Join(l.state, "clients", "owned.json")
		l.write(own, text)
		l.write(l.file("cursor"), others)
		home := l.tree(l.home)
		_, err := l.do("cursor", Task{Set: []Entry{tools}})
		var told *Error
		if !errors.As(err, &told) || !strings.Contains(told.Summary, own) || !strings.Contains(told.Hint, hint) {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := l.editor.List(nil); err == nil {
			t.Errorf("%q is listed", text)
		}
		if err := l.undo("cursor"); err == nil {
			t.Errorf("%q is undone", text)
		}
		l.same(home)
		l.want(own, text)
	}
	t.Run("moved away, entries are found again", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.write(l.file("cursor"), others)
		l.must("cursor", Task{Set: []Entry{tools}})
		if err := os.RemoveAll(l.state); err != nil {
			t.Fatal(err)
		}
		if got := l.stateOf("cursor", tools); got != Current {
			t.Errorf("state %s", got)
		}
		l.must("cursor", Task{Drop: []Entry{tools}})
		l.want(l.file("cursor"), others)
	})
}
