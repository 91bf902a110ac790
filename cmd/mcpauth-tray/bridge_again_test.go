package main

import (
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Whoever signs out right after a sign-in gets a page for the next one, too.
func TestBridgeSignsInAgain(t *testing.T) {
	t.Parallel()
	a, box := boxed(t, sandbox.Options{})
	a.start()
	a.waitPhase("box", status.SignInNeeded)
	s, _ := bridged(t, a, "box", "2025-11-25")
	for range 2 {
		result, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "sign_in_to_box"})
		if err != nil || result.IsError || result.Content[0].(*mcp.TextContent).Text != "Signed in to box. Its tools are there now; list the tools again." {
			t.Fatalf("%+v, %v", result, err)
		}
		a.run("signout", "box")
		a.eventually("the bridge to know of the sign-out", func() bool { return len(bridgedTools(t, s)) == 1 })
	}
	if n := box.Count(sandbox.KindConsent); n != 2 {
		t.Errorf("%d pages were confirmed", n)
	}
}
