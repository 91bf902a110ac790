package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/clientconfig"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

func TestAPersonIsAskedBeforeAWrite(t *testing.T) {
	t.Parallel()
	for answer, written := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "\n": false, "": false, "yesterday\n": false} {
		home := t.TempDir()
		editor, err := clientconfig.New(clientconfig.Options{StateDir: filepath.Join(home, "state"), Exe: "/usr/bin/mcpauth-tray",
			Getenv: func(name string) string { return map[string]string{"HOME": home, "USERPROFILE": home}[name] }})
		if err != nil {
			t.Fatal(err)
		}
		plans, err := editor.Plan("cursor", clientconfig.Task{Set: []clientconfig.Entry{{Profile: "a", URL: "http://127.0.0.1:1/mcp"}}})
		if err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		c := &cobra.Command{}
		c.SetContext(t.Context())
		c.SetOut(&said)
		c.SetErr(&said)
		if err := confirmed(c, editor, plans, bufio.NewReader(strings.NewReader(answer))); err != nil {
			t.Fatal(err)
		}
		_, err = os.Stat(filepath.Join(home, ".cursor", "mcp.json"))
		if (err == nil) != written {
			t.Errorf("after %q: %v", answer, err)
		}
		if text := said.String(); !strings.Contains(text, `+      "url": "http://127.0.0.1:1/mcp"`) || !strings.Contains(text, "[y/N]") {
			t.Errorf("it said %s", text)
		}
	}
}

func TestTheNullDeviceIsNoTerminal(t *testing.T) {
	t.Parallel()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if onTerminal(null) || onTerminal(strings.NewReader("y\n")) {
		t.Error("a question would be asked")
	}
}

// TestProfilesKnowTheClients holds the words of profiles.yaml to the table of clients.
func TestProfilesKnowTheClients(t *testing.T) {
	t.Parallel()
	written := clientIDs(func(c *clientconfig.Client) bool { return !c.ByHand })
	if !slices.Equal(profile.Clients, written) {
		t.Errorf("profile.Clients are %q, want %q", profile.Clients, written)
	}
	byHand := clientIDs(func(c *clientconfig.Client) bool { return c.ByHand })
	if !slices.Equal(profile.ClientsByHand, byHand) {
		t.Errorf("profile.ClientsByHand are %q, want %q", profile.ClientsByHand, byHand)
	}
}

func TestSummaryOfAClient(t *testing.T) {
	t.Parallel()
	got := summary([]listedProfile{{State: clientconfig.Current}, {State: clientconfig.Missing}, {State: clientconfig.Missing, Waits: true}})
	if want := "1 current, 1 waiting for it to quit"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
