package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// openProfile is a profile without a sign-in.
func openProfile(name string, box *sandbox.Sandbox, more string) string {
	return fmt.Sprintf("  %s: {target: %q, sign_in: {method: none}%s}\n", name, box.MCPURL(), more)
}

func allReady(s *status.Snapshot) bool {
	for _, p := range s.Profiles {
		if p.Phase != status.Ready {
			return false
		}
	}
	return len(s.Profiles) > 0
}

func TestAnEditLeavesOtherProfilesAlone(t *testing.T) {
	t.Parallel()
	box, other := newBox(t, sandbox.Options{Open: true}), newBox(t, sandbox.Options{Open: true})
	kept := openProfile("kept", box, "")
	a := newApp(t, inMemory+kept+openProfile("edited", box, ""))
	a.start()
	before := *a.until("both to be ready", allReady).Profile("kept")

	news := make(chan struct{}, 100)
	session := connect(t, before.URL, &mcp.ClientOptions{ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { news <- struct{}{} }})
	got(t, box, sandbox.KindMCP, "the client's stream", isStream)
	release := hold(t, box, sandbox.KindMCP)
	answer := say(t, session, "slowly")
	got(t, box, sandbox.KindMCP, "the call", isToolCall)

	for name, edit := range map[string]func(string){"in place": a.edit, "by replacement": a.replace} {
		s := a.applied(func() {
			edit(inMemory + kept + openProfile("edited", other, ", headers: {set: {X-Edit: "+strings.Fields(name)[0]+"}}"))
		})
		if row := s.Profile("kept"); !row.Since.Equal(before.Since) || row.URL != before.URL || row.Phase != status.Ready {
			t.Errorf("after an edit %s the other profile is %+v, want %+v", name, row, before)
		}
	}
	echoes(t, a.profile("edited").URL)
	if other.Count(sandbox.KindMCP) == 0 {
		t.Error("the edited profile still goes to its old target")
	}
	release()
	hears(t, answer, "slowly")
	box.Announce()
	soon.Receive(t, news, "news on the stream")
	streams := 0
	for _, r := range box.Requests(sandbox.KindMCP) {
		if isStream(r) {
			streams++
		}
	}
	if streams != 1 {
		t.Errorf("the client opened %d streams: the first did not last", streams)
	}

	s := a.applied(func() { a.edit(inMemory + kept + openProfile("new", other, "")) })
	if s.Profile("edited") != nil || s.Profile("new") == nil {
		t.Errorf("a profile gone and one come: %+v", s.Profiles)
	}
	echoes(t, a.waitPhase("new", status.Ready).URL)
}

func TestAChangedProfileKeepsItsAddress(t *testing.T) {
	t.Parallel()
	before, after := newBox(t, sandbox.Options{Open: true}), newBox(t, sandbox.Options{Open: true})
	listen := ", listen: \"127.0.0.1:" + freePort(t) + "\""
	a := newApp(t, inMemory+openProfile("one", before, listen))
	a.start()
	url := a.waitPhase("one", status.Ready).URL
	session := connect(t, url, nil)
	got(t, before, sandbox.KindMCP, "the client's stream", isStream)
	release := hold(t, before, sandbox.KindMCP)
	answer := say(t, session, "of the old one")
	got(t, before, sandbox.KindMCP, "the call", isToolCall)

	a.applied(func() { a.edit(inMemory + openProfile("one", after, listen)) })
	if row := a.waitPhase("one", status.Ready); row.URL != url {
		t.Errorf("the address went from %s to %s", url, row.URL)
	}
	echoes(t, url)
	if after.Count(sandbox.KindMCP) == 0 {
		t.Error("the new target was not asked")
	}
	release()
	hears(t, answer, "of the old one")
}

func TestProfilesSwapPorts(t *testing.T) {
	t.Parallel()
	boxes := []*sandbox.Sandbox{newBox(t, sandbox.Options{Open: true}), newBox(t, sandbox.Options{Open: true})}
	ports := []string{freePort(t), freePort(t)}
	yaml := func(first, second int) string {
		return inMemory + openProfile("a", boxes[0], ", listen: \"127.0.0.1:"+ports[first]+"\"") +
			openProfile("b", boxes[1], ", listen: \"127.0.0.1:"+ports[second]+"\"")
	}
	a := newApp(t, yaml(0, 1))
	a.start()
	a.until("both to be ready", allReady)
	session := connect(t, a.profile("a").URL, nil)
	got(t, boxes[0], sandbox.KindMCP, "the client's stream", isStream)
	release := hold(t, boxes[0], sandbox.KindMCP)
	answer := say(t, session, "before the swap")
	got(t, boxes[0], sandbox.KindMCP, "the call", isToolCall)

	a.applied(func() { a.edit(yaml(1, 0)) })
	s := a.until("both to be ready", allReady)
	for i, name := range []string{"a", "b"} {
		if want := "http://127.0.0.1:" + ports[1-i] + "/mcp"; s.Profile(name).URL != want {
			t.Errorf("%s is at %s, want %s", name, s.Profile(name).URL, want)
		}
	}
	release()
	hears(t, answer, "before the swap")
	for i, name := range []string{"a", "b"} {
		mine, others := boxes[i].Count(sandbox.KindMCP), boxes[1-i].Count(sandbox.KindMCP)
		hears(t, say(t, connect(t, s.Profile(name).URL, nil), name), name)
		if boxes[i].Count(sandbox.KindMCP) == mine {
			t.Errorf("%s does not reach its own target", name)
		}
		if n := boxes[1-i].Count(sandbox.KindMCP); n > others+1 { // a stream of the earlier client may still be opened
			t.Errorf("%s reached the other's target %d times", name, n-others)
		}
	}
}

func TestAnInvalidEditKeepsTheLastGoodProfiles(t *testing.T) {
	t.Parallel()
	box := newBox(t, sandbox.Options{Open: true})
	good := inMemory + openProfile("one", box, "")
	a := newApp(t, good)
	a.start()
	before := a.waitPhase("one", status.Ready)
	file := filepath.Join(a.dir, "profiles.yaml")
	for _, c := range []struct {
		name         string
		edit         func()
		line, column int
		says         string
	}{
		{"unknown key", func() { a.edit(inMemory + "  one: {targett: \"" + box.MCPURL() + "\"}\n") }, 4, 9, "did you mean"},
		{"no YAML", func() { a.replace(inMemory + "  one: {target: \"http\n") }, 4, 0, ""},
		{"a value out of range", func() { a.edit(good + "  two: {target: \"" + box.MCPURL() + "\", listen: \"127.0.0.1:70000\"}\n") }, 5, 0, "65535"},
		{"gone", func() {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}, 0, 0, "profiles.yaml"},
		{"empty", func() { a.edit("") }, 1, 1, "empty"},
	} {
		s := a.refused(c.line, c.edit)
		var shown status.Snapshot
		out, err := a.command("status", "--json").Output()
		if err == nil {
			err = json.Unmarshal(out, &shown)
		}
		if err != nil {
			t.Fatal(err)
		}
		problem := shown.Config.Error
		switch {
		case problem == nil || problem.Line != c.line || c.column != 0 && problem.Column != c.column:
			t.Errorf("%s: config.error is %+v, want it at %d:%d", c.name, problem, c.line, c.column)
		case problem.File != file || problem.Message == "" || !strings.Contains(problem.File+problem.Message, c.says):
			t.Errorf("%s: config.error is %+v, want it to say %q", c.name, problem, c.says)
		}
		if row := s.Profile("one"); row == nil || row.Phase != status.Ready || !row.Since.Equal(before.Since) || row.URL != before.URL {
			t.Errorf("%s: the last good profile is %+v, want %+v", c.name, row, before)
		}
		if out := a.run("status"); !strings.Contains(out, problem.Message) {
			t.Errorf("%s: status for people does not say so:\n%s", c.name, out)
		}
	}
	echoes(t, before.URL)
	s := a.applied(func() { a.replace(good) })
	if row := s.Profile("one"); !row.Since.Equal(before.Since) || row.URL != before.URL {
		t.Errorf("when all is well again the profile is %+v, want %+v", row, before)
	}
}

// Dotfile managers keep the file elsewhere and link to it.
func TestALinkedFileIsFollowed(t *testing.T) {
	t.Parallel()
	box := newBox(t, sandbox.Options{Open: true})
	yaml := func(name string) string { return inMemory + openProfile(name, box, "") }
	a := newApp(t, "")
	file, store := filepath.Join(a.dir, "profiles.yaml"), filepath.Join(a.dir, "dotfiles")
	write := func(name, profile string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(store, name), []byte(yaml(profile)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(name string) {
		t.Helper()
		if err := os.Symlink(filepath.Join(store, name), file+"~"); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
		if err := os.Rename(file+"~", file); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(store, 0o700); err != nil {
		t.Fatal(err)
	}
	write("first", "start")
	link("first")
	a.start()
	a.waitPhase("start", status.Ready)
	for _, c := range []struct {
		name string
		edit func()
	}{
		{"in-place", func() { write("first", "in-place") }},
		{"replaced", func() {
			write("new", "replaced")
			if err := os.Rename(filepath.Join(store, "new"), filepath.Join(store, "first")); err != nil {
				t.Fatal(err)
			}
		}},
		{"relinked", func() { write("second", "relinked"); link("second") }},
		{"edited-there", func() { write("second", "edited-there") }},
		{"plain-again", func() { a.replace(yaml("plain-again")) }},
	} {
		if s := a.applied(c.edit); s.Profile(c.name) == nil {
			t.Errorf("after %s the profiles are %+v", c.name, s.Profiles)
		}
	}
}
