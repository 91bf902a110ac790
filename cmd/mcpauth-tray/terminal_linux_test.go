package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/desktop"
	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/tray"
)

func TestEditCommand(t *testing.T) {
	home := t.TempDir()
	for name, value := range map[string]string{"HOME": home, "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "", "XDG_RUNTIME_DIR": "", desktop.EnvStateDir: "", desktop.EnvProfiles: ""} {
		t.Setenv(name, value)
	}
	for _, c := range []struct {
		name, profiles, state string
		env                   []string // variables that name these places, instead of flags
		edit                  tray.ClientEdit
		want                  string
	}{
		{name: "add", edit: tray.ClientEdit{Client: "cursor", Profile: "one"}, want: "write cursor --profile one"},
		{name: "replace", edit: tray.ClientEdit{Client: "zed", Profile: "one", Force: true}, want: "write zed --profile one --force"},
		{name: "remove", edit: tray.ClientEdit{Client: "zed", Profile: "one", Remove: true}, want: "remove zed --profile one"},
		{name: "other places", profiles: "/p q.yaml", state: "/s", edit: tray.ClientEdit{Client: "zed", Profile: "one"},
			want: "write zed --profile one --state-dir /s --profiles /p q.yaml"},
		{name: "other places by variables", profiles: "/p.yaml", state: "/s", env: []string{desktop.EnvProfiles, desktop.EnvStateDir},
			edit: tray.ClientEdit{Client: "zed", Profile: "one"}, want: "write zed --profile one --state-dir /s --profiles /p.yaml"},
		{name: "the usual places, named", profiles: home + "/.config/mcpauth-tray/profiles.yaml", state: home + "/.local/state/mcpauth-tray",
			edit: tray.ClientEdit{Client: "zed", Profile: "one"}, want: "write zed --profile one"},
		{name: "another file alone", profiles: "/p.yaml", edit: tray.ClientEdit{Client: "zed", Profile: "one"}, want: "write zed --profile one --profiles /p.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := pathsIn(c.profiles, c.state)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range c.env {
				t.Setenv(name, map[string]string{desktop.EnvProfiles: c.profiles, desktop.EnvStateDir: c.state}[name])
			}
			if got := strings.Join(editCommand(p, c.edit), " "); got != "clients "+c.want {
				t.Errorf("got %q, want %q", got, "clients "+c.want)
			}
		})
	}
}

// Without a terminal the person gets the command, word for word as a shell wants it.
func TestNoWindowForAClient(t *testing.T) {
	dir := t.TempDir()
	a := &application{options: appOptions{paths: paths{Folders: desktop.Folders{State: "/it's here", Profiles: "/p.yaml"}}}}
	exe, err := ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	want := exe + ` clients remove zed --profile one --state-dir '/it'\''s here' --profiles /p.yaml`
	for name, value := range map[string]string{"PATH": dir, "TERMINAL": "", "WAYLAND_DISPLAY": "", "WSL_DISTRO_NAME": "", "DISPLAY": ""} {
		t.Setenv(name, value)
	}
	edit := tray.ClientEdit{Client: "zed", Profile: "one", Remove: true}
	if err := a.editClient(edit); err == nil || !strings.HasSuffix(err.Error(), "Type this in a terminal: "+want) {
		t.Errorf("it said %v, want %s", err, want)
	}
	t.Setenv("DISPLAY", ":none")
	writeProgram(t, filepath.Join(dir, "xclip"), []byte("#!/bin/sh\nexec /bin/cat > "+dir+"/copied\n"))
	if err := a.editClient(edit); err == nil || !strings.HasSuffix(err.Error(), "it is on the clipboard: "+want) {
		t.Errorf("it said %v, want %s", err, want)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "copied")); err != nil || string(data) != want {
		t.Errorf("%q is on the clipboard, %v", data, err)
	}
}

// window is a program in a terminal, and the person before it.
type window struct {
	t     *testing.T
	said  *transcript
	keys  io.Writer
	ended chan error
}

// openWindow does what a click asks for, in a terminal, at home.
func openWindow(t *testing.T, a *app, home string, e tray.ClientEdit) *window {
	t.Helper()
	p, err := pathsIn(filepath.Join(a.dir, "profiles.yaml"), filepath.Join(a.dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	argv := slices.Concat([]string{a.exe}, editCommand(p, e), []string{"--" + flagHold})
	cmd := process(t, "script", "-qec", desktop.CommandLine(argv), os.DevNull)
	cmd.Env = append(os.Environ(), "HOME="+home, "SHELL=/bin/sh", "GORACE=atexit_sleep_ms=0")
	w := &window{t: t, said: &transcript{}, ended: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = w.said, w.said
	if w.keys, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		seat.Missing(t, "script (of util-linux)", err)
	}
	go func() { w.ended <- cmd.Wait() }()
	return w
}

// shows waits for a text in the window.
func (w *window) shows(text string) {
	w.t.Helper()
	defer w.tell()
	soon.Until(w.t, fmt.Sprintf("the window to show %q", text), func() bool { return strings.Contains(w.said.String(), text) })
}

// tell says what the window showed to a test that failed.
func (w *window) tell() {
	if w.t.Failed() {
		w.t.Logf("the window showed\n%s", w.said)
	}
}

func (w *window) types(keys string) {
	w.t.Helper()
	if _, err := io.WriteString(w.keys, keys); err != nil {
		w.t.Fatal(err)
	}
}

// closes waits for the window to be gone.
func (w *window) closes() {
	w.t.Helper()
	defer w.tell()
	soon.Receive(w.t, w.ended, "the window to close")
}

const (
	question = "? [y/N] "
	farewell = "Press Enter to close this window. "
)

func TestAWindowForAClient(t *testing.T) {
	t.Parallel()
	a, home := newApp(t, "version: 1\nprofiles:\n  one: {target: https://mcp.example.com/mcp, listen: 127.0.0.1:7801}\n"), t.TempDir()
	file := filepath.Join(home, ".cursor", "mcp.json")
	add, remove := tray.ClientEdit{Client: "cursor", Profile: "one"}, tray.ClientEdit{Client: "cursor", Profile: "one", Remove: true}
	entry := func(where string) {
		t.Helper()
		data, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if got := strings.Contains(string(data), `"http://127.0.0.1:7801/mcp"`); got != (where == "there") {
			t.Errorf("the entry has to be %s, and the file is %q", where, data)
		}
	}

	w := openWindow(t, a, home, add)
	w.shows(question)
	w.shows(`+      "url": "http://127.0.0.1:7801/mcp"`)
	entry("gone")
	w.types("y\n")
	w.shows(farewell)
	entry("there")
	select {
	case <-w.ended:
		t.Error("the window did not wait to be read")
	default:
	}
	w.types("\n")
	w.closes()

	w = openWindow(t, a, home, remove)
	w.shows(question)
	w.types("\x03") // Ctrl-C is an answer too, and the last word
	w.closes()
	entry("there")
	w = openWindow(t, a, home, remove)
	w.shows(question)
	w.types("y\n")
	w.shows(farewell)
	entry("gone")
	w.types("\x03")
	w.closes()

	// An entry of somebody else's is replaced when the person sees it go and agrees.
	theirs := `{"mcpServers": {"one": {"url": "https://elsewhere.example/mcp"}}}`
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	w = openWindow(t, a, home, add)
	w.shows("error: ")
	w.shows(farewell)
	w.types("\n")
	w.closes()
	entry("gone")
	add.Force = true
	w = openWindow(t, a, home, add)
	w.shows("Cursor: replace one")
	w.shows(question)
	w.types("y\n")
	w.shows(farewell)
	entry("there")
	w.types("\n")
	w.closes()
}

// A terminal in which somebody says yes to what they are asked. What it shows is kept
// beside it.
const yesTerminal = `#!/bin/sh
[ "$1" = -e ] && shift
for arg; do command="$command '$arg'"; done
printf 'y\n\n' | SHELL=/bin/sh exec script -aqec "$command" "$0.shown"
`

func TestAddToAClientFromTheTray(t *testing.T) {
	t.Parallel()
	home, box := t.TempDir(), newBox(t, sandbox.Options{Open: true})
	file := filepath.Join(home, ".cursor", "mcp.json")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	terminal := filepath.Join(home, "terminal")
	writeProgram(t, terminal, []byte(yesTerminal))
	t.Cleanup(func() {
		if shown, err := os.ReadFile(terminal + ".shown"); t.Failed() {
			t.Logf("the terminal showed (%v):\n%s", err, shown)
		}
	})
	s := seat.New(t)
	panel := s.StartPanel()
	a := newTrayApp(t, s, inMemory+openProfile("one", box, ""), "HOME="+home, "TERMINAL="+terminal, "DISPLAY=:none")
	a.launch()
	icon := iconOf(a, panel)

	icon.click("one*/Add to client/Cursor…")
	icon.line("one*/Add to client/Cursor — added")
	url := a.profile("one").URL
	if data, err := os.ReadFile(file); err != nil || !strings.Contains(string(data), `"`+url+`"`) {
		t.Errorf("Cursor's config is %q, %v", data, err)
	}
	icon.click("one*/Add to client/Remove from Cursor…")
	icon.line("one*/Add to client/Cursor…")
	if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), url) {
		t.Errorf("Cursor's config is %q", data)
	}
	a.run("quit")
	a.ends()
	a.cmd = nil
}
