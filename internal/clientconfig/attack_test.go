package clientconfig

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// refused requires that a write is refused with an error that has those words, and that
// nothing is changed or made.
func (l *lab) refused(id string, task Task, words ...string) {
	l.t.Helper()
	file := l.file(id)
	before, dir := "", filepath.Dir(file)
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o400 != 0 && info.Size() < maxSize {
		before = l.read(file)
	}
	names, _ := os.ReadDir(dir)
	_, err := l.do(id, task)
	if err == nil {
		l.t.Fatal("it was not refused")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			l.t.Errorf("%q does not say %q", err, word)
		}
	}
	var told *Error
	if !errors.As(err, &told) || told.Hint == "" || strings.Contains(told.Summary, "\n") {
		l.t.Errorf("%v has no hint", err)
	}
	if before != "" {
		l.want(file, before)
	}
	if after, _ := os.ReadDir(dir); len(after) != len(names) {
		l.t.Errorf("before %v, after %v", names, after)
	}
}

// A123
func TestBrokenFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	set := Task{Set: []Entry{tools}}
	for _, c := range []struct{ name, id, text, says string }{
		{"invalid", "claude-desktop", "{\n  \"mcpServers\": {,}\n}\n", "json:2:18"},
		{"truncated", "claude-desktop", "{\n  \"mcpServers\": {\"a\": {\"command\": \"x", "json:2:"},
		{"empty", "claude-desktop", "", "empty"},
		{"blank", "cursor", " \n\t\n", "empty"},
		{"only a mark", "cursor", byteOrderMark, "empty"},
		{"only a comment", "zed", "// nothing\n", "settings.json:"},
		{"a list", "cursor", "[]", "not an object"},
		{"a string", "cursor", `"x"`, "not an object"},
		{"two values", "cursor", "{}{}", "json:1:3"},
		{"servers are a list", "cursor", `{"mcpServers": []}`, "json:1:16: it should be an object"},
		{"servers are null", "cursor", `{"mcpServers": null}`, "should be an object"},
		{"servers twice", "cursor", `{"mcpServers": {}, "mcpServers": {}}`, `"mcpServers" is there twice`},
		{"servers twice, spelled differently", "cursor", `{"mcpServers": {}, "mcp\u0053ervers": {}}`, "twice"},
		{"entry twice", "cursor", `{"mcpServers": {"company-tools": {"url": "http://127.0.0.1:7801/mc"}, "company-tools": {"url": "http://127.0.0.1:7801/mc"}}}`, "company-tools"},
		{"UTF-16", "cursor", "\xff\xfe{\x00}\x00", "UTF-16"},
		{"Latin-1", "cursor", "{\"a\": \"\xe9\"}", "UTF-8"},
		{"NUL", "cursor", "{}\x00", "NUL"},
		{"deep", "cursor", strings.Repeat("[", 1<<20), "deep"},
		{"TOML invalid", "codex", "a = \n", "toml:1:"},
		{"TOML twice", "codex", "[mcp_servers.a]\n[mcp_servers.a]\n", "config.toml"},
		{"TOML inline", "codex", "mcp_servers = {a = {url = \"x\"}}\n", "toml:1:1: mcp_servers should be tables"},
		{"TOML dotted", "codex", "mcp_servers.a.url = \"x\"\n", "should be tables"},
		{"TOML list", "codex", "[[mcp_servers]]\nname = \"a\"\n", "should be tables"},
		{"TOML value", "codex", "mcp_servers = 1\n", "should be tables"},
		{"TOML deep", "codex", "a = " + strings.Repeat("[", 1<<20), "config.toml"},
		{"YAML invalid", "goose", "a: b: c\n", "yaml:1:"},
		{"YAML twice", "goose", "extensions:\n  a: {}\nextensions:\n  b: {}\n", "config.yaml:3:"},
		{"YAML braces", "goose", "extensions: {a: {}}\n", "yaml:1:1: extensions should be keys"},
		{"YAML list", "goose", "extensions:\n- a\n", "should be keys"},
		{"YAML second document", "goose", "a: 1\n---\nb: 2\n", "more than one document"},
		{"YAML alias", "goose", "a: &x\n  b: {}\nextensions: *x\n", "should be keys"},
		{"YAML root in braces", "goose", "{a: 1}\n", "should be keys"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.write(l.file(c.id), c.text)
			l.refused(c.id, set, c.says)
			if got := l.stateOf(c.id, tools); c.says != "empty" && got != Unreadable && c.name != "entry twice" {
				t.Errorf("state %s", got)
			}
			if exists(filepath.Join(l.state, "clients", "backups")) {
				t.Error("a backup was made of what was not written")
			}
		})
	}
	t.Run("an empty file may be filled when told so", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.write(l.file("cursor"), "")
		forced := set
		forced.Force = true
		l.must("cursor", forced)
		if l.stateOf("cursor", tools) != Current {
			t.Error(l.read(l.file("cursor")))
		}
		if err := l.undo("cursor"); err != nil {
			t.Fatal(err)
		}
		l.want(l.file("cursor"), "")
	})
	t.Run("a secret in a broken file is not told", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.write(l.file("cursor"), `{"a": canary0123, "b": "canary4567}`)
		_, err := l.do("cursor", set)
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("error %v", err)
		}
	})
}

// A124: what is not ours stays to the byte, in every spelling. See also TestGolden,
// TestRandomJSON and the fuzz tests.
func TestOddSpellingsStay(t *testing.T) {
	t.Parallel()
	odd := byteOrderMark + "{ // c\r\n\t\"z\" : 1 , \"a\":9223372036854775808,\r\n \"x\\u0041\": \"\\u00e9\\/\", \"dup\": 1, \"dup\": 2, \"e\": 1E+2,\r\n\t\"context_servers\" : {\r\n\t\t\"b\" : { \"url\":\"u\" } ,\r\n\t},\r\n}\r\n\r\n"
	l := newLab(t)
	l.write(l.file("zed"), odd)
	l.must("zed", Task{Set: []Entry{tools}})
	added := "\r\n\t\t\"company-tools\": {\r\n\t\t\t\"url\": \"http://127.0.0.1:7801/mcp\"\r\n\t\t},"
	l.want(l.file("zed"), strings.Replace(odd, "{ \"url\":\"u\" } ,", "{ \"url\":\"u\" } ,"+added, 1))
	l.must("zed", Task{Drop: []Entry{tools}})
	l.want(l.file("zed"), odd)
}

// A125
func TestLinks(t *testing.T) {
	t.Parallel()
	set := Task{Set: []Entry{tools}}
	t.Run("symlink", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		file, dots := l.file("cursor"), l.path("dotfiles/deep/mcp.json")
		l.write(dots, others)
		l.mkdir(filepath.Dir(file))
		if err := os.Symlink("../dotfiles/deep/mcp.json", file); err != nil {
			t.Fatal(err)
		}
		l.must("cursor", set)
		if to, err := os.Readlink(file); err != nil || to != "../dotfiles/deep/mcp.json" {
			t.Errorf("the link is %q, %v", to, err)
		}
		if !strings.Contains(l.read(dots), "7801") {
			t.Error(l.read(dots))
		}
		l.debris(filepath.Dir(dots), "mcp.json")
		l.debris(filepath.Dir(file), "mcp.json")
		l.must("cursor", Task{Drop: []Entry{tools}})
		l.want(dots, others)
	})
	t.Run("linked folder", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.write(l.path("dotfiles/cursor/mcp.json"), others)
		if err := os.Symlink("dotfiles/cursor", l.path(".cursor")); err != nil {
			t.Fatal(err)
		}
		l.must("cursor", set)
		if !strings.Contains(l.read(l.path("dotfiles/cursor/mcp.json")), "7801") {
			t.Error("not written")
		}
	})
	t.Run("lock of a linked file", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		file, dots := l.file("claude-code"), l.path("dotfiles/claude.json")
		l.write(dots, others)
		if err := os.Symlink(dots, file); err != nil {
			t.Fatal(err)
		}
		l.editor.step = func(step string) {
			if step == "locked" && (!exists(file+".lock") || !exists(dots+".lock")) {
				t.Error("not both names are locked")
			}
		}
		l.must("claude-code", set)
		l.debris(filepath.Dir(dots), "claude.json")
	})
	t.Run("dangling", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.mkdir(l.path(".cursor"))
		if err := os.Symlink("nowhere.json", l.path(".cursor/mcp.json")); err != nil {
			t.Fatal(err)
		}
		l.refused("cursor", set, "leads nowhere")
	})
	t.Run("circle", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.mkdir(l.path(".cursor"))
		if err := os.Symlink("mcp.json", l.path(".cursor/mcp.json")); err != nil {
			t.Fatal(err)
		}
		l.refused("cursor", set, "cannot be read")
	})
	t.Run("hard link", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.write(l.file("cursor"), others)
		if err := os.Link(l.file("cursor"), l.path("other.json")); err != nil {
			t.Fatal(err)
		}
		p := l.must("cursor", set)
		if len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "hard link") {
			t.Errorf("notes %q", p.Notes)
		}
		l.want(l.path("other.json"), others)
	})
	t.Run("symlink to another user's file", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.write(l.path("theirs.json"), others)
		l.giveAway(l.path("theirs.json"))
		l.mkdir(l.path(".cursor"))
		if err := os.Symlink(l.path("theirs.json"), l.path(".cursor/mcp.json")); err != nil {
			t.Fatal(err)
		}
		l.refused("cursor", set, "belongs to another user")
	})
}

func (l *lab) giveAway(path string) {
	l.t.Helper()
	if os.Geteuid() != 0 {
		l.t.Skip("giving a file to another user takes root")
	}
	if err := os.Chown(path, 65534, 65534); err != nil {
		l.t.Fatal(err)
	}
}

// A126
func TestWhatIsNoFileOfOurs(t *testing.T) {
	t.Parallel()
	set := Task{Set: []Entry{tools}}
	for name, c := range map[string]struct {
		make func(l *lab, file string) error
		says string
	}{
		"pipe":   {func(_ *lab, file string) error { return makePipe(file) }, "a device or a pipe"},
		"folder": {func(_ *lab, file string) error { return os.Mkdir(file, 0o755) }, "is a folder"},
		"device": {func(_ *lab, file string) error { return os.Symlink("/dev/zero", file) }, "a device or a pipe"},
		"100 MB": {func(l *lab, file string) error { l.write(file, "{}"); return os.Truncate(file, 100<<20) }, "larger than"},
		"read-only": {func(l *lab, file string) error { l.write(file, "{}"); return os.Chmod(file, 0o444) },
			"read-only"},
		"closed": {func(l *lab, file string) error { l.write(file, "{}"); return os.Chmod(file, 0) }, "cannot be read"},
		"write-only": {func(l *lab, file string) error { l.write(file, "{}"); return os.Chmod(file, 0o200) },
			"cannot be read"},
		"another user's": {func(l *lab, file string) error { l.write(file, "{}"); l.giveAway(file); return nil }, "belongs to another user"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			file := l.file("cursor")
			l.mkdir(filepath.Dir(file))
			if err := c.make(l, file); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			l.refused("cursor", set, c.says)
			if took := time.Since(start); took > soon.Limit/3 {
				t.Errorf("it took %v", took)
			}
			if got := l.stateOf("cursor", tools); got != Unreadable {
				t.Errorf("state %s", got)
			}
		})
	}
}

// A127
func TestNames(t *testing.T) {
	t.Parallel()
	for name, takes := range map[string]string{
		`a"b`: "cursor", "a/b~c": "cursor", "ünï": "cursor", "a b": "cursor", "a_b": "claude-code", "a.b": "gemini-cli",
		"a\nb": "", "": "", "a\x00": "", "a\u202eb": "", strings.Repeat("x", 65): "", "\xff": "",
	} {
		for _, id := range []string{"cursor", "claude-code", "codex", "gemini-cli", "goose"} {
			c, _ := ClientByID(id)
			if err := c.checkName(name); id == takes && err != nil || takes == "" && !errors.Is(err, ErrName) {
				t.Errorf("%s, %q: %v", id, name, err)
			}
		}
	}
	l := newLab(t)
	for _, name := range []string{`a"b\`, "a/b~1c", "ünï", "a b", "yes", "1", "- x", "#", "a: b", "<<", "~"} {
		for _, id := range []string{"cursor", "goose"} {
			e := Entry{Profile: "p", Name: name, URL: tools.URL}
			l.must(id, Task{Set: []Entry{e}})
			if got := l.stateOf(id, e); got != Current {
				t.Errorf("%s, %q: %s\n%s", id, name, got, l.read(l.file(id)))
			}
			l.must(id, Task{Drop: []Entry{{Profile: "p"}}})
			l.want(l.file(id), "(none)")
		}
	}
	l.refused("codex", Task{Set: []Entry{{Profile: "p", Name: "a.b", URL: tools.URL}}}, "must match")
	l.refused("opencode", Task{Set: []Entry{{Profile: "timeout", URL: tools.URL}}}, "meaning of its own")
}

// A128: see TestAForeignEntryIsNotTouched. A129: see TestClaudeDesktopRuns.
func TestOurEntryIsLostAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.write(file, others)
	l.editor.step = func(step string) {
		if step == "exchanged" {
			l.write(file, others) // the client saves what it has in memory
		}
	}
	_, err := l.do("cursor", Task{Set: []Entry{tools}})
	if err == nil || !strings.Contains(err.Error(), "written again by another program") {
		t.Errorf("error %v", err)
	}
	l.want(file, others)
	l.editor.step = func(string) {}
	if got := l.stateOf("cursor", tools); got != Missing {
		t.Errorf("state %s", got)
	}
}

// A130: no credential is written, so a mode stays what it is; a new file is for its
// owner alone.
func TestModes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	for _, mode := range []os.FileMode{0o600, 0o644, 0o664, 0o640, 0o755} {
		l.write(file, others)
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		l.must("cursor", Task{Set: []Entry{tools}})
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != mode {
			t.Errorf("mode %v became %v, %v", mode, info.Mode(), err)
		}
		l.must("cursor", Task{Drop: []Entry{tools}})
	}
	l.must("zed", Task{Set: []Entry{tools}})
	if info, err := os.Stat(l.file("zed")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new file: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Join(l.state, "clients")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("our folder: %v, %v", info.Mode(), err)
	}
}

// A132: what is written is a profile's name and a plain address of this computer.
func TestNoSecretGetsIntoAConfig(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, url := range []string{
		"https://mcp.example.com/mcp", "http://mcp.example.com/mcp", "http://u:canary@127.0.0.1:1/mcp", "http://127.0.0.1:1/mcp?token=canary",
		"http://127.0.0.1:1/mcp#canary", "http://10.0.0.1:1/", "ftp://127.0.0.1/", "http://127.0.0.1.example/", ":", "http://",
	} {
		for _, e := range []Entry{{Profile: "a", URL: url}, {Profile: "", URL: tools.URL}, {Profile: "--x", URL: tools.URL}, {Profile: "a\nb"}} {
			_, err := l.do("cursor", Task{Set: []Entry{e}})
			if !errors.Is(err, ErrEntry) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%+v: %v", e, err)
			}
		}
	}
	l.want(l.file("cursor"), "(none)")
	for _, url := range []string{"http://127.0.0.1:1/", "http://localhost:1/mcp", "http://[::1]:1/a/b", "http://127.8.8.8:1"} {
		if err := (Entry{Profile: "a", URL: url}).check(); err != nil {
			t.Error(err)
		}
	}
}

// TestAPreviewTellsNoSecrets: values that are not ours are covered, in every shape.
func TestAPreviewTellsNoSecrets(t *testing.T) {
	t.Parallel()
	for id, text := range map[string]string{
		"cursor": `{"mcpServers": {"a": {"url": "https://x/?k=canary1canary1", "env": {"T": "canary2"}, "args": ["--token", "canary3"], "n": 77770001}}}`,
		"zed":    "{\n // \"T\": \"canary0123456789x\"\n \"context_servers\": {\n  \"a\": {\"url\": \"canary\"},\n /* canary0123456789x */ }\n}\n",
		"codex":  "[mcp_servers.a]\nt = \"canary\" # canary0123456789x\nl = [\n \"canary\", # canary0123456789x\n]\ns = \"\"\"\ncanary\n\"\"\"\n# canary0123456789x\n",
		"goose":  "extensions:\n  a:\n    t: canary\n    l:\n    - canary\n    m: |\n      canary\n    q: 'canary\n      canary'\n    # canary0123456789x\n",
	} {
		l := newLab(t)
		l.write(l.file(id), text)
		plans, err := l.editor.Plan(id, Task{Set: []Entry{tools}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := plans[0].Diff(); strings.Contains(diff, "canary") || strings.Contains(diff, "7777") || !strings.Contains(diff, "7801") {
			t.Errorf("%s:\n%s", id, diff)
		}
	}
	t.Run("nothing steers the terminal", func(t *testing.T) {
		l := newLab(t)
		l.write(l.file("cursor"), "{\"a\u009b31m\": 1, \"mcpServers\": {}}")
		plans, err := l.editor.Plan("cursor", Task{Set: []Entry{tools}})
		if err != nil || strings.ContainsRune(plans[0].Diff(), '\u009b') {
			t.Errorf("%q, %v", plans[0].Diff(), err)
		}
	})
	t.Run("megabytes on one line", func(t *testing.T) {
		l := newLab(t)
		big, _ := json.Marshal(map[string]any{"projects": strings.Repeat("canary ", 1<<18), "mcpServers": map[string]any{}})
		l.write(l.file("claude-code"), string(big))
		plans, err := l.editor.Plan("claude-code", Task{Set: []Entry{tools}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := plans[0].Diff(); len(diff) > 2000 || strings.Contains(diff, "canary") || !strings.Contains(diff, "7801") {
			t.Errorf("%d bytes", len(diff))
		}
	})
}

// F41
func TestTheDiskIsFull(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.mkdir(filepath.Dir(file))
	l.smallDisk(filepath.Dir(file))
	text := `{"x": "` + strings.Repeat("x", 40<<10) + `"}`
	l.write(file, text)
	_, err := l.do("cursor", Task{Set: []Entry{tools}})
	if err == nil || !strings.Contains(err.Error(), "left as it is") {
		t.Errorf("error %v", err)
	}
	l.want(file, text)
	l.debris(filepath.Dir(file), "mcp.json")
	if got := l.stateOf("cursor", tools); got != Missing {
		t.Errorf("state %s", got)
	}
}
