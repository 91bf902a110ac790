package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// passing is an app with one profile, "box", for a server that wants no sign-in.
func passing(t *testing.T, target string) *app {
	t.Helper()
	a := newApp(t, fmt.Sprintf("version: 1\nsettings: {token_store: memory}\nprofiles:\n  box: {target: %q, sign_in: {method: none}}\n", target))
	a.start()
	a.waitPhase("box", status.Ready)
	return a
}

func openSandbox(t *testing.T, stateless bool) string {
	t.Helper()
	box, err := sandbox.Start(context.Background(), sandbox.Options{Open: true, Stateless: stateless})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	return box.MCPURL()
}

// Both TypeScript SDKs see the same through the bridge as without it: every tool of the
// reference server, resources, prompts, completions, what the server asks the client,
// progress, logging, cancellation.
func TestBridgeTypeScriptSDKs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, c := range []struct{ sdk, era, target string }{
		{"v1", "legacy", l.everything()}, {"v2", "legacy", l.everything()}, {"v2", "modern", openSandbox(t, true)},
	} {
		t.Run(c.sdk+" "+c.era, func(t *testing.T) {
			t.Parallel()
			a := passing(t, c.target)
			cmd := process(t, l.node, "compare.mjs", c.sdk, c.era, c.target, a.exe, "bridge", "box", "--state-dir", filepath.Join(a.dir, "state"))
			cmd.Dir = l.npm
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "answers are the same") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// The Inspector of protocol 2026-07-28, at a server without sessions.
func TestBridgeInspectorWithoutSessions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	target := openSandbox(t, true)
	a := passing(t, target)
	inspect := func(args ...string) string {
		cmd := process(t, l.node, append([]string{"node_modules/.bin/inspector", "--cli"}, args...)...)
		cmd.Dir = l.npm
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("inspector %s: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for _, method := range [][]string{
		{"--protocol-era", "modern", "--method", "tools/list"},
		{"--protocol-era", "modern", "--method", "tools/call", "--tool-name", "echo", "--tool-arg", "text=through the bridge"},
	} {
		direct := inspect(append([]string{target, "--transport", "http"}, method...)...)
		got := inspect(append([]string{a.exe, "bridge", "box", "--state-dir", filepath.Join(a.dir, "state"), "--transport", "stdio"}, method...)...)
		if got != direct || direct == "" {
			t.Errorf("%s differs:\ndirect:\n%s\nbridged:\n%s", method, direct, got)
		}
	}
}

// The Go SDK's client sees the same through the bridge as without it.
func TestBridgeGoSDK(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	target := l.everything()
	a := passing(t, target)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{Model: "m", Role: "assistant", Content: &mcp.TextContent{Text: "sampled"}}, nil
		},
	})
	seen := func(transport mcp.Transport) string {
		s, err := client.Connect(soon.Context(t), transport, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		return everythingSeen(soon.Context(t), s)
	}
	direct := seen(&mcp.StreamableClientTransport{Endpoint: target})
	through := seen(&mcp.CommandTransport{Command: a.command("bridge", "box")})
	if direct != through {
		t.Errorf("direct:\n%s\nbridged:\n%s", direct, through)
	}
	if strings.Count(direct, "\n") < 20 || strings.Contains(direct, "EOF") {
		t.Errorf("little was seen:\n%s", direct)
	}
}

// everythingSeen is what a client learns from the reference server, a line for each answer.
func everythingSeen(ctx context.Context, s *mcp.ClientSession) string {
	var b strings.Builder
	note := func(what any, err error) {
		text, _ := json.Marshal(what)
		fmt.Fprintf(&b, "%s %v\n", text, err)
	}
	note(s.InitializeResult(), nil)
	for tool, err := range s.Tools(ctx, nil) {
		note(tool, err)
	}
	for prompt, err := range s.Prompts(ctx, nil) {
		note(prompt, err)
	}
	for resource, err := range s.Resources(ctx, nil) {
		note(resource, err)
	}
	for template, err := range s.ResourceTemplates(ctx, nil) {
		note(template, err)
	}
	for name, arguments := range map[string]map[string]any{
		"echo": {"message": "x"}, "get-sum": {"a": 1, "b": 2.5}, "get-structured-content": {"location": "Chicago"}, "get-tiny-image": nil,
		"get-annotated-message": {"messageType": "success"}, "get-resource-links": {"count": 2}, "none": nil, "trigger-sampling-request": {"prompt": "x"},
	} {
		result, err := s.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: arguments})
		note([]any{name, result}, err)
	}
	prompt, err := s.GetPrompt(ctx, &mcp.GetPromptParams{Name: "simple-prompt"})
	note(prompt, err)
	completion, err := s.Complete(ctx, &mcp.CompleteParams{Ref: &mcp.CompleteReference{Type: "ref/prompt", Name: "completable-prompt"},
		Argument: mcp.CompleteParamsArgument{Name: "department", Value: "S"}})
	note(completion, err)
	_, err = s.ReadResource(ctx, &mcp.ReadResourceParams{URI: "demo://none"})
	note(nil, err)
	lines := strings.SplitAfter(b.String(), "\n")
	slices.Sort(lines) // the map's order is not the same twice
	return strings.Join(lines, "")
}

// lineClient is a client of "bridge box" that writes and reads lines.
type lineClient struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err *transcript
}

func lineBridge(t *testing.T, a *app, args ...string) *lineClient {
	t.Helper()
	c := &lineClient{t: t, cmd: a.command(append([]string{"bridge"}, args...)...), err: &transcript{}}
	c.cmd.Stderr = c.err
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.in, c.out = in, bufio.NewReaderSize(out, 1<<20)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill(); _ = c.cmd.Wait() })
	return c
}

func (c *lineClient) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads up to the answer with that id.
func (c *lineClient) answer(id string) []byte {
	c.t.Helper()
	for {
		line, err := c.out.ReadBytes('\n')
		if err != nil {
			c.t.Fatalf("no answer to %s: %v\n%s", id, err, c.err)
		}
		var m struct {
			ID     json.RawMessage
			Method string
		}
		if err := json.Unmarshal(line, &m); err != nil {
			c.t.Fatalf("stdout carries %q", line)
		}
		if string(m.ID) == id && m.Method == "" {
			return bytes.TrimSpace(line)
		}
	}
}

func (c *lineClient) greet() []byte {
	c.t.Helper()
	c.send(benchHello)
	answer := c.answer("1")
	c.send(benchReady)
	return answer
}

// end closes stdin and returns the exit code.
func (c *lineClient) end() int {
	c.t.Helper()
	c.in.Close()
	_, _ = io.Copy(io.Discard, c.out)
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

// An answer is the same bytes with and without the bridge and the app.
func TestBridgeKeepsBytes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	target := l.everything()
	c := lineBridge(t, passing(t, target), "box")
	session := ""
	direct := func(line string) string {
		r, _ := http.NewRequest(http.MethodPost, target, strings.NewReader(line))
		r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
		if session != "" {
			r.Header.Set("Mcp-Session-Id", session)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		session = cmp.Or(answer.Header.Get("Mcp-Session-Id"), session)
		body, _ := io.ReadAll(answer.Body)
		_, data, _ := strings.Cut(string(body), "data: {")
		data, _, _ = strings.Cut(data, "\n")
		return "{" + data
	}
	if a, b := direct(benchHello), string(c.greet()); a != b {
		t.Errorf("direct:  %s\nbridged: %s", a, b)
	}
	direct(benchReady)
	for n, call := range []string{
		`"tools/list"`, `"prompts/list"`, `"resources/list","params":{}`, `"resources/templates/list"`, `"no/such/method"`,
		`"tools/call","params":{"name":"echo","arguments":{"message":"h\u00e4llo \ud83d\ude00 \u2028"}}`,
		`"tools/call","params":{"name":"get-tiny-image"}`, `"prompts/get","params":{"name":"simple-prompt"}`, `"resources/read","params":{"uri":"demo://none"}`,
	} {
		id := fmt.Sprint(n + 10)
		line := `{"jsonrpc":"2.0","id":` + id + `,"method":` + call + `}`
		c.send(line)
		if a, b := direct(line), string(c.answer(id)); a != b || len(a) < 40 {
			t.Errorf("direct:  %.500s\nbridged: %.500s", a, b)
		}
	}
	if code := c.end(); code != 0 {
		t.Errorf("exit code %d\n%s", code, c.err)
	}
}

// The clients of both TypeScript SDKs stay connected through a sign-in.
func TestBridgeSignsInTypeScriptSDKs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, c := range []struct {
		sdk, era  string
		stateless bool
	}{{"v1", "legacy", false}, {"v2", "legacy", false}, {"v2", "modern", true}, {"v2", "modern", false}} {
		t.Run(fmt.Sprintf("%s %s stateless=%v", c.sdk, c.era, c.stateless), func(t *testing.T) {
			t.Parallel()
			a, _ := boxed(t, sandbox.Options{Stateless: c.stateless})
			a.start()
			a.waitPhase("box", status.SignInNeeded)
			command := a.command("bridge", "box")
			cmd := process(t, l.node, slices.Concat([]string{"signin.mjs", c.sdk, c.era}, command.Args)...)
			cmd.Dir, cmd.Env = l.npm, command.Env
			out, err := cmd.CombinedOutput()
			got := string(out)
			if err != nil || !strings.HasSuffix(got, "\nhello from the server\n") || strings.Contains(got, "error:") {
				t.Errorf("%v\n%s", err, got)
			}
			for _, part := range []string{"mcpauth-tray box: ", "sign_in_to_box 0 0 0", "Signed in to box.", "whoami"} {
				if !strings.Contains(got, part) {
					t.Errorf("%s\nlacks %q", got, part)
				}
			}
		})
	}
}
