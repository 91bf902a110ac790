package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// TestBridgeInABareEnvironment: clients give their servers few variables, and none by which
// the desktop is reached. The app has them.
func TestBridgeInABareEnvironment(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("wslview"); err == nil {
		t.Skip("here a browser opens without a display")
	}
	a, _ := boxed(t, sandbox.Options{})
	a.start()
	a.waitPhase("box", status.SignInNeeded)
	cmd := a.command("bridge", "box", "--state-dir", filepath.Join(a.dir, "state"))
	cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name != "HOME" && name != "PATH"
	})
	s, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	result, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "sign_in_to_box"})
	if err != nil || result.IsError || !strings.HasPrefix(result.Content[0].(*mcp.TextContent).Text, "Signed in to box.") {
		t.Fatalf("%+v, %v", result.Content[0], err)
	}
}
