package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// managed is a person whose service manager starts the app as the given command of the shell does.
type managed struct {
	home string
	env  []string
}

func newManaged(t *testing.T, starts string) *managed {
	t.Helper()
	box, err := sandbox.Start(context.Background(), sandbox.Options{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	home, err := os.MkdirTemp("", "mt") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	profiles := filepath.Join(home, ".config", "mcpauth-tray", "profiles.yaml")
	if err := os.MkdirAll(filepath.Dir(profiles), 0o700); err != nil {
		t.Fatal(err)
	}
	yaml := fmt.Sprintf("version: 1\nsettings: {token_store: memory}\nprofiles:\n  box: {target: %q, sign_in: {method: none}}\n", box.MCPURL())
	if err := os.WriteFile(profiles, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	note := fmt.Sprintf("#!/bin/sh\necho \"${0##*/} $*\" >> %s/calls\n", home)
	writeProgram(t, filepath.Join(home, "systemctl"), []byte(note+"exit 4\n"))
	writeProgram(t, filepath.Join(home, "systemd-run"), []byte(note+starts+"\n"))
	m := &managed{home: home, env: []string{"PATH=" + home + ":" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + home, "DBUS_SESSION_BUS_ADDRESS=", "APP=" + program(t)}}
	t.Cleanup(func() {
		cmd := urlCommand(t, home, m.env, nil)
		cmd.Args = []string{cmd.Path, "quit"}
		_ = cmd.Run()
	})
	return m
}

// calls are those of the service manager.
func (m *managed) calls(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.home, "calls"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// TestBridgeStartsTheApp: asked for, by flag or variable, the app is started, and the bridge
// becomes the server in the same process.
func TestBridgeStartsTheApp(t *testing.T) {
	t.Parallel()
	for name, by := range map[string][]string{"flag": {"--start-app"}, "variable": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newManaged(t, `setsid "$APP" run --no-tray </dev/null >/dev/null 2>&1 &`)
			env := m.env
			if by == nil {
				env = append(env, envStartApp+"=1")
			}
			b := startURL(t, m.home, env, append([]string{"box"}, by...)...)
			if !slices.Contains(bridgedTools(t, b.ClientSession), "whoami") {
				offers(t, b.ClientSession, b.changed, "whoami")
			}
			bridgedEcho(t, b.ClientSession)
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"systemctl --user --quiet cat mcpauth-tray.service",
				"systemd-run --user --quiet --collect --unit=mcpauth-tray.service -- " + self + " run"}
			if got := m.calls(t); !slices.Equal(got, want) {
				t.Errorf("called: %q", got)
			}
			// What a person has ended stays ended.
			quit := urlCommand(t, m.home, m.env, nil)
			quit.Args = []string{quit.Path, "quit"}
			if out, err := quit.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			offers(t, b.ClientSession, b.changed, "sign_in_to_box")
			b.ends()
			if got := m.calls(t); !slices.Equal(got, want) || b.said.String() != "" {
				t.Errorf("called: %q, said: %s", got, b.said)
			}
		})
	}
}

// TestBridgeCannotStartTheApp says so once, to the person and to the client, and tries no more.
func TestBridgeCannotStartTheApp(t *testing.T) {
	t.Parallel()
	m := newManaged(t, "exit 1")
	b := startURL(t, m.home, m.env, "box", "--start-app")
	const why = "could not be started: systemd-run failed (exit status 1)"
	soon.Until(t, "word of the failure", func() bool { return strings.Contains(b.said.String(), why) })
	if lines := strings.Count(b.said.String(), "\n"); lines != 1 {
		t.Errorf("it said:\n%s", b.said)
	}
	soon.Until(t, "the client to be told", func() bool {
		list, err := b.ListTools(soon.Context(t), nil)
		return err == nil && strings.Contains(list.Tools[0].Description, why+". Start mcpauth-tray.")
	})

	result, err := b.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "sign_in_to_box"})
	if err != nil || !strings.Contains(result.Content[0].(*mcp.TextContent).Text, why) {
		t.Errorf("the tool: %+v %v", result, err)
	}
	b.ends()
	if got := m.calls(t); len(got) != 3 {
		t.Errorf("called: %q", got)
	}
}

// TestBridgeStartsNothingUnasked: neither without the flag, nor an app of another place.
func TestBridgeStartsNothingUnasked(t *testing.T) {
	t.Parallel()
	m := newManaged(t, "exit 1")
	b := startURL(t, m.home, m.env, "box")
	b.ends()
	b = startURL(t, m.home, m.env, "box", "--start-app", "--state-dir", filepath.Join(m.home, "elsewhere"))
	soon.Until(t, "word of the other place", func() bool { return strings.Contains(b.said.String(), "usual state directory only") })
	b.ends()
	if got := m.calls(t); got[0] != "" {
		t.Errorf("called: %q", got)
	}
}
