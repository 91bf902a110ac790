package clientconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for _, c := range Clients() {
		if c.ID == "" || c.Name == "" || ids[c.ID] || !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(c.ID) {
			t.Errorf("%q: id or name", c.ID)
		}
		ids[c.ID] = true
		if formats[c.Format] == nil || len(c.Servers) != 1 || len(c.Stdio) == 0 {
			t.Errorf("%s: format, servers or stdio", c.ID)
		}
		if c.Lock != "" && lockProtocols[c.Lock] == nil || !slices.Contains([]string{"", "stdio"}, c.Prefer) || len(c.HTTP) == 0 && c.Prefer == "" {
			t.Errorf("%s: lock or prefer", c.ID)
		}
		for _, o := range []object{c.HTTP, c.Stdio} {
			if len(o) > 0 && linkOf(plain(o)) == "" {
				t.Errorf("%s: %v points nowhere that is known as a link", c.ID, o)
			}
		}
		for _, f := range slices.Concat(c.First, c.FirstURL) {
			if slices.Contains(linkKeys, f.key) {
				t.Errorf("%s: %s is both ours and the person's", c.ID, f.key)
			}
		}
		if c.Names != "" {
			regexp.MustCompile(c.Names)
		}
		if c.ByHand {
			continue
		}
		for _, goos := range []string{"linux", "darwin", "windows", "freebsd"} {
			if len(c.Files.on(goos)) == 0 || len(c.Detect.on(goos)) == 0 {
				t.Errorf("%s: no file or no trace on %s", c.ID, goos)
			}
		}
		if err := c.checkName("company-tools"); err != nil {
			t.Error(err)
		}
	}
	for _, id := range []string{"claude-desktop", "claude-code", "cursor", "vscode", "vscode-insiders", "codex", "gemini-cli", "windsurf", "zed", "cline",
		"lm-studio", "opencode", "kiro", "copilot-cli", "antigravity", "continue", "goose", "qwen-code", "crush", "amp", "factory-droid", "jetbrains-ai-assistant", "junie"} {
		if _, err := writable(id); err != nil {
			t.Error(err)
		}
	}
	if c, _ := ClientByID("claude-desktop"); c.HTTP != nil {
		t.Error("Claude Desktop gets a URL")
	}
}

var systems = map[string]map[string]string{
	"darwin":  {"HOME": "/Users/u"},
	"linux":   {"HOME": "/home/u"},
	"windows": {"USERPROFILE": `C:\Users\u`, "APPDATA": `C:\Users\u\AppData\Roaming`, "LOCALAPPDATA": `C:\Users\u\AppData\Local`},
}

// TestPlaces holds the paths of every client on every system.
func TestPlaces(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, c := range Clients() {
		for _, goos := range []string{"darwin", "linux", "windows"} {
			s := system{goos, func(name string) string { return systems[goos][name] }}
			for _, template := range c.Files.on(goos) {
				if path, pinned := s.expand(template); path != "" {
					fmt.Fprintf(&b, "%s %s %s\n", c.ID, goos, path)
					if pinned {
						t.Errorf("%s is pinned by nothing", path)
					}
				}
			}
			for _, template := range c.Also.on(goos) {
				if path, _ := s.expand(template); path != "" {
					fmt.Fprintf(&b, "%s %s also: %s\n", c.ID, goos, path)
				}
			}
			for _, template := range c.Detect.on(goos) {
				if path, _ := s.expand(template); path != "" {
					fmt.Fprintf(&b, "%s %s installed: %s\n", c.ID, goos, path)
				}
			}
		}
		for _, program := range c.Detect.On {
			fmt.Fprintf(&b, "%s installed: %s on PATH\n", c.ID, program)
		}
	}
	const name = "testdata/places.golden"
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != strings.ReplaceAll(string(want), "\r", "") {
		t.Errorf("the places changed; see the difference after -update")
	}
}

func TestVariablesMoveFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ id, name, value, want string }{
		{"codex", "CODEX_HOME", "/x", "/x/config.toml"},
		{"claude-code", "CLAUDE_CONFIG_DIR", "/x", "/x/.claude.json"},
		{"gemini-cli", "GEMINI_CLI_HOME", "/x", "/x/.gemini/settings.json"},
		{"cline", "CLINE_MCP_SETTINGS_PATH", "/x/y.json", "/x/y.json"},
		{"cline", "CLINE_DIR", "/x", "/x/data/settings/cline_mcp_settings.json"},
		{"zed", "FLATPAK_XDG_CONFIG_HOME", "/x", "/x/zed/settings.json"},
		{"zed", "XDG_CONFIG_HOME", "/x", "/x/zed/settings.json"},
		{"claude-desktop", "XDG_CONFIG_HOME", "/x", "/x/Claude/claude_desktop_config.json"},
		{"claude-desktop", "XDG_CONFIG_HOME", "relative", "/home/u/.config/Claude/claude_desktop_config.json"},
		{"crush", "CRUSH_GLOBAL_CONFIG", "/x", "/x/crush.json"},
		{"copilot-cli", "COPILOT_HOME", "/x", "/x/mcp-config.json"},
		{"goose", "GOOSE_PATH_ROOT", "/x", "/x/config/config.yaml"},
		{"continue", "CONTINUE_GLOBAL_DIR", "/x", "/x/mcpServers/mcpauth-tray.json"},
	} {
		s := system{"linux", func(name string) string {
			return map[string]string{"HOME": "/home/u", c.name: c.value}[name]
		}}
		client, err := ClientByID(c.id)
		if err != nil {
			t.Fatal(err)
		}
		if files, err := s.files(client); err != nil || files[0] != c.want {
			t.Errorf("%s with %s=%s: %v, %v", c.id, c.name, c.value, files, err)
		}
	}
	c, _ := ClientByID("cursor")
	if _, err := (system{"linux", func(string) string { return "" }}).files(c); err == nil {
		t.Error("a file without a home")
	}
}

func TestWhichFile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if got := l.file("opencode"); filepath.Base(got) != "opencode.jsonc" {
		t.Error(got)
	}
	l.write(l.path(".config/opencode/opencode.json"), "{}")
	if got := l.file("opencode"); filepath.Base(got) != "opencode.json" {
		t.Error(got)
	}
	l.write(l.path(".config/opencode/opencode.jsonc"), "{}")
	if got := l.file("opencode"); filepath.Base(got) != "opencode.jsonc" {
		t.Error(got)
	}

	c, _ := ClientByID("windsurf")
	l.mkdir(l.path(".codeium/windsurf"))
	if files, _ := l.editor.system.files(c); len(files) != 1 || files[0] != l.path(".codeium/windsurf/mcp_config.json") {
		t.Error(files)
	}
	l.mkdir(l.path(".config/devin"))
	files, _ := l.editor.system.files(c)
	if len(files) != 2 {
		t.Fatal(files)
	}
	plans, err := l.editor.Write(t.Context(), "windsurf", Task{Set: []Entry{tools}})
	if err != nil || len(plans) != 2 || !exists(files[0]) || !exists(files[1]) {
		t.Errorf("%v, %v", plans, err)
	}
	if err := l.undo("windsurf"); err != nil || exists(files[0]) || exists(files[1]) {
		t.Errorf("undo: %v", err)
	}
}

// TestProfilesOfAnEditor: those of VS Code that have servers of their own get ours, and
// one that cannot be read does not keep the others from it.
func TestProfilesOfAnEditor(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	main, work, broken := l.file("vscode"), l.path(".config/Code/User/profiles/-1a2b/mcp.json"), l.path(".config/Code/User/profiles/3c4d/mcp.json")
	text := strings.Replace(others, "mcpServers", "servers", 1)
	l.write(main, text)
	l.write(work, text)
	l.mkdir(l.path(".config/Code/User/profiles/without"))
	plans, err := l.editor.Write(t.Context(), "vscode", Task{Set: []Entry{tools}})
	if err != nil || len(plans) != 2 || l.read(main) == text || l.read(work) != l.read(main) {
		t.Fatalf("%v, %v, %s", plans, err, l.read(work))
	}
	l.debris(l.path(".config/Code/User/profiles/without"))
	if rows, err := l.editor.Look("vscode", []Entry{tools}); err != nil || len(rows) != 2 || rows[1].File != work || rows[1].Entries[0].State != Current {
		t.Errorf("%+v, %v", rows, err)
	}
	l.write(broken, "{ broken")
	plans, err = l.editor.Write(t.Context(), "vscode", Task{Set: []Entry{moved}})
	if err != nil || len(plans) != 2 || len(plans[0].Notes) != 1 || !strings.Contains(plans[0].Notes[0], broken) || !strings.Contains(l.read(work), moved.URL) {
		t.Errorf("%v, %v", plans, err)
	}
	l.want(broken, "{ broken")
	if _, err := l.editor.Write(t.Context(), "vscode", Task{Drop: []Entry{tools}}); err != nil {
		t.Fatal(err)
	}
	l.want(main, text)
	l.want(work, text)
	l.env["VSCODE_PORTABLE"] = l.path("portable")
	if got, want := l.editor.Files("vscode"), []string{l.path("portable/user-data/User/mcp.json")}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestPackagedClient is the way of Claude Desktop on Windows, with this system's paths.
func TestPackagedClient(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := &Client{ID: "x", Name: "X", Files: places{"linux": {"~/Packages/Claude_*/Roaming/config.json", "~/Roaming/config.json"}}}
	want := func(path string) {
		t.Helper()
		files, err := l.editor.system.files(c)
		if err != nil || len(files) != 1 || files[0] != l.path(path) {
			t.Errorf("%v, %v; want %s", files, err, path)
		}
	}
	l.write(l.path("Roaming/config.json"), "{}")
	want("Roaming/config.json")
	l.mkdir(l.path("Packages/Other_abc"))
	want("Roaming/config.json")
	l.mkdir(l.path("Packages/Claude_abc"))
	want("Packages/Claude_abc/Roaming/config.json")
	l.mkdir(l.path("Packages/Claude_def"))
	if _, err := l.editor.system.files(c); err == nil {
		t.Error("one of two was guessed")
	}
	l.write(l.path("Packages/Claude_def/Roaming/config.json"), "{}")
	want("Packages/Claude_def/Roaming/config.json")
	l.write(l.path("Packages/Claude_abc/Roaming/config.json"), "{}")
	if _, err := l.editor.system.files(c); err == nil {
		t.Error("one of two with a file was guessed")
	}
}

func TestInstalled(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, c := range Clients() {
		if l.editor.Installed(c.ID) {
			t.Errorf("%s in an empty home", c.ID)
		}
	}
	l.mkdir(l.path(".cursor"))
	l.mkdir(l.path(".gemini/antigravity"))
	l.mkdir(l.path("bin"))
	l.env["PATH"] = l.path("bin")
	l.write(l.path("bin/codex"), "")
	if l.editor.Installed("codex") {
		t.Error("a file that cannot be run")
	}
	if err := os.Chmod(l.path("bin/codex"), 0o755); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"cursor": true, "antigravity": true, "gemini-cli": false, "codex": true, "nonsense": false} {
		if got := l.editor.Installed(id); got != want {
			t.Errorf("%s: %v", id, got)
		}
	}
}

func TestUnknownAndByHand(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if _, err := l.editor.Plan("nonsense", Task{}); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("error %v", err)
	}
	if _, err := l.editor.Plan("warp", Task{Set: []Entry{tools}}); err == nil || !strings.Contains(err.Error(), "Warp") {
		t.Errorf("error %v", err)
	}
}

func TestSnippets(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var b strings.Builder
	for _, c := range Clients() {
		s, err := l.editor.Snippet(c.ID, tools)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := formats[c.Format](s.Text, c.Servers, ""); err != nil && !c.List {
			t.Errorf("%s: %v", c.ID, err)
		}
		if s.File == "" && s.Note == "" && len(c.Files.on("linux")) > 0 {
			t.Errorf("%s: nobody knows where it goes", c.ID)
		}
		fmt.Fprintf(&b, "== %s: %s\n%s", c.ID, strings.ReplaceAll(s.File, l.home, "~"), s.Text)
	}
	const name = "testdata/snippets.golden"
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || b.String() != string(want) {
		t.Errorf("the snippets changed (%v); see the difference after -update", err)
	}
	if _, err := l.editor.Snippet("cursor", Entry{Profile: "a", URL: "https://example.com"}); err == nil {
		t.Error("a snippet of something else")
	}
}
