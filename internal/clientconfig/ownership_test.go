package clientconfig

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const others = `{
  "mcpServers": {
    "github": {"url": "https://github.example/mcp"}
  }
}
`

func TestStates(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	check := func(want State) {
		t.Helper()
		if got := l.stateOf("cursor", tools); got != want {
			t.Errorf("state %s, want %s", got, want)
		}
	}
	check(Missing)
	l.write(file, others)
	check(Missing)
	l.must("cursor", Task{Set: []Entry{tools}})
	check(Current)
	if got := l.stateOf("cursor", moved); got != Outdated {
		t.Errorf("state after the port changed: %s", got)
	}
	l.write(file, strings.Replace(l.read(file), "7801", "9999", 1))
	check(Foreign)
	l.write(file, "{")
	check(Unreadable)
	l.write(file, others)
	check(Missing)
}

func TestAForeignEntryIsNotTouched(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	text := `{"mcpServers": {"company-tools": {"url": "https://theirs.example/mcp", "headers": {"A": "b"}}}}`
	l.write(file, text)
	_, err := l.do("cursor", Task{Set: []Entry{tools}})
	if !errors.Is(err, ErrForeign) {
		t.Fatalf("error %v", err)
	}
	l.want(file, text)
	if _, err := l.do("cursor", Task{Drop: []Entry{tools}}); err != nil {
		t.Error(err)
	}
	l.want(file, text)

	t.Run("another name", func(t *testing.T) {
		named := tools
		named.Name = "tools-too"
		l.must("cursor", Task{Set: []Entry{named}})
		if !strings.Contains(l.read(file), `"tools-too": {"url": "http://127.0.0.1:7801/mcp"}`) {
			t.Error(l.read(file))
		}
		l.must("cursor", Task{Set: []Entry{tools}}) // keeps the name
		if got := strings.Count(l.read(file), "127.0.0.1:7801"); got != 1 {
			t.Errorf("it is there %d times: %s", got, l.read(file))
		}
		l.must("cursor", Task{Drop: []Entry{tools}})
		l.want(file, text)
	})
	t.Run("force", func(t *testing.T) {
		p := l.must("cursor", Task{Set: []Entry{tools}, Force: true})
		if p.Changes[0].Action != Replace {
			t.Error(p.Changes)
		}
		if l.stateOf("cursor", tools) != Current {
			t.Error("not current")
		}
		if err := l.undo("cursor"); err != nil {
			t.Fatal(err)
		}
		l.want(file, text)
	})
}

func TestAdditionsOfThePersonSurvive(t *testing.T) {
	t.Parallel()
	for id, c := range map[string]struct{ before, after string }{
		"cursor": {"\"url\": \"http://127.0.0.1:7801/mcp\"\n", "\"url\": \"http://127.0.0.1:7801/mcp\",\n      \"env\": {\"A\": \"b\"}, // mine\n      \"disabled\": true\n"},
		"codex":  {"url = \"http://127.0.0.1:7801/mcp\"\n", "url = \"http://127.0.0.1:7801/mcp\" # here\nstartup_timeout_sec = 30\n[mcp_servers.company-tools.http_headers]\nX = \"y\"\n"},
		"goose":  {"    enabled: true\n", "    enabled: false # for now\n    envs:\n    - a\n"},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			file := l.file(id)
			l.must(id, Task{Set: []Entry{tools}})
			edited := strings.Replace(l.read(file), c.before, c.after, 1)
			if edited == l.read(file) {
				t.Fatal(edited)
			}
			l.write(file, edited)
			if got := l.stateOf(id, tools); got != Current {
				t.Errorf("state %s", got)
			}
			p := l.must(id, Task{Set: []Entry{tools}})
			if p.Writes() {
				t.Error(p.Diff())
			}
			moved := Entry{Profile: tools.Profile, URL: "http://127.0.0.1:7900/other"}
			if p = l.must(id, Task{Set: []Entry{moved}}); p.Changes[0].Action != Update {
				t.Error(p.Changes)
			}
			l.want(file, strings.Replace(edited, "7801/mcp", "7900/other", 1))
			l.must(id, Task{Drop: []Entry{tools}})
			if left := l.read(file); left != "(none)" {
				t.Errorf("left: %s", left)
			}
		})
	}
}

func TestAnEditOfOurPartSurvives(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("claude-code")
	l.must("claude-code", Task{Set: []Entry{tools}})
	edited := strings.Replace(l.read(file), `"http"`, `"streamable-http"`, 1)
	l.write(file, edited)
	for range 3 {
		for _, auto := range []bool{true, false} {
			l.must("claude-code", Task{Set: []Entry{tools}, Auto: auto})
			l.want(file, edited)
		}
	}
	l.must("claude-code", Task{Drop: []Entry{tools}})
	l.want(file, "(none)")
}

func TestEntriesMadeByHandAreAdopted(t *testing.T) {
	t.Parallel()
	const url = `"url": "http://127.0.0.1:7801/mcp"`
	for _, c := range []struct{ name, before, after string }{
		{"as ours", `{"mcpServers": {"x": {"type": "http", ` + url + `}}}`, ""},
		{"incomplete", `{"mcpServers": {"x": {` + url + `}}}`, `{"mcpServers": {"x": {` + url + `, "type": "http"}}}`},
		{"two", `{"mcpServers": {"y": {"type": "http", ` + url + `}, "x": {` + url + `, "type": "http"}}}`, ""},
		{"null of our name", `{"mcpServers": {"company-tools": null, "x": {"type": "http", ` + url + `}}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			file := l.file("claude-code")
			l.write(file, c.before)
			if c.after == "" {
				c.after = c.before
			}
			for range 2 {
				p := l.must("claude-code", Task{Set: []Entry{tools}})
				if p.Changes[0].Name != "x" {
					t.Errorf("%+v", p.Changes)
				}
				l.want(file, c.after)
			}
		})
	}
}

// TestTheConfigMoves: our entries in a file that the client does not read by what we
// know now are kept right, as another environment may know better. None is added.
func TestTheConfigMoves(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	old := l.file("codex")
	l.must("codex", Task{Set: []Entry{tools}})
	l.env["CODEX_HOME"] = l.path("elsewhere")
	now := l.file("codex")
	if now == old {
		t.Fatal(now)
	}
	second := Entry{Profile: "second", URL: "http://127.0.0.1:7802/mcp"}
	if _, err := l.editor.Write(t.Context(), "codex", Task{Set: []Entry{moved, second}}); err != nil {
		t.Fatal(err)
	}
	l.want(old, "[mcp_servers.company-tools]\nurl = \"http://127.0.0.1:7900/mcp\"\n")
	l.want(now, l.read(old)+"\n[mcp_servers.second]\nurl = \"http://127.0.0.1:7802/mcp\"\n")
	rows, err := l.editor.List([]Entry{moved})
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, r := range rows {
		if r.Client.ID == "codex" && r.Entries[0].State == Current {
			files = append(files, r.File)
		}
	}
	if !slices.Equal(files, []string{now, old}) {
		t.Errorf("current in %v", files)
	}
	l.write(old, "mcp_servers = 1") // which does not keep the other from being written
	if _, err := l.editor.Write(t.Context(), "codex", Task{Set: []Entry{tools, second}}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(l.read(now), "7801") {
		t.Error(l.read(now))
	}
	l.write(old, "") // somebody took it out
	if _, err := l.editor.Write(t.Context(), "codex", Task{Set: []Entry{tools, second}}); err != nil {
		t.Fatal(err)
	}
	l.want(old, "")
	if _, err := l.editor.Write(t.Context(), "codex", Task{Gone: func(string) bool { return true }}); err != nil {
		t.Fatal(err)
	}
	l.want(now, "(none)")
}

func TestTheProgramMoves(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("claude-desktop")
	l.write(file, others)
	l.must("claude-desktop", Task{Set: []Entry{tools}})
	before := l.read(file)
	l.exe = "/usr/local/bin/mcpauth-tray"
	l.restart()
	if got := l.stateOf("claude-desktop", tools); got != Outdated {
		t.Errorf("state %s", got)
	}
	l.must("claude-desktop", Task{Set: []Entry{tools}, Auto: true})
	l.want(file, strings.Replace(before, "/opt/mcpauth-tray/", "/usr/local/bin/", 1))

	t.Run("and nothing is remembered", func(t *testing.T) {
		if err := os.RemoveAll(l.state); err != nil {
			t.Fatal(err)
		}
		l.exe = `/home/u/bin/mcpauth-tray`
		l.restart()
		if got := l.stateOf("claude-desktop", tools); got != Outdated {
			t.Errorf("state %s", got)
		}
		l.must("claude-desktop", Task{Set: []Entry{tools}})
		l.want(file, strings.Replace(before, "/opt/mcpauth-tray/", "/home/u/bin/", 1))
	})
}

func TestWhatAPersonTookOutStaysOut(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.write(file, others)
	l.must("cursor", Task{Set: []Entry{tools}})
	l.write(file, others) // by hand
	for range 2 {
		p := l.must("cursor", Task{Set: []Entry{tools}, Auto: true})
		if p.Writes() || p.Changes[0].Action != Leave {
			t.Errorf("%+v", p.Changes)
		}
		l.restart()
	}
	l.must("cursor", Task{Set: []Entry{tools}})
	if l.stateOf("cursor", tools) != Current {
		t.Error("a person's write did not add it again")
	}
	l.must("cursor", Task{Drop: []Entry{tools}})
	l.want(file, others)
	l.must("cursor", Task{Set: []Entry{tools}, Auto: true})
	l.want(file, others)
	l.must("cursor", Task{Set: []Entry{tools}})
	if err := l.undo("cursor"); err != nil {
		t.Fatal(err)
	}
	l.must("cursor", Task{Set: []Entry{tools}, Auto: true})
	l.want(file, others)
}

func TestARenamedEntryIsAdopted(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.must("cursor", Task{Set: []Entry{tools}})
	renamed := strings.Replace(l.read(file), `"company-tools"`, `"tools"`, 1)
	l.write(file, renamed)
	p := l.must("cursor", Task{Set: []Entry{tools}, Auto: true})
	if p.Changes[0].Name != "tools" || p.Changes[0].Action != Keep {
		t.Errorf("%+v", p.Changes)
	}
	l.want(file, renamed)
	l.must("cursor", Task{Set: []Entry{{Profile: tools.Profile, URL: "http://127.0.0.1:1/mcp"}}})
	l.want(file, strings.Replace(renamed, "7801", "1", 1))
	named := tools
	named.Name = "third"
	if _, err := l.do("cursor", Task{Set: []Entry{named}}); !errors.Is(err, ErrName) {
		t.Errorf("a second name: %v", err)
	}
}

func TestProfilesThatAreGone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.write(file, others)
	second := Entry{Profile: "second", URL: "http://127.0.0.1:7802/mcp"}
	l.must("cursor", Task{Set: []Entry{tools, second}})
	if got := strings.Count(l.read(file), "127.0.0.1"); got != 2 {
		t.Fatal(l.read(file))
	}
	gone := func(profile string) bool { return profile == "second" }
	p := l.must("cursor", Task{Set: []Entry{tools}, Gone: gone, Auto: true})
	if !slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Profile == "second" && c.Action == Remove }) {
		t.Errorf("%+v", p.Changes)
	}
	if strings.Contains(l.read(file), "7802") || !strings.Contains(l.read(file), "7801") {
		t.Error(l.read(file))
	}
	l.must("cursor", Task{Gone: func(string) bool { return true }})
	l.want(file, others)
	if ids, err := l.editor.Written(); err != nil || len(ids) != 0 {
		t.Errorf("%v, %v", ids, err)
	}
}

func TestTheLastEntryTakesItsMapAlong(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("claude-desktop")
	l.write(file, "{\n  \"scale\": 1\n}\n")
	second := Entry{Profile: "second"}
	l.must("claude-desktop", Task{Set: []Entry{tools}})
	l.must("claude-desktop", Task{Set: []Entry{second}})
	l.must("claude-desktop", Task{Drop: []Entry{tools}})
	if !strings.Contains(l.read(file), "mcpServers") {
		t.Error(l.read(file))
	}
	l.must("claude-desktop", Task{Drop: []Entry{second}})
	l.want(file, "{\n  \"scale\": 1\n}\n")

	l.write(file, "{\n  \"mcpServers\": {}\n}\n") // theirs
	l.must("claude-desktop", Task{Set: []Entry{tools}})
	l.must("claude-desktop", Task{Drop: []Entry{tools}})
	l.want(file, "{\n  \"mcpServers\": {}\n}\n")

	l.must("claude-desktop", Task{Set: []Entry{tools}})
	l.write(file, strings.Replace(l.read(file), "}\n  }\n", "},\n    \"new\": {}\n  }\n", 1))
	l.must("claude-desktop", Task{Drop: []Entry{tools}})
	l.want(file, "{\n  \"mcpServers\": {\n    \"new\": {}\n  }\n}\n")
}

func TestUndo(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	if err := l.undo("cursor"); !errors.Is(err, ErrNoUndo) {
		t.Errorf("nothing yet: %v", err)
	}
	l.write(file, others)
	l.must("cursor", Task{Set: []Entry{tools}})
	first := l.read(file)
	l.must("cursor", Task{Set: []Entry{moved}})
	l.must("cursor", Task{Drop: []Entry{tools}})
	l.want(file, others)
	undo := func() {
		t.Helper()
		if err := l.undo("cursor"); err != nil {
			t.Fatal(err)
		}
	}
	undo()
	l.want(file, strings.Replace(first, "7801", "7900", 1))
	if got := l.stateOf("cursor", moved); got != Current {
		t.Errorf("state %s", got)
	}
	undo()
	l.want(file, first)
	undo()
	l.want(file, others)
	if err := l.undo("cursor"); !errors.Is(err, ErrNoUndo) {
		t.Errorf("nothing left: %v", err)
	}
}

func TestUndoAfterSomebodyElsesEdit(t *testing.T) {
	t.Parallel()
	edit := func(text string) string { return strings.Replace(text, "github.example", "hub.example", 1) }
	setup := func(t *testing.T) (*lab, string) {
		l := newLab(t)
		l.write(l.file("cursor"), others)
		l.must("cursor", Task{Set: []Entry{tools}})
		return l, l.file("cursor")
	}
	t.Run("added", func(t *testing.T) {
		t.Parallel()
		l, file := setup(t)
		l.write(file, edit(l.read(file)))
		if err := l.undo("cursor"); err != nil {
			t.Fatal(err)
		}
		l.want(file, edit(others))
	})
	t.Run("updated", func(t *testing.T) {
		t.Parallel()
		l, file := setup(t)
		first := l.read(file)
		l.must("cursor", Task{Set: []Entry{{Profile: tools.Profile, URL: "http://127.0.0.1:7900/mcp"}}})
		mine := func(text string) string {
			return strings.Replace(edit(text), "    \"company-tools\": {\n", "    \"company-tools\": {\n      \"env\": {}, // mine\n", 1)
		}
		l.write(file, mine(l.read(file)))
		if err := l.undo("cursor"); err != nil {
			t.Fatal(err)
		}
		l.want(file, mine(first))
		if got := l.stateOf("cursor", tools); got != Current {
			t.Errorf("state %s", got)
		}
	})
	t.Run("removed", func(t *testing.T) {
		t.Parallel()
		l, file := setup(t)
		first := l.read(file)
		l.must("cursor", Task{Drop: []Entry{tools}})
		l.write(file, edit(l.read(file)))
		if err := l.undo("cursor"); err != nil {
			t.Fatal(err)
		}
		l.want(file, edit(first))
		if got := l.stateOf("cursor", tools); got != Current {
			t.Errorf("state %s", got)
		}
	})
	t.Run("taken over", func(t *testing.T) {
		t.Parallel()
		l, file := setup(t)
		l.write(file, strings.Replace(l.read(file), "127.0.0.1:7801", "theirs.example", 1))
		text := l.read(file)
		if err := l.undo("cursor"); !errors.Is(err, ErrForeign) {
			t.Errorf("error %v", err)
		}
		l.want(file, text)
	})
	t.Run("replaced", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		theirs := strings.Replace(others, "github", "company-tools", 1)
		l.write(l.file("cursor"), theirs)
		l.must("cursor", Task{Set: []Entry{tools}, Force: true})
		l.write(l.file("cursor"), l.read(l.file("cursor"))+" ")
		if err := l.undo("cursor"); err != nil {
			t.Fatal(err)
		}
		if text := l.read(l.file("cursor")); !strings.Contains(text, "https://company-tools.example/mcp") && !strings.Contains(text, "https://github.example/mcp") || strings.Contains(text, "7801") {
			t.Error(text)
		}
	})
	t.Run("file made by us", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.must("cursor", Task{Set: []Entry{tools}})
		file := l.file("cursor")
		l.write(file, strings.Replace(l.read(file), "{\n    \"company", "{\n    \"new\": {},\n    \"company", 1))
		if err := l.undo("cursor"); err != nil {
			t.Fatal(err)
		}
		l.want(file, "{\n  \"mcpServers\": {\n    \"new\": {}\n  }\n}\n")
	})
	t.Run("file made by us, untouched", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.must("cursor", Task{Set: []Entry{tools}})
		if err := l.undo("cursor"); err != nil {
			t.Fatal(err)
		}
		l.debris(l.home)
	})
}

func TestOnlySoManyBackupsAreKept(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.write(file, others)
	for port := range 25 {
		l.must("cursor", Task{Set: []Entry{{Profile: "a", URL: "http://127.0.0.1:" + string(rune('1'+port%9)) + "00/mcp"}}})
	}
	backups, err := os.ReadDir(filepath.Join(l.state, "clients", "backups"))
	if err != nil || len(backups) > maxSteps+1 {
		t.Errorf("%d backups, %v", len(backups), err)
	}
	first, err := os.ReadFile(filepath.Join(l.state, "clients", "backups", hash(others)))
	if err != nil || string(first) != others {
		t.Errorf("the file as it was at first: %q, %v", first, err)
	}
	for _, b := range backups {
		if info, _ := b.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v", b.Name(), info.Mode())
		}
	}
}

func TestClaudeDesktopRuns(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const id = "claude-desktop"
	file := l.file(id)
	l.write(file, others)
	l.runs[id] = true
	p, err := l.do(id, Task{Set: []Entry{tools}})
	if !errors.Is(err, ErrRunning) {
		t.Fatalf("error %v, plan %v", err, p)
	}
	l.want(file, others)
	l.must(id, Task{Set: []Entry{tools}, Force: true})
	if l.stateOf(id, tools) != Current {
		t.Fatal("not written")
	}
	l.write(file, others) // from its memory
	if got := l.stateOf(id, tools); got != Missing {
		t.Fatalf("state %s", got)
	}
	if p := l.must(id, Task{Set: []Entry{tools}, Auto: true}); p.Writes() {
		t.Error("written while it runs")
	}
	l.want(file, others)
	l.runs[id] = false
	if p := l.must(id, Task{Set: []Entry{tools}, Auto: true}); !p.Writes() {
		t.Error("not put back once it ended")
	}
	l.write(file, others)
	l.must(id, Task{Set: []Entry{tools}, Auto: true})
	l.want(file, others) // not a second time
}

func TestAURLThatDoesNotLastMakesABridge(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must("cursor", Task{Set: []Entry{{Profile: "a"}}})
	if text := l.read(l.file("cursor")); !strings.Contains(text, `"args": ["bridge", "a"]`) || strings.Contains(text, "url") {
		t.Error(text)
	}
	l.must("cursor", Task{Set: []Entry{{Profile: "a", URL: "http://127.0.0.1:1/mcp"}}})
	want := "{\n  \"mcpServers\": {\n    \"a\": {\n      \"url\": \"http://127.0.0.1:1/mcp\"\n    }\n  }\n}\n"
	l.want(l.file("cursor"), want)
	l.must("codex", Task{Set: []Entry{{Profile: "a"}}})
	l.must("codex", Task{Set: []Entry{{Profile: "a", URL: "http://127.0.0.1:1/mcp"}}})
	l.want(l.file("codex"), "[mcp_servers.a]\nurl = \"http://127.0.0.1:1/mcp\"\n")
	l.must("goose", Task{Set: []Entry{{Profile: "a"}}})
	l.must("goose", Task{Set: []Entry{{Profile: "a", URL: "http://127.0.0.1:1/mcp"}}})
	if text := l.read(l.file("goose")); strings.Contains(text, "cmd") || strings.Contains(text, "args") || !strings.Contains(text, "type: streamable_http") {
		t.Error(text)
	}
}
