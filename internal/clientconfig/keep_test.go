package clientconfig

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wanted is what the app does by itself for profiles that ask for a client.
func wanted(entries ...Entry) Task { return Task{Set: entries, Asked: true, Auto: true} }

func unasked(entries ...Entry) Task { return Task{Unasked: entries, Asked: true, Auto: true} }

// state is what a row says of the entry of tools.
func (l *lab) entry(id string, e Entry) EntryState {
	l.t.Helper()
	rows, err := l.editor.Look(id, []Entry{e})
	if err != nil || len(rows) != 1 {
		l.t.Fatal(rows, err)
	}
	return rows[0].Entries[0]
}

func TestWhatNobodyAsksForAnyMore(t *testing.T) {
	t.Parallel()
	moved := Entry{Profile: tools.Profile, URL: "http://127.0.0.1:7900/mcp"}
	set := []Entry{tools}
	for name, c := range map[string]struct {
		writes []Task
		after  string // the port that is left, empty for none
	}{
		"put in by the app":               {[]Task{wanted(tools)}, ""},
		"put in by clients write":         {[]Task{{Set: set, Asked: true}}, ""},
		"put in by a person":              {[]Task{{Set: set}}, "7900"},
		"by the app, then by a person":    {[]Task{wanted(tools), {Set: set}}, "7900"},
		"by a person, then by the app":    {[]Task{{Set: set}, wanted(tools)}, "7900"},
		"taken out by a person":           {[]Task{wanted(tools), {Drop: set}}, ""},
		"never there":                     {nil, ""},
		"unasked, asked for again, moved": {[]Task{wanted(tools), unasked(tools), wanted(tools)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			file := l.file("cursor")
			l.write(file, others)
			for _, task := range c.writes {
				l.must("cursor", task)
				l.restart()
			}
			for range 2 {
				l.must("cursor", unasked(moved))
			}
			if c.after == "" {
				l.want(file, others)
			} else if !strings.Contains(l.read(file), c.after) {
				t.Errorf("it is not right any more:\n%s", l.read(file))
			}
		})
	}
}

func TestKeepAddsNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.write(file, others)
	keep := Task{Keep: []Entry{tools}, Auto: true}
	l.must("cursor", keep)
	l.want(file, others)
	l.must("cursor", wanted(Entry{Profile: tools.Profile, URL: "http://127.0.0.1:1/mcp"}))
	l.must("cursor", keep)
	if e := l.entry("cursor", tools); e.State != Current || !e.Ours || !e.Asked {
		t.Errorf("%+v", e)
	}
	l.write(file, others) // a person takes it out
	l.must("cursor", keep)
	l.must("cursor", wanted(tools))
	l.want(file, others)
	if e := l.entry("cursor", tools); e.State != Missing || e.Ours || !strings.Contains(e.Detail, "clients write cursor adds it again") {
		t.Errorf("%+v", e)
	}
}

func TestTheAppMakesNoFolderOfAClient(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must("cursor", wanted(tools))
	l.debris(l.home)
	l.mkdir(filepath.Dir(l.file("cursor")))
	l.must("cursor", wanted(tools))
	if got := l.stateOf("cursor", tools); got != Current {
		t.Errorf("state %s once the folder is there", got)
	}
	if err := os.RemoveAll(filepath.Dir(l.file("cursor"))); err != nil {
		t.Fatal(err)
	}
	l.must("cursor", wanted(tools)) // the client was removed: that is not said about our entry
	l.mkdir(filepath.Dir(l.file("cursor")))
	l.must("cursor", wanted(tools))
	if got := l.stateOf("cursor", tools); got != Missing {
		t.Errorf("state %s after the file was deleted", got)
	}
}

func TestAnywayIsNotForce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const id = "claude-desktop"
	file := l.file(id)
	l.runs[id] = true
	l.write(file, others)
	anyway := wanted(tools)
	anyway.Anyway = true
	l.must(id, anyway)
	if e := l.entry(id, tools); e.State != Current || !e.Risky {
		t.Errorf("%+v", e)
	}
	theirs := strings.Replace(others, "github", tools.Profile, 1)
	l.write(file, theirs)
	if _, err := l.do(id, anyway); !errors.Is(err, ErrForeign) {
		t.Errorf("error %v", err)
	}
	l.want(file, theirs)
}

func TestAClientThatStartsDuringTheWrite(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const id = "claude-desktop"
	file := l.file(id)
	l.write(file, others)
	l.editor.step = func(name string) { l.runs[id] = l.runs[id] || name == "replaced" }
	l.must(id, wanted(tools))
	l.write(file, others) // from its memory
	l.must(id, wanted(tools))
	l.want(file, others)
	if e := l.entry(id, tools); !e.Risky || !e.Ours {
		t.Errorf("%+v", e)
	}
	l.editor.step, l.runs[id] = func(string) {}, false
	l.must(id, wanted(tools))
	if e := l.entry(id, tools); e.State != Current || e.Risky {
		t.Errorf("it was not put back: %+v", e)
	}
	l.write(file, others)
	l.must(id, wanted(tools))
	l.want(file, others) // not a second time
}

// What took another's place is as much at risk as what was added.
func TestAClientThatStartsDuringAReplacement(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const id = "claude-desktop"
	l.write(l.file(id), strings.Replace(others, "github", tools.Profile, 1))
	l.editor.step = func(name string) { l.runs[id] = l.runs[id] || name == "replaced" }
	if p := l.must(id, Task{Set: []Entry{tools}, Force: true}); p.Changes[0].Action != Replace {
		t.Fatalf("%+v", p.Changes)
	}
	if e := l.entry(id, tools); e.State != Current || !e.Risky {
		t.Errorf("%+v", e)
	}
}

func TestWhatOutlivedTheClientIsNotAtRisk(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const id = "claude-desktop"
	file := l.file(id)
	l.write(file, others)
	l.runs[id] = true
	l.must(id, Task{Set: []Entry{tools}, Anyway: true})
	l.runs[id] = false
	l.must(id, wanted(tools))
	if e := l.entry(id, tools); e.Risky {
		t.Errorf("%+v", e)
	}
	l.write(file, others) // a person, weeks later
	l.must(id, wanted(tools))
	l.want(file, others)
}

func TestFiles(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	before := l.file("codex")
	l.must("codex", Task{Set: []Entry{tools}})
	l.env["CODEX_HOME"] = l.path("elsewhere")
	if got, want := l.editor.Files("codex"), []string{before, l.path("elsewhere/config.toml")}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := l.editor.Files("warp"); got != nil {
		t.Errorf("%q of a client that is not written", got)
	}
}
