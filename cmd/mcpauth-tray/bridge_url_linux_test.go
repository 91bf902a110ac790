package main

import (
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// TestBridgeURLKeepsItsSignInInTheKeyring is the default, with nothing said about it.
func TestBridgeURLKeepsItsSignInInTheKeyring(t *testing.T) {
	t.Parallel()
	s, box, person := seat.New(t), newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	s.StartKeyring(true)
	env, home := []string{"DBUS_SESSION_BUS_ADDRESS=" + s.Address, person.env()}, t.TempDir()
	for range 2 {
		b := startURL(t, home, env, box.MCPURL())
		b.signsIn()
		bridgedEcho(t, b.ClientSession)
		b.ends()
	}
	person.opened(1)
	// Without the keyring the client is told why, and no page opens.
	b := startURL(t, home, []string{"DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent/bus", person.env()}, box.MCPURL())
	if _, err := b.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "echo"}); err == nil || !strings.Contains(err.Error(), "no keyring") {
		t.Errorf("the client is told %v", err)
	}
	b.ends()
	person.opened(1)
}
