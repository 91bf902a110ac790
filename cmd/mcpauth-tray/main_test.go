package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
	"github.com/mcpauth-tray/mcpauth-tray/internal/tokenstore"
)

// TestMain makes the test binary the program when it is called by the program's name. As
// claude-desktop it is one that runs until its input ends.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "claude-desktop" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	testscript.Main(ownHome{m}, map[string]func(){
		"mcpauth-tray":      main,
		"visit-and-approve": visit(false),
		"visit-and-deny":    visit(true),
	})
}

// ownHome runs the tests in a home folder of their own: the app writes the config files of
// MCP clients, and those of the person who runs the tests are none of its business.
type ownHome struct{ m *testing.M }

func (o ownHome) Run() int {
	home, err := os.MkdirTemp("", "mh")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(home)
	if cache, err := os.UserCacheDir(); err == nil { // what the go command keeps at home stays where it is
		usually("GOCACHE", filepath.Join(cache, "go-build"))
	}
	if config, err := os.UserConfigDir(); err == nil {
		usually("GOENV", filepath.Join(config, "go", "env"))
	}
	if real, err := os.UserHomeDir(); err == nil {
		usually("GOPATH", filepath.Join(real, "go"))
	}
	for name, value := range map[string]string{"HOME": home, "USERPROFILE": home, "AppData": filepath.Join(home, "AppData", "Roaming"),
		"LocalAppData": filepath.Join(home, "AppData", "Local"), "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "", "CLAUDE_CONFIG_DIR": ""} {
		os.Setenv(name, value)
	}
	return o.m.Run()
}

func usually(variable, value string) {
	if os.Getenv(variable) == "" {
		os.Setenv(variable, value)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		code int
		said string
	}{
		{nil, 0, ""},
		{errors.New("boom"), 1, "error: boom\n"},
		{usageError{errors.New("what?"), "mcpauth-tray status"}, 2, "error: what?\nhint: see mcpauth-tray status --help\n"},
		{fmt.Errorf("%w: x", supervisor.ErrUnknownProfile), 2, "error: no such profile: x\nhint: mcpauth-tray status lists the profiles\n"},
		{fmt.Errorf("%w: paused", supervisor.ErrNotNow), 1, "error: not possible now: paused\n"},
		{supervisor.ErrInvalidConfig, 3, "error: profiles.yaml is invalid\nhint: "},
		{profile.Errors{{File: "p.yaml", Line: 3, Column: 5, Message: "bad"}, {File: "p.yaml", Message: "gone", Hint: "look"}}, 3,
			"p.yaml:3:5: bad\np.yaml: gone; look\nerror: the profiles file is invalid: 2 problems\nhint: "},
		{profile.Errors{{File: "p.yaml", Message: "gone", Hint: "look", Err: os.ErrNotExist}}, 3, "error: p.yaml: gone\nhint: look\n"},
		{fmt.Errorf("%w: github", errSignInNeeded), 4, "error: sign-in needed: github\nhint: "},
		{control.ErrNotRunning, 5, "error: mcpauth-tray is not running\nhint: start it with mcpauth-tray\n"},
		{supervisor.ErrStopped, 5, "error: the app is shutting down\nhint: "},
		{errOtherInstance, 6, "error: another mcpauth-tray"},
		{fmt.Errorf("control socket x: %w", control.ErrInUse), 6, "error: control socket x: another mcpauth-tray is listening\nhint: "},
		{tokenstore.ErrLocked, 7, "error: the keyring is locked\n"},
		{&control.Error{Code: status.SecretStoreAbsent, Message: "no keyring", Hint: "start one"}, 7, "error: no keyring\nhint: start one\n"},
		{&supervisor.Fault{Code: status.SecretStoreLocked, Detail: "locked", Action: "Unlock keyring"}, 7, "error: locked\nhint: Unlock keyring\n"},
		{&oauth.Error{Code: status.SignInFailed, Summary: "failed", Action: "Try again"}, 1, "error: failed"},
		{fmt.Errorf("asking: %w", context.Canceled), 1, "error: interrupted\n"},
		{errors.New("a\x1b[31mb\nc"), 1, "error: a [31mb c\n"},
	} {
		var said strings.Builder
		if code := report(&said, c.err); code != c.code || !strings.HasPrefix(said.String(), c.said) {
			t.Errorf("report(%v) = %d and %q, want %d and %q", c.err, code, said.String(), c.code, c.said)
		}
	}
}

// TestEveryCommandIsCompleteInItself holds what every command must have.
func TestEveryCommandIsCompleteInItself(t *testing.T) {
	t.Parallel()
	root, _ := newRootCmd()
	for _, c := range root.Commands() {
		if c.Short == "" || c.RunE == nil || c.Args == nil {
			t.Errorf("%s: Short, RunE and Args are needed", c.Name())
		}
	}
}
