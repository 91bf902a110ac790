package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/clientconfig"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// keeperLab is a home with clients in it and a keeper, whose time is played.
type keeperLab struct {
	t      *testing.T
	home   string
	runs   bool // Claude Desktop does
	keeper *keeper
	log    bytes.Buffer
	wishes []supervisor.Wish
	last   supervisor.ClientOutcome
}

const (
	claudeFile = ".config/Claude/claude_desktop_config.json"
	cursorFile = ".cursor/mcp.json"
	foreignMap = "{\n  // mine\n  \"mcpServers\": {\"github\": {\"url\": \"https://github.example/mcp\"}}\n}\n"
)

// playKeeper runs script in a home with a folder of Claude Desktop and one of Cursor.
func playKeeper(t *testing.T, script func(l *keeperLab)) {
	t.Helper()
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the paths of this test are those of Linux")
	}
	synctest.Test(t, func(t *testing.T) {
		l := &keeperLab{t: t, home: t.TempDir()}
		for _, file := range []string{claudeFile, cursorFile} {
			if err := os.MkdirAll(filepath.Dir(l.path(file)), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		l.restart("/opt/mcpauth-tray")
		script(l)
	})
}

func (l *keeperLab) path(rel string) string { return filepath.Join(l.home, rel) }

// restart makes the keeper anew, as a new start of the app at that path does.
func (l *keeperLab) restart(exe string) {
	l.t.Helper()
	log := slog.New(slog.NewTextHandler(&l.log, nil))
	editor, err := clientconfig.New(clientconfig.Options{StateDir: l.path("state"), Exe: exe, Logger: log,
		Getenv:  func(name string) string { return map[string]string{"HOME": l.home}[name] },
		Running: func(string) bool { return l.runs }})
	if err != nil {
		l.t.Fatal(err)
	}
	l.keeper = &keeper{editor: editor, log: log}
}

// keep has the keeper look, as the supervisor does, and returns the answers to requests.
func (l *keeperLab) keep(requests ...supervisor.Action) []error {
	l.t.Helper()
	l.last = l.keeper.keep(l.t.Context(), supervisor.ClientTask{Wishes: slices.Clone(l.wishes), Requests: requests})
	return l.last.Answers
}

// pass lets time pass, with every look that is due in it.
func (l *keeperLab) pass(d time.Duration) {
	l.t.Helper()
	for end := time.Now().Add(d); time.Now().Add(l.last.Again).Before(end); {
		time.Sleep(l.last.Again)
		l.keep()
	}
}

func (l *keeperLab) write(rel, text string) {
	l.t.Helper()
	if err := os.WriteFile(l.path(rel), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

func (l *keeperLab) read(rel string) string {
	l.t.Helper()
	data, err := os.ReadFile(l.path(rel))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.t.Fatal(err)
	}
	return string(data)
}

// want checks a client as it was shown last.
func (l *keeperLab) want(id string, state status.ClientState, waiting bool, says string) status.Client {
	l.t.Helper()
	for _, c := range l.last.Clients {
		if c.ID != id {
			continue
		}
		if c.State != state || c.Waiting != waiting || (says == "") != (c.Detail == "") || !strings.Contains(c.Detail, says) {
			l.t.Errorf("%+v, want it %s, waiting %v, saying %q", c, state, waiting, says)
		}
		return c
	}
	l.t.Errorf("%s is not shown: %+v", id, l.last.Clients)
	return status.Client{}
}

func wish(profile, port string, clients ...string) supervisor.Wish {
	return supervisor.Wish{Profile: profile, URL: "http://127.0.0.1:" + port + "/mcp", Clients: clients}
}

func TestKeepWritesWhatIsAskedForAndInstalled(t *testing.T) {
	playKeeper(t, func(l *keeperLab) {
		l.write(cursorFile, foreignMap)
		l.write(".claude.json", "{ broken") // Claude Code is installed, and nobody asks for it
		l.wishes = []supervisor.Wish{wish("a", "7801", "claude-desktop", "cursor", "zed"), wish("b", "7802", "cursor")}
		l.keep()
		l.want("claude-desktop", status.ClientCurrent, false, "")
		cursor := l.want("cursor", status.ClientCurrent, false, "")
		if len(cursor.Profiles) != 2 || !cursor.Profiles[1].Asked {
			t.Errorf("%+v", cursor)
		}
		if text := l.read(cursorFile); !strings.Contains(text, "7801") || !strings.Contains(text, "7802") || !strings.Contains(text, "// mine\n") {
			t.Error(text)
		}
		if text := l.read(claudeFile); !strings.Contains(text, `"bridge", "a"`) || strings.Contains(text, `"b"`) {
			t.Error(text)
		}
		code := l.want("claude-code", status.ClientMissing, false, "")
		if len(code.Profiles) != 2 || code.Profiles[0].Asked || code.File != l.path(".claude.json") {
			t.Errorf("%+v", code)
		}
		if len(l.last.Clients) != 3 {
			t.Errorf("more is shown than is installed: %+v", l.last.Clients)
		}
		if _, err := os.Stat(l.path(".config/zed")); err == nil {
			t.Error("a folder was made for a client that is not installed")
		}
		if n := strings.Count(l.log.String(), "\n"); n != 2 || !strings.Contains(l.log.String(), `level=INFO msg="a client's config was changed" client=cursor file=`+l.path(cursorFile)+` changes="add a, add b"`) {
			t.Errorf("it logged\n%s", &l.log)
		}
		before := l.log.Len()
		l.pass(time.Hour)
		if l.log.Len() != before {
			t.Errorf("an hour of nothing logged\n%s", l.log.String()[before:])
		}

		l.restart("/usr/bin/mcpauth-tray")
		l.keep()
		if text := l.read(claudeFile); !strings.Contains(text, `"/usr/bin/mcpauth-tray"`) {
			t.Errorf("the app moved: %s", text)
		}
		l.wishes = l.wishes[1:]
		l.wishes[0].URL = "http://127.0.0.1:7900/x"
		l.keep()
		if text := l.read(cursorFile); strings.Contains(text, "7801") || !strings.Contains(text, "7900/x") {
			t.Error(text)
		}
		if text := l.read(claudeFile); text != "" {
			t.Errorf("the file that we made is left: %s", text)
		}
		l.wishes[0].Clients = nil
		l.keep()
		if text := l.read(cursorFile); text != foreignMap {
			t.Errorf("left: %s", text)
		}
	})
}

func TestKeepWaitsForClaudeDesktopToQuit(t *testing.T) {
	playKeeper(t, func(l *keeperLab) {
		l.write(claudeFile, foreignMap)
		l.runs = true
		l.wishes = []supervisor.Wish{wish("a", "7801", "claude-desktop")}
		l.keep()
		l.want("claude-desktop", status.ClientMissing, true, "waits until Claude Desktop is quit")
		if l.last.Again != 2*time.Second {
			t.Errorf("it looks again in %v", l.last.Again)
		}
		l.pass(time.Hour)
		if text := l.read(claudeFile); text != foreignMap {
			t.Fatalf("it was written meanwhile: %s", text)
		}
		l.runs = false
		l.pass(5 * time.Second)
		l.want("claude-desktop", status.ClientCurrent, false, "")
		if n := strings.Count(l.log.String(), "level=INFO"); n != 1 {
			t.Errorf("it logged\n%s", &l.log)
		}
	})
}

func TestApplyAnyway(t *testing.T) {
	playKeeper(t, func(l *keeperLab) {
		l.write(claudeFile, foreignMap)
		l.runs = true
		l.wishes = []supervisor.Wish{wish("a", "7801", "claude-desktop")}
		l.keep()
		anyway := supervisor.Action{Verb: supervisor.WriteClients, Client: "claude-desktop", Force: true}
		if err := l.keep(anyway)[0]; err != nil {
			t.Fatal(err)
		}
		l.want("claude-desktop", status.ClientCurrent, false, "")
		l.pass(time.Second)
		l.write(claudeFile, foreignMap) // Claude Desktop, from its memory
		l.pass(time.Minute)
		l.want("claude-desktop", status.ClientMissing, true, "dropped our entry when it saved its settings; it is put back once Claude Desktop has quit")
		if text := l.read(claudeFile); text != foreignMap {
			t.Fatalf("it was put back at once: %s", text)
		}
		l.runs = false
		l.pass(5 * time.Second)
		l.want("claude-desktop", status.ClientCurrent, false, "")
		l.runs = true
		l.write(claudeFile, foreignMap)
		l.pass(3 * time.Minute)
		l.runs = false
		l.pass(3 * time.Minute)
		l.want("claude-desktop", status.ClientMissing, false, "a: it was taken out; mcpauth-tray clients write claude-desktop adds it again")
		if text := l.read(claudeFile); text != foreignMap {
			t.Errorf("it was put back twice: %s", text)
		}
	})
}

func TestWhatOutlivedClaudeDesktopMayBeTakenOut(t *testing.T) {
	playKeeper(t, func(l *keeperLab) {
		l.write(claudeFile, foreignMap)
		l.runs = true
		l.wishes = []supervisor.Wish{wish("a", "7801", "claude-desktop")}
		l.keep(supervisor.Action{Verb: supervisor.WriteClients, Client: "claude-desktop", Profile: "a", Force: true})
		l.pass(time.Hour)
		l.runs = false
		l.pass(2 * time.Minute)
		l.write(claudeFile, foreignMap) // a person, who does not want it
		l.pass(2 * time.Minute)
		l.want("claude-desktop", status.ClientMissing, false, "it was taken out")
	})
}

func TestAPersonsWishes(t *testing.T) {
	playKeeper(t, func(l *keeperLab) {
		l.wishes = []supervisor.Wish{wish("a", "7801", "cursor"), wish("b", "7802")}
		l.keep()
		with := l.read(cursorFile)
		l.write(cursorFile, foreignMap)
		l.keep(supervisor.Action{Verb: supervisor.LookAtClients})
		l.want("cursor", status.ClientMissing, false, "a: it was taken out; mcpauth-tray clients write cursor adds it again")
		l.restart("/elsewhere/mcpauth-tray")
		l.wishes[0].URL = "http://127.0.0.1:7900/mcp"
		l.keep()
		if text := l.read(cursorFile); text != foreignMap {
			t.Errorf("it came back: %s", text)
		}
		add := func(profile, client string) error {
			t.Helper()
			return l.keep(supervisor.Action{Verb: supervisor.WriteClients, Client: client, Profile: profile})[0]
		}
		if err := add("", "cursor"); err != nil || with == "" {
			t.Error(err)
		}
		l.want("cursor", status.ClientCurrent, false, "")

		// What a person adds stays, and is kept right.
		l.runs = true
		if err := errors.Join(add("b", "cursor"), add("b", "claude-desktop")); err != nil {
			t.Fatal(err)
		}
		if c := l.want("claude-desktop", status.ClientMissing, true, "waits until"); len(c.Profiles) != 2 || !c.Profiles[1].Asked || c.Profiles[0].Asked {
			t.Errorf("%+v", c)
		}
		l.runs = false
		l.pass(5 * time.Second)
		l.want("claude-desktop", status.ClientCurrent, false, "")
		l.wishes = []supervisor.Wish{wish("a", "7801"), wish("b", "7999")}
		l.keep()
		if text := l.read(cursorFile); strings.Contains(text, "7801") || !strings.Contains(text, "7999") {
			t.Error(text)
		}
		l.want("claude-desktop", status.ClientCurrent, false, "")

		var fault *supervisor.Fault
		if err := add("", "zed"); !errors.As(err, &fault) || err.Error() != "no profile asks for zed" {
			t.Errorf("error %v", err)
		}
		if err := add("a", "nonsense"); !errors.Is(err, clientconfig.ErrUnknownClient) {
			t.Errorf("error %v", err)
		}
		l.write(cursorFile, strings.ReplaceAll(foreignMap, "github", "a"))
		err := add("a", "cursor")
		if !errors.As(err, &fault) || !errors.Is(err, clientconfig.ErrForeign) || fault.Action == "" {
			t.Errorf("error %v", err)
		}
	})
}

// TestAWishOutlivesTheApp: what a person asked for while the client ran is done after a
// restart of the app, unless it, its profile or its client went.
func TestAWishOutlivesTheApp(t *testing.T) {
	playKeeper(t, func(l *keeperLab) {
		l.write(claudeFile, foreignMap)
		l.runs = true
		l.wishes = []supervisor.Wish{wish("a", "7801"), wish("b", "7802"), wish("c", "7803"), wish("d", "7804")}
		for _, profile := range []string{"a", "b", "c"} {
			if err := l.keep(supervisor.Action{Verb: supervisor.WriteClients, Client: "claude-desktop", Profile: profile})[0]; err != nil {
				t.Fatal(err)
			}
		}
		l.restart("/opt/mcpauth-tray")
		l.wishes = l.wishes[:3]
		l.keep()
		c := l.want("claude-desktop", status.ClientMissing, true, "waits until Claude Desktop is quit")
		if len(c.Profiles) != 3 || !c.Profiles[0].Asked || !c.Profiles[2].Asked {
			t.Errorf("%+v", c)
		}
		if _, err := l.keeper.editor.Write(l.t.Context(), "claude-desktop", clientconfig.Task{Drop: []clientconfig.Entry{{Profile: "b"}}}); err != nil {
			t.Fatal(err) // as clients remove does
		}
		l.wishes = l.wishes[:2]
		l.keep()
		if text := l.read(claudeFile); text != foreignMap {
			t.Fatalf("it was written meanwhile: %s", text)
		}
		l.restart("/opt/mcpauth-tray")
		l.runs = false
		l.keep()
		if text := l.read(claudeFile); !strings.Contains(text, `"bridge", "a"`) || strings.Contains(text, `"b"`) {
			t.Errorf("it is %s", text)
		}
		l.wishes = append(l.wishes, wish("c", "7803"))
		l.keep()
		if text := l.read(claudeFile); strings.Contains(text, `"c"`) {
			t.Errorf("a profile that was gone came back with an old wish: %s", text)
		}
		if left, err := l.keeper.editor.Orders(); len(left) != 0 || err != nil {
			t.Errorf("%+v, %v", left, err)
		}

		l.runs = true
		if err := l.keep(supervisor.Action{Verb: supervisor.WriteClients, Client: "claude-desktop", Profile: "b"})[0]; err != nil {
			t.Fatal(err)
		}
		l.runs = false
		if err := os.RemoveAll(filepath.Dir(l.path(claudeFile))); err != nil {
			t.Fatal(err)
		}
		l.restart("/opt/mcpauth-tray")
		l.keep()
		if text := l.read(claudeFile); text != "" {
			t.Errorf("written for a client that is gone: %s", text)
		}
	})
}

func TestKeepLeavesForeignEntriesAlone(t *testing.T) {
	playKeeper(t, func(l *keeperLab) {
		theirs := strings.ReplaceAll(foreignMap, "github", "a")
		l.write(cursorFile, theirs)
		l.wishes = []supervisor.Wish{wish("a", "7801", "cursor"), wish("b", "7802", "cursor")}
		l.keep()
		l.want("cursor", status.ClientForeign, false, `a: the entry "a" is left alone: it is not from this app; mcpauth-tray clients write cursor --profile a adds ours with --name, or replaces it with --force`)
		if text := l.read(cursorFile); !strings.Contains(text, "https://a.example/mcp") || !strings.Contains(text, "7802") {
			t.Error(text)
		}
		l.wishes = nil
		l.keep()
		if text := l.read(cursorFile); text != theirs {
			t.Error(text)
		}
	})
}

func TestKeepAndAFileThatCannotBeRead(t *testing.T) {
	playKeeper(t, func(l *keeperLab) {
		l.write(cursorFile, "{ broken")
		l.wishes = []supervisor.Wish{wish("a", "7801", "cursor")}
		l.keep()
		l.want("cursor", status.ClientUnreadable, false, l.path(cursorFile)+":1:")
		if l.last.Again < 50*time.Second {
			t.Errorf("it looks again in %v", l.last.Again)
		}
		if n := strings.Count(l.log.String(), "level=WARN"); n != 1 {
			t.Errorf("it logged\n%s", &l.log)
		}
		l.write(cursorFile, " ")
		l.pass(2 * time.Minute)
		l.want("cursor", status.ClientUnreadable, false, "is empty, which may not be meant so")
		l.write(cursorFile, foreignMap)
		l.pass(2 * time.Minute)
		l.want("cursor", status.ClientCurrent, false, "")
	})
}

func TestKeepWithoutItsMemory(t *testing.T) {
	playKeeper(t, func(l *keeperLab) {
		l.wishes = []supervisor.Wish{wish("a", "7801", "cursor")}
		l.keep()
		before := l.read(cursorFile)
		l.write("state/clients/owned.json", "{ broken")
		l.wishes = []supervisor.Wish{wish("a", "7900", "cursor")}
		err := l.keep(supervisor.Action{Verb: supervisor.WriteClients, Client: "cursor"})[0]
		if err == nil || !strings.Contains(err.Error(), "owned.json") {
			t.Errorf("error %v", err)
		}
		l.want("cursor", status.ClientUnreadable, false, "cannot read which entries of clients are ours")
		if text := l.read(cursorFile); text != before {
			t.Error(text)
		}
	})
}

// TestKeepOpensNothingWithoutReason changes a file so that its size and time stay.
func TestKeepOpensNothingWithoutReason(t *testing.T) {
	playKeeper(t, func(l *keeperLab) {
		l.write(cursorFile, foreignMap)
		l.wishes = []supervisor.Wish{wish("a", "7801", "cursor")}
		l.keep()
		info, err := os.Stat(l.path(cursorFile))
		if err != nil {
			t.Fatal(err)
		}
		l.write(cursorFile, strings.Replace(l.read(cursorFile), "7801", "7802", 1))
		if err := os.Chtimes(l.path(cursorFile), info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		l.pass(time.Hour)
		l.want("cursor", status.ClientCurrent, false, "")
		l.keep(supervisor.Action{Verb: supervisor.LookAtClients})
		l.want("cursor", status.ClientForeign, false, "somebody pointed it elsewhere")
	})
}

func TestClientsThatComeAndGo(t *testing.T) {
	playKeeper(t, func(l *keeperLab) {
		l.wishes = []supervisor.Wish{wish("a", "7801", "cursor", "windsurf", "zed"), {Profile: "off", Clients: []string{"cursor"}, Idle: true}}
		l.keep()
		if text := l.read(cursorFile); strings.Contains(text, "off") {
			t.Errorf("what is not served was added: %s", text)
		}
		if err := os.MkdirAll(l.path(".config/zed"), 0o700); err != nil { // somebody installs Zed
			t.Fatal(err)
		}
		l.pass(2 * time.Minute)
		l.want("zed", status.ClientCurrent, false, "")

		l.wishes[0].Idle = true
		l.wishes[0].URL = "http://127.0.0.1:7900/mcp"
		l.keep()
		if text := l.read(cursorFile); !strings.Contains(text, "7900") {
			t.Errorf("a profile that is not served has no right entry any more: %s", text)
		}
		if err := os.RemoveAll(l.path(".cursor")); err != nil {
			t.Fatal(err)
		}
		l.wishes = nil
		l.pass(2 * time.Minute)
		if len(l.last.Clients) != 2 { // Claude Desktop and Zed
			t.Errorf("%+v", l.last.Clients)
		}
		if _, err := os.Stat(l.path(".cursor")); err == nil {
			t.Error("the folder of a client that was removed is there again")
		}
	})
}
