package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// clientsApp is an app in a home with a folder of Claude Desktop and one of Cursor.
type clientsApp struct {
	*app
	home string
}

func newClientsApp(t *testing.T, yaml string) *clientsApp {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the paths of this test are those of Linux")
	}
	if clientRunning("claude-desktop") {
		t.Skip("Claude Desktop is running here, and would be waited for")
	}
	home := t.TempDir()
	a := &clientsApp{newApp(t, yaml, "HOME="+home), home}
	for _, file := range []string{claudeFile, cursorFile} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(home, file)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func (a *clientsApp) write(rel, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.home, rel), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// read returns an empty text for a file that is not there.
func (a *clientsApp) read(rel string) string {
	a.t.Helper()
	data, err := os.ReadFile(filepath.Join(a.home, rel))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.t.Fatal(err)
	}
	return string(data)
}

// becomes waits for a file to have a text.
func (a *clientsApp) becomes(rel, text string) {
	a.t.Helper()
	defer func() {
		if got := a.read(rel); got != text {
			a.t.Errorf("%s is\n%s\nwant\n%s", rel, got, text)
		}
	}()
	a.eventually(rel+" to change", func() bool { return a.read(rel) == text })
}

// looked waits until the app has looked at clients' configs, whatever it found.
func (a *clientsApp) looked() *status.Snapshot {
	a.t.Helper()
	a.run("clients", "remove", "--profile", "no-such-profile")
	return a.until("clients to be shown", func(s *status.Snapshot) bool { return len(s.Clients) > 0 })
}

// client waits until one client is shown in a state.
func (a *clientsApp) client(id string, state status.ClientState) status.Client {
	a.t.Helper()
	var found status.Client
	a.until(id+" to be "+string(state), func(s *status.Snapshot) bool {
		for _, c := range s.Clients {
			if c.ID == id && c.State == state {
				found = c
				return true
			}
		}
		return false
	})
	return found
}

// named is the test binary under a name of its own, which is the path it is known by.
func named(t *testing.T, path string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Link(exe, path) == nil {
		return path
	}
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	writeProgram(t, path, data)
	return path
}

// cursorWith is Cursor's config of a person, with entries of ours.
func cursorWith(entries ...string) string {
	comma := ""
	if len(entries) > 0 {
		comma = ","
	}
	return "{\n  // servers of mine\n  \"mcpServers\": {\n    \"github\": {\"url\": \"https://github.example/mcp\"}" + comma + " /* kept */\n" +
		strings.Join(entries, ",\n") + strings.Replace(comma, ",", "\n", 1) + "  },\n}\n"
}

func cursorEntry(name, url string) string {
	return "    \"" + name + "\": {\n      \"url\": \"" + url + "\"\n    }"
}

func TestClientsFollowTheProfiles(t *testing.T) {
	t.Parallel()
	box := newBox(t, sandbox.Options{Open: true})
	port, other := freePort(t), freePort(t)
	yaml := func(clients string, profiles ...string) string {
		return strings.Replace(inMemory, "settings: {", "settings: {clients: "+clients+", ", 1) + strings.Join(profiles, "")
	}
	one := func(more string) string {
		return openProfile("one", box, ", listen: \"127.0.0.1:"+port+"\""+more)
	}
	two := func(more string) string {
		return openProfile("two", box, ", listen: \"127.0.0.1:"+other+"\""+more)
	}
	a := newClientsApp(t, yaml("[cursor]", one(", clients: [cursor, claude-desktop]"), two("")))
	a.exe = named(t, filepath.Join(a.dir, "first", "mcpauth-tray"))
	a.write(cursorFile, cursorWith())
	claude := func(exe string) string {
		return "{\n  \"mcpServers\": {\n    \"one\": {\n      \"command\": \"" + exe + "\",\n      \"args\": [\"bridge\", \"one\", \"--state-dir\", \"" +
			filepath.Join(a.dir, "state") + "\"]\n    }\n  }\n}\n"
	}
	local := func(port, path string) string { return "http://127.0.0.1:" + port + path }
	both := cursorWith(cursorEntry("one", local(port, "/mcp")), cursorEntry("two", local(other, "/mcp")))

	a.start()
	a.becomes(cursorFile, both)
	a.becomes(claudeFile, claude(a.exe))
	a.client("claude-desktop", status.ClientCurrent)

	a.run("pause")
	a.edit("version: 1\nprofiles: {one: {}}\n")
	a.until("the file to be refused", func(s *status.Snapshot) bool { return s.Config.Error != nil })
	a.looked()
	a.becomes(cursorFile, both) // neither changes anything
	a.run("resume")

	a.edit(yaml("[cursor]", one(", path: /x"), two(", enabled: false")))
	a.becomes(claudeFile, "")
	a.becomes(cursorFile, strings.Replace(both, port+"/mcp", port+"/x", 1))
	moved := freePort(t)
	a.edit(yaml("[cursor]", strings.Replace(one(""), port, moved, 1)))
	a.becomes(cursorFile, cursorWith(cursorEntry("one", local(moved, "/mcp"))))
	a.edit(yaml("[claude-desktop]", one("")))
	a.becomes(cursorFile, cursorWith())
	a.becomes(claudeFile, claude(a.exe))
	a.stop()

	// The app moves.
	a.exe = named(t, filepath.Join(a.dir, "second", "mcpauth-tray"))
	a.start()
	a.becomes(claudeFile, claude(a.exe))
	a.edit(yaml("[]", one("")))
	a.becomes(claudeFile, "")
	if text := a.log.String(); strings.Contains(text, "needs attention") {
		t.Errorf("something is said to need attention:\n%s", text)
	}
}

func TestWhatAPersonDidToAClientStays(t *testing.T) {
	t.Parallel()
	box := newBox(t, sandbox.Options{Open: true})
	yaml := strings.Replace(inMemory, "settings: {", "settings: {clients: [cursor, claude-desktop], ", 1)
	a := newClientsApp(t, yaml+openProfile("one", box, ""))
	theirs := "{\n  \"mcpServers\": {\n    \"one\": {\"command\": \"npx\", \"args\": [\"theirs\"]}\n  }\n}\n"
	a.write(claudeFile, theirs)
	a.write(cursorFile, cursorWith())
	a.start()
	url := a.waitPhase("one", status.Ready).URL
	with := cursorWith(cursorEntry("one", url))
	a.becomes(cursorFile, with)
	if c := a.client("claude-desktop", status.ClientForeign); !strings.Contains(c.Detail, "clients write claude-desktop --profile one") {
		t.Errorf("%+v", c)
	}
	if out := a.run("status"); !strings.Contains(out, "\nclaude-desktop: one: the entry \"one\" is left alone: it is not from this app; ") {
		t.Errorf("status does not say so:\n%s", out)
	}

	a.stop()
	a.write(cursorFile, cursorWith()) // a person takes it out
	a.start()
	if c := a.client("cursor", status.ClientMissing); c.Profiles[0].Profile != "one" || !c.Profiles[0].Asked {
		t.Errorf("%+v", c)
	}
	a.applied(func() { a.edit(yaml + openProfile("one", box, ", path: /x")) })
	a.looked()
	if text := a.read(cursorFile); text != cursorWith() {
		t.Errorf("it came back: %s", text)
	}
	a.run("clients", "write", "cursor") // and the app notices
	a.client("cursor", status.ClientCurrent)
	a.run("clients", "undo", "cursor")
	a.client("cursor", status.ClientMissing)
	if text := a.read(cursorFile); text != cursorWith() {
		t.Errorf("undo was undone: %s", text)
	}
	if text := a.read(claudeFile); text != theirs {
		t.Errorf("somebody else's entry is now %s", text)
	}
}

// TestTheAppWaitsForClaudeDesktop is not parallel: what it starts looks like Claude
// Desktop to every other test.
func TestTheAppWaitsForClaudeDesktop(t *testing.T) {
	a := newClientsApp(t, inMemory+"  one: {target: \"http://127.0.0.1:1/mcp\", sign_in: {method: none}}\n")
	desktop := process(t, named(t, filepath.Join(a.dir, "claude-desktop")))
	quit, err := desktop.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := desktop.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = desktop.Process.Kill(); _ = desktop.Wait() })
	a.write(claudeFile, "{}\n")
	a.start()
	if c := a.client("claude-desktop", status.ClientMissing); !c.Waiting || !strings.Contains(c.Detail, "waits until Claude Desktop is quit") {
		t.Errorf("%+v", c)
	}
	if text := a.read(claudeFile); text != "{}\n" {
		t.Errorf("it was written: %s", text)
	}
	if err := quit.Close(); err != nil {
		t.Fatal(err)
	}
	if err := desktop.Wait(); err != nil {
		t.Fatal(err)
	}
	a.client("claude-desktop", status.ClientCurrent)
	if text := a.read(claudeFile); !strings.Contains(text, `"bridge", "one"`) {
		t.Error(text)
	}
}

// TestOnlyTheAppKeepsClients: the commands that serve for a while leave clients alone.
func TestOnlyTheAppKeepsClients(t *testing.T) {
	t.Parallel()
	a := newClientsApp(t, "")
	a.run("demo", "--once")
	box := newBox(t, sandbox.Options{Open: true})
	startProxyIn(t, a.home, t.TempDir(), "visit-and-approve", "--target-uri", box.MCPURL(), "--token-store", "memory").stop()
	for _, file := range []string{claudeFile, cursorFile} {
		if text := a.read(file); text != "" {
			t.Errorf("%s was written: %s", file, text)
		}
	}
}

func TestProfilesWithTheSameToSayShareASentence(t *testing.T) {
	t.Parallel()
	said := also(also(also("", "a", ""), "b", "it is gone"), "c", "it is gone")
	if said = also(said, "d", "something else"); said != "b, c: it is gone" {
		t.Errorf("it says %q", said)
	}
}

// TestACopyOfGoRunIsInNoClient runs the app from where go run puts it.
func TestACopyOfGoRunIsInNoClient(t *testing.T) {
	t.Parallel()
	a := newClientsApp(t, `{version: 1, settings: {token_store: memory, clients: [claude-desktop, cursor]}, profiles: {
  a: {target: "https://mcp.example.com/mcp", listen: "127.0.0.1:`+freePort(t)+`", sign_in: {method: none}}}}`)
	lasting := a.exe
	a.exe = named(t, filepath.Join(a.dir, "go-build1", "b001", "exe", "mcpauth-tray"))
	const said = "which go run made and which does not last; install it first, with go install ./cmd/mcpauth-tray, and start that"
	a.write(cursorFile, cursorWith())
	a.start()
	if n := strings.Count(a.log.String(), said); n != 1 {
		t.Errorf("the app said %d times that it leaves clients alone:\n%s", n, a.log)
	}
	if s := a.status(); len(s.Clients) > 0 || s.Profile("a") == nil {
		t.Errorf("status is %+v", s)
	}
	for _, args := range [][]string{{"clients", "write", "cursor"}, {"clients", "write"}, {"import", "--swap", "--yes"}} {
		if out := a.fails(exitFailed, args...); !strings.Contains(out, said) || strings.Count(out, "\n") != 1 {
			t.Errorf("%q said %q", args, out)
		}
	}
	a.run("clients", "list")
	a.run("clients", "plan", "cursor")
	if out := a.run("clients", "snippet", "claude-desktop", "a"); !strings.Contains(out, said) {
		t.Errorf("a snippet that starts this copy came without a word:\n%s", out)
	}
	if got := a.read(cursorFile) + a.read(claudeFile); got != cursorWith() {
		t.Errorf("the clients' configs are now %s", got)
	}
	inPlace := a.exe
	a.exe = lasting
	a.run("clients", "write", "cursor")
	a.exe = inPlace
	a.run("clients", "remove", "cursor")
	a.run("clients", "undo", "cursor")
	a.run("clients", "undo", "cursor")
	if got := a.read(cursorFile); got != cursorWith() {
		t.Errorf("after remove and undo Cursor's config is %s", got)
	}
}
