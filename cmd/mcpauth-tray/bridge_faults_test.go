package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

func toolCall(id int, name, arguments string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, id, name, arguments)
}

// What the listener does not take is refused with its limit, and the bridge goes on;
// a long answer passes. Stdout carries nothing else, whatever is said on stderr.
func TestBridgeLargeMessages(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", huge)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		head := regexp.MustCompile(`^{"jsonrpc":"2.0","id":(\d+),"method":"(\w+)"`).FindSubmatch(body)
		if head == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		result := `{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}`
		switch string(head[2]) {
		case "count":
			result = strconv.Itoa(len(body))
		case "long":
			result = `"` + text + `"`
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(head[1])+`,"result":`+result+`}`)
	}))
	t.Cleanup(server.Close)
	a := passing(t, server.URL+"/mcp")
	a.build() // the race detector makes large messages take very long
	c := lineBridge(t, a, "box", "--log-level", "trace")
	c.greet()
	count := func(id string, size int) string {
		frame := `{"jsonrpc":"2.0","id":` + id + `,"method":"count","params":{"text":""}}`
		c.send(strings.Replace(frame, `""`, `"`+text[:size-len(frame)]+`"`, 1))
		return string(c.answer(id))
	}
	if got := count("2", huge); !strings.Contains(got, `"code":31027`) || !strings.Contains(got, "larger than 16 MiB. Send less in one message.") {
		t.Fatalf("a long request: %.500s", got)
	}
	if got := count("5", 16<<20); got != fmt.Sprintf(`{"jsonrpc":"2.0","id":5,"result":%d}`, 16<<20) {
		t.Errorf("a request that is just short enough: %.500s", got)
	}
	c.send(`{"jsonrpc":"2.0","id":6,"method":"long"}`)
	if got := c.answer("6"); len(got) < huge {
		t.Errorf("a long answer: %.500s", got)
	}
	c.send("\x00\xff{garbage")
	c.send(`{"jsonrpc":"2.0","id":7,"method":"ping"}`)
	c.answer("7")
	if code := c.end(); code != 0 {
		t.Errorf("exit code %d\n%.2000s", code, c.err)
	}
}

// Stdin ends while calls hang.
func TestBridgeEndsWhileCallsHang(t *testing.T) {
	t.Parallel()
	c := lineBridge(t, passing(t, openSandbox(t, false)), "box")
	c.greet()
	for n := range 10 {
		c.send(toolCall(n+2, "wait", `{}`))
	}
	c.send(toolCall(20, "echo", `{"text":"x"}`))
	c.answer("20")
	began := time.Now()
	if code := c.end(); code != 0 {
		t.Errorf("exit code %d\n%s", code, c.err)
	}
	if took := time.Since(began); took > promptly {
		t.Errorf("it took %s", took)
	}
}

// The client reads no more.
func TestBridgeEndsWhenStdoutIsClosed(t *testing.T) {
	t.Parallel()
	a := passing(t, openSandbox(t, false))
	out, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := a.command("bridge", "box")
	cmd.Stdout = write
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if _, err := io.WriteString(in, benchHello+"\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1<<16)); err != nil {
		t.Fatal(err)
	}
	out.Close()
	if _, err := io.WriteString(in, toolCall(2, "echo", `{"text":"x"}`)+"\n"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// A person edits profiles.yaml and works the tray under a client that stays connected.
func TestBridgeFollowsTheProfile(t *testing.T) {
	t.Parallel()
	box, err := sandbox.Start(context.Background(), sandbox.Options{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	yaml := func(name, more string) string {
		return fmt.Sprintf("version: 1\nsettings: {token_store: memory}\nprofiles:\n  %s: {target: %q, sign_in: {method: none}%s}\n", name, box.MCPURL(), more)
	}
	a := newApp(t, yaml("box", ""))
	a.start()
	a.waitPhase("box", status.Ready)
	s, changed := bridged(t, a, "box", "2025-11-25")
	bridgedEcho(t, s)
	works := func(what string) {
		t.Helper()
		awaitChange(t, changed)
		a.eventually(what, func() bool {
			_, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "x"}})
			return err == nil
		})
		for len(changed) > 0 {
			<-changed
		}
	}
	fails := func(want string) {
		t.Helper()
		awaitChange(t, changed)
		a.eventually("a call to fail with "+want, func() bool {
			_, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "x"}})
			return err != nil && strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "box: box")
		})
		for len(changed) > 0 {
			<-changed
		}
	}
	a.run("pause")
	fails("box: paused. Resume from the tray menu, or run: mcpauth-tray resume.")
	a.run("resume")
	works("resumed")
	a.edit(yaml("box", ", enabled: false"))
	fails("box: disabled in profiles.yaml.")
	a.edit(yaml("box", ""))
	works("enabled again")
	a.edit(yaml("renamed", ""))
	fails("has no profile of this name. Add it to profiles.yaml, or correct the name in the client.")
	a.edit(yaml("box", ""))
	works("renamed back")
	a.stop()
	fails("mcpauth-tray is not running. Start mcpauth-tray.")
	a.start()
	works("started again")
}

// An app that hangs does not hang the client.
func TestBridgeToAnAppThatHangs(t *testing.T) {
	t.Parallel()
	stop, cont := pauseSignals(t)
	a := passing(t, openSandbox(t, false))
	if err := a.cmd.Process.Signal(stop); err != nil {
		t.Fatal(err)
	}
	resume := func() { _ = a.cmd.Process.Signal(cont) }
	t.Cleanup(resume)
	c := lineBridge(t, a, "box")
	began := time.Now()
	if got := string(c.greet()); !strings.Contains(got, "mcpauth-tray does not answer.") || !strings.Contains(got, "sign_in_to_box") {
		t.Errorf("met with %s", got)
	}
	if took := time.Since(began); took > promptly {
		t.Errorf("met after %s", took)
	}
	c.send(`{"jsonrpc":"2.0","id":"listed","method":"tools/list"}`)
	c.answer(`"listed"`)
	resume()
	line, err := c.out.ReadString('\n')
	if err != nil || !strings.Contains(line, "tools/list_changed") {
		t.Errorf("%s %v", line, err)
	}
	c.send(toolCall(2, "echo", `{"text":"x"}`))
	if got := string(c.answer("2")); !strings.Contains(got, `"text":"x"`) {
		t.Error(got)
	}
	if code := c.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// What a person reads in a client at each step.
func TestBridgeSaysWhatToDo(t *testing.T) {
	t.Parallel()
	a, _ := boxed(t, sandbox.Options{})
	s, changed := bridged(t, a, "box", "2025-11-25")
	call := func() string {
		t.Helper()
		result, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "sign_in_to_box"})
		if err != nil {
			t.Fatal(err)
		}
		return result.Content[0].(*mcp.TextContent).Text
	}
	wants := func(got string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Errorf("%q lacks %q", got, part)
			}
		}
		for _, never := range []string{"..", "box: box", "\x1b", "0xc", "socket", filepath.Base(a.dir)} {
			if strings.Contains(got, never) {
				t.Errorf("%q has %q", got, never)
			}
		}
	}
	wants(s.InitializeResult().Instructions, "mcpauth-tray is not running. Start mcpauth-tray. The tool sign_in_to_box helps")
	wants(call(), "not running", "Start mcpauth-tray; the tools appear by themselves then")
	a.start()
	a.waitPhase("box", status.SignInNeeded)
	a.eventually("the bridge to see the app", func() bool {
		list, err := s.ListTools(soon.Context(t), nil)
		return err == nil && strings.Contains(list.Tools[0].Description, "sign-in") && !strings.Contains(list.Tools[0].Description, "not running")
	})
	list, err := s.ListTools(soon.Context(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	wants(list.Tools[0].Description, "This tool starts the sign-in: a page opens in the browser")
	_, err = s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "echo"})
	wants(fmt.Sprint(err), "box: ")
	wants(call(), "Signed in to box. Its tools are there now")
	bridgedEcho(t, s)
	offers(t, s, changed, "whoami")
}

// TestBridgeToolIsTrueOfAPause: no page is promised while the app is paused, and none opens.
func TestBridgeToolIsTrueOfAPause(t *testing.T) {
	t.Parallel()
	a, _ := boxed(t, sandbox.Options{})
	a.start()
	a.waitPhase("box", status.SignInNeeded)
	a.run("pause")
	s, changed := bridged(t, a, "box", "2025-11-25")
	ctx := soon.Context(t)
	tool := func() string {
		list, err := s.ListTools(ctx, nil)
		if err != nil || len(list.Tools) != 1 {
			t.Fatalf("tools %+v, %v", list, err)
		}
		return list.Tools[0].Description
	}
	const paused = "box: paused. Resume from the tray menu, or run: mcpauth-tray resume"
	if got := tool(); got != paused+". "+noHelp {
		t.Errorf("the tool says %q", got)
	}
	result, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "sign_in_to_box"})
	if err != nil || !result.IsError || result.Content[0].(*mcp.TextContent).Text != paused {
		t.Errorf("the tool answered %+v, %v", result, err)
	}
	a.run("resume")
	for !strings.Contains(tool(), "This tool starts the sign-in: a page opens") {
		awaitChange(t, changed)
	}
}
