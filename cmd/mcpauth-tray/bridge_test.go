package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/stdio"
)

// visitor is a command for BROWSER that presses Approve.
func visitor(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "visit-and-approve")
	if err := os.Symlink(exe, link); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	return link
}

// boxed prepares an app with one profile for a sandbox whose sign-in has pages.
func boxed(t *testing.T, o sandbox.Options) (*app, *sandbox.Sandbox) {
	t.Helper()
	o.Login = sandbox.LoginPages
	box, err := sandbox.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	a := newApp(t, fmt.Sprintf("version: 1\nsettings: {token_store: memory, redirect_port: 0}\nprofiles:\n  box: {target: %q}\n", box.MCPURL()),
		"BROWSER="+visitor(t), "VISITS="+filepath.Join(sharedFolder(t), "visits"))
	return a, box
}

// bridged is the Go SDK's client of "bridge PROFILE".
func bridged(t *testing.T, a *app, name, version string) (*mcp.ClientSession, <-chan bool) {
	t.Helper()
	changed := make(chan bool, 100)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- true },
	})
	cmd := a.command("bridge", name, "--log-level", "debug")
	cmd.Stderr = os.Stderr
	if !testing.Verbose() {
		cmd.Stderr = nil
	}
	session, err := client.Connect(soon.Context(t), &mcp.CommandTransport{Command: cmd}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session, changed
}

func bridgedTools(t *testing.T, s *mcp.ClientSession) []string {
	t.Helper()
	list, err := s.ListTools(soon.Context(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	return names
}

func bridgedEcho(t *testing.T, s *mcp.ClientSession) {
	t.Helper()
	result, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello"}})
	if err != nil || result.Content[0].(*mcp.TextContent).Text != "hello" {
		t.Fatalf("echo: %+v %v", result, err)
	}
}

func awaitChange(t *testing.T, changed <-chan bool) {
	t.Helper()
	soon.Receive(t, changed, "the client to be told of a change")
}

// becomes looks each time that the client is told of a change. A word of an earlier one
// may still be on its way.
func becomes(t *testing.T, what string, changed <-chan bool, ok func() bool) {
	t.Helper()
	for late := time.After(soon.Limit); ; {
		select {
		case <-changed:
		case <-late:
			t.Fatalf("the client was not told of %s", what)
		}
		if ok() {
			return
		}
	}
}

// offers waits until the client is told that there are other tools: those of the sandbox,
// or the one for the sign-in.
func offers(t *testing.T, s *mcp.ClientSession, changed <-chan bool, tool string) {
	t.Helper()
	becomes(t, "the tool "+tool, changed, func() bool { return slices.Contains(bridgedTools(t, s), tool) })
}

func TestBridgeSignsInWhileConnected(t *testing.T) {
	t.Parallel()
	for _, stateless := range []bool{false, true} {
		for _, version := range []string{"2025-11-25", "2026-07-28"} {
			if stateless && version < "2026" {
				continue
			}
			t.Run(fmt.Sprintf("stateless=%v/%s", stateless, version), func(t *testing.T) {
				t.Parallel()
				a, _ := boxed(t, sandbox.Options{Stateless: stateless})
				a.start()
				a.waitPhase("box", status.SignInNeeded)
				s, changed := bridged(t, a, "box", version)
				if got := bridgedTools(t, s); !slices.Equal(got, []string{"sign_in_to_box"}) {
					t.Errorf("tools %q", got)
				}
				result, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "sign_in_to_box"})
				if err != nil || result.IsError || !strings.Contains(result.Content[0].(*mcp.TextContent).Text, "Signed in to box") {
					t.Fatalf("the tool: %+v %v", result, err)
				}
				offers(t, s, changed, "whoami")
				bridgedEcho(t, s)
				a.run("signout", "box")
				offers(t, s, changed, "sign_in_to_box")
				if got := bridgedTools(t, s); !slices.Equal(got, []string{"sign_in_to_box"}) {
					t.Errorf("after the sign-out: %q", got)
				}
				a.run("signin", "box", "--wait")
				offers(t, s, changed, "whoami")
				bridgedEcho(t, s)
			})
		}
	}
}

func TestBridgeWaitsForTheApp(t *testing.T) {
	t.Parallel()
	a, _ := boxed(t, sandbox.Options{})
	s, changed := bridged(t, a, "box", "2025-11-25")
	if got := bridgedTools(t, s); !slices.Equal(got, []string{"sign_in_to_box"}) {
		t.Errorf("tools %q", got)
	}
	result, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "sign_in_to_box"})
	if err != nil || !result.IsError || !strings.Contains(result.Content[0].(*mcp.TextContent).Text, "not running") {
		t.Errorf("the tool: %+v %v", result, err)
	}
	a.start()
	a.waitPhase("box", status.SignInNeeded)
	a.run("signin", "box", "--wait")
	offers(t, s, changed, "whoami")
	bridgedEcho(t, s)
}

func TestBridgeFollowsARestart(t *testing.T) {
	t.Parallel()
	box, err := sandbox.Start(context.Background(), sandbox.Options{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	yaml := "version: 1\nsettings: {token_store: memory}\nprofiles:\n  box: {target: %q, listen: \"127.0.0.1:%s\", sign_in: {method: none}}\n"
	a := newApp(t, fmt.Sprintf(yaml, box.MCPURL(), freePort(t)))
	a.start()
	a.waitPhase("box", status.Ready)
	s, _ := bridged(t, a, "box", "2025-11-25")
	bridgedEcho(t, s)
	box.ForgetSessions() // the server was restarted
	bridgedEcho(t, s)
	before := a.profile("box").URL
	follows := func(what string) {
		t.Helper()
		a.eventually("the bridge to follow to "+what, func() bool {
			_, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "x"}})
			return err == nil
		})
	}
	a.edit(fmt.Sprintf(yaml, box.MCPURL(), freePort(t)))
	a.untilRow("box", "to be at another port", func(p *status.Profile) bool { return p.URL != before })
	follows("another port")
	a.stop()
	a.start()
	follows("another run of the app")
}

func TestBridgeInspector(t *testing.T) {
	l := newLab(t)
	a, upstream := signedIn(t, l)
	inspect := func(args ...string) string {
		t.Helper()
		cmd := process(t, l.node, append([]string{"node_modules/.bin/inspector", "--cli"}, args...)...)
		cmd.Dir = l.npm
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("inspector %s: %v\n%s", args, err, out)
		}
		return string(out)
	}
	bridge := []string{a.exe, "bridge", "everything", "--state-dir", filepath.Join(a.dir, "state"), "--transport", "stdio"}
	for _, method := range [][]string{
		{"--method", "tools/list"}, {"--method", "prompts/list"}, {"--method", "resources/list"}, {"--method", "resources/templates/list"},
		{"--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=through the bridge"},
	} {
		direct := inspect(append([]string{upstream, "--transport", "http"}, method...)...)
		if got := inspect(append(slices.Clone(bridge), method...)...); got != direct {
			t.Errorf("%s differs:\ndirect:\n%s\nbridged:\n%s", method, direct, got)
		}
	}
}

func TestBridgeEndsWithItsParent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there the end of stdin is all there is")
	}
	a := newApp(t, storeInFile+"  {}\n")
	// The pipe to the bridge stays open in the test when the shell between them dies.
	cmd := a.command()
	shell := process(t, "/bin/sh", "-c", `"$0" bridge one <&3 & echo started; read forever`, a.exe)
	shell.Env = cmd.Env
	in, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	still, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	shell.Stdin = still
	shell.ExtraFiles = []*os.File{in}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	_, err = io.WriteString(feed, benchHello+"\n")
	for range 2 { // the shell's line, and the bridge's: it is up
		if err == nil {
			_, err = lines.ReadString('\n')
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, lines); ended <- err }()
	_ = shell.Process.Kill()
	defer func() { _ = shell.Wait() }()
	soon.Receive(t, ended, "the bridge to end with its parent") // stdout is closed once it is gone too
}

func TestEndpointOf(t *testing.T) {
	t.Parallel()
	row := func(p status.Profile) *status.Snapshot {
		p.Name = "p"
		return &status.Snapshot{Profiles: []status.Profile{p}}
	}
	for name, c := range map[string]struct {
		snap  *status.Snapshot
		state stdio.State
		code  int
	}{
		"ready":    {row(status.Profile{Phase: status.Ready, URL: "u"}), stdio.Ready, 0},
		"starting": {row(status.Profile{Phase: status.Starting, URL: "u"}), stdio.Settling, status.Busy.RPC()},
		"needed":   {row(status.Profile{Phase: status.SignInNeeded, URL: "u", Code: status.NotSignedIn}), stdio.SignedOut, 31001},
		"signing":  {row(status.Profile{Phase: status.SigningIn, URL: "u", Code: status.SignInRunning}), stdio.Shaky, 31002},
		"backoff":  {row(status.Profile{Phase: status.Backoff, URL: "u", Code: status.IDPUnavailable}), stdio.Shaky, 31004},
		"no port":  {row(status.Profile{Phase: status.Backoff, Code: status.ListenFailed}), stdio.SignedOut, 31028},
		"paused":   {row(status.Profile{Phase: status.Stopped, Code: status.PausedByUser}), stdio.SignedOut, 31030},
		"none":     {&status.Snapshot{}, stdio.Unknown, 31008},
		"bad file": {&status.Snapshot{Config: status.Config{Error: &status.Problem{Message: "x"}}}, stdio.SignedOut, 31008},
	} {
		if got := endpointOf(c.snap, "p"); got.State != c.state || got.Code != c.code || got.State != stdio.Ready && got.Says == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, phase := range status.Phases {
		if _, ok := states[phase]; !ok {
			t.Errorf("%s means nothing to a bridge", phase)
		}
	}
	if got := absent(errors.New("x\ny")); got.State != stdio.Absent || strings.Contains(got.Says, "\n") {
		t.Errorf("absent: %+v", got)
	}
	if got := absent(control.ErrNotRunning); got.Says != "mcpauth-tray is not running" {
		t.Errorf("absent: %+v", got)
	}
	if _, err := json.Marshal(absent(nil)); err != nil {
		t.Error(err)
	}
}
