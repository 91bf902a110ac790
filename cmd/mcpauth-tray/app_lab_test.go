package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

const inMemory = "version: 1\nsettings: {token_store: memory, redirect_port: 0}\nprofiles:\n"

// newBox starts a sandbox in which people sign in on pages.
func newBox(t *testing.T, o sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	o.Login = sandbox.LoginPages
	box, err := sandbox.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	return box
}

// hold makes the next request of a kind wait until release is called.
func hold(t *testing.T, box *sandbox.Sandbox, k sandbox.Kind) (release func()) {
	gate := make(chan struct{})
	box.Set(func(f *sandbox.Faults) { f.Answer(k, sandbox.Answer{Hold: gate}.Times(1)) })
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	return release
}

// got waits for a request at the sandbox.
func got(t *testing.T, box *sandbox.Sandbox, k sandbox.Kind, what string, ok func(sandbox.Request) bool) sandbox.Request {
	t.Helper()
	r, err := box.WaitFor(soon.Context(t), k, ok)
	if err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
	return r
}

func isStream(r sandbox.Request) bool { return r.Method == http.MethodGet }

func isToolCall(r sandbox.Request) bool { return bytes.Contains(r.Body, []byte(`"tools/call"`)) }

func isRenewal(r sandbox.Request) bool { return r.Form.Get("grant_type") == "refresh_token" }

// browser is what BROWSER names: it notes how it was called, and lets a person go on.
type browser struct {
	t   *testing.T
	dir string
}

// newBrowser makes one. person is visit-and-approve, visit-and-deny, or a command of the
// shell; "true" is somebody who looks away.
func newBrowser(t *testing.T, person string) *browser {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the browser stand-in is a shell script")
	}
	b := &browser{t, sharedFolder(t)}
	if strings.HasPrefix(person, "visit-") {
		exe, err := os.Executable()
		if err == nil {
			err = os.Symlink(exe, b.file(person))
		}
		if err != nil {
			t.Fatal(err)
		}
		person = fmt.Sprintf("VISITS=%s exec %s \"$1\"", b.file("visits"), b.file(person))
	}
	script := fmt.Sprintf("#!/bin/sh\nenv >> %s\nprintf '%%s\\n' \"$# $*\" >> %s\n%s\n", b.file("env"), b.file("opened"), person)
	writeProgram(t, b.command(), []byte(script))
	return b
}

func (b *browser) file(name string) string { return filepath.Join(b.dir, name) }
func (b *browser) command() string         { return b.file("browser") }
func (b *browser) env() string             { return "BROWSER=" + b.command() }

// read returns a file that is not there before the first call.
func (b *browser) read(name string) string {
	b.t.Helper()
	data, err := os.ReadFile(b.file(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal(err)
	}
	return string(data)
}

// calls are those of the browser so far.
func (b *browser) calls() []string {
	b.t.Helper()
	text := b.read("opened")
	return strings.Split(text, "\n")[:strings.Count(text, "\n")]
}

// opened checks how often the browser was opened, each time for one address. It runs by
// itself: the last call may be still to come.
func (b *browser) opened(times int) {
	b.t.Helper()
	soon.Until(b.t, fmt.Sprintf("the browser to be opened %d times", times), func() bool { return len(b.calls()) >= times })
	calls := b.calls()
	if len(calls) != times {
		b.t.Errorf("the browser was opened %d times, want %d: %q", len(calls), times, calls)
	}
	for _, call := range calls {
		if !strings.HasPrefix(call, "1 http") {
			b.t.Errorf("the browser was called with %q", call)
		}
	}
}

// signIn has the app's person sign in, and returns the row then.
func (a *app) signIn(profile string) status.Profile {
	a.t.Helper()
	a.run("signin", profile, "--wait")
	return a.waitPhase(profile, status.Ready)
}

// fails runs a command that has to end with that exit code, and returns what it said.
func (a *app) fails(code int, args ...string) string {
	a.t.Helper()
	out, err := a.command(args...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		a.t.Errorf("mcpauth-tray %s ended with 0, want %d\n%s", strings.Join(args, " "), code, out)
	case !errors.As(err, &exit):
		a.t.Fatal(err)
	case exit.ExitCode() != code:
		a.t.Errorf("mcpauth-tray %s ended with %d, want %d\n%s", strings.Join(args, " "), exit.ExitCode(), code, out)
	}
	return string(out)
}

// kill ends the app as a power cut does.
func (a *app) kill() {
	a.t.Helper()
	if err := a.cmd.Process.Kill(); err != nil {
		a.t.Fatal(err)
	}
	soon.Receive(a.t, a.ended, "the killed app to be gone")
	a.cmd = nil
}

// replace puts a new profiles.yaml in place of the old one, as careful editors do.
func (a *app) replace(yaml string) {
	a.t.Helper()
	file := filepath.Join(a.dir, "profiles.yaml")
	if err := os.WriteFile(file+"~", []byte(yaml), 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(file+"~", file); err != nil {
		a.t.Fatal(err)
	}
}

// applied makes an edit and returns the state once that is in force.
func (a *app) applied(edit func()) *status.Snapshot {
	a.t.Helper()
	before := a.until("any state", func(*status.Snapshot) bool { return true }).Config.LoadedAt
	edit()
	return a.until("the edit to be applied", func(s *status.Snapshot) bool {
		return s.Config.Error == nil && s.Config.LoadedAt.After(before)
	})
}

// refused makes an edit with something wrong in that line, and waits for word of it. The
// app may see an edit in place half done before, and say something else.
func (a *app) refused(line int, edit func()) *status.Snapshot {
	a.t.Helper()
	before := a.until("any state", func(*status.Snapshot) bool { return true }).Config.Error
	edit()
	return a.until(fmt.Sprintf("line %d to be refused", line), func(s *status.Snapshot) bool {
		now := s.Config.Error
		return now != nil && now.Line == line && (before == nil || *now != *before)
	})
}

// say calls the tool echo, and answers later.
func say(t *testing.T, session *mcp.ClientSession, text string) (answer <-chan string) {
	said, ctx := make(chan string, 1), soon.Context(t)
	go func() {
		answer, err := callTool(ctx, session, "echo", map[string]any{"text": text})
		if err != nil {
			answer = "error: " + err.Error()
		}
		said <- answer
	}()
	return said
}

// hears waits for the answer of say.
func hears(t *testing.T, answer <-chan string, want string) {
	t.Helper()
	if got := soon.Receive(t, answer, "the tool to answer "+want); got != want {
		t.Errorf("the tool answered %q, want %q", got, want)
	}
}

// echoes calls the tool echo through a port as a client of its own.
func echoes(t *testing.T, url string) {
	t.Helper()
	hears(t, say(t, connect(t, url, nil), "through "+url), "through "+url)
}

// answered is what a client of a port gets.
type answered struct {
	status int
	header http.Header
	body   string
	rpc    struct {
		ID    any
		Error *struct {
			Code    int
			Message string
			Data    struct {
				Source, Profile, Reason, Action string
			}
		}
	}
}

// post sends a JSON-RPC request as a client without an SDK does.
func post(t *testing.T, url, method string) (a answered) {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":"one","method":%q,"params":{}}`, method)
	r, err := http.NewRequestWithContext(soon.Context(t), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	return do(t, r)
}

func do(t *testing.T, r *http.Request) (a answered) {
	t.Helper()
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.status, a.header, a.body = answer.StatusCode, answer.Header, string(body)
	_ = json.Unmarshal(body, &a.rpc)
	return a
}
