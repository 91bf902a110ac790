package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// TestImportBesideARunningApp goes the way of a person who had mcp-remote in a client:
// import, sign in, and the client's entry leads to the server.
func TestImportBesideARunningApp(t *testing.T) {
	t.Parallel()
	box, person, home := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve"), t.TempDir()
	a := newApp(t, inMemory, "HOME="+home, "USERPROFILE="+home, "XDG_CONFIG_HOME="+filepath.Join(home, ".config"), person.env())
	config := filepath.Join(home, ".cursor", "mcp.json")
	desktop := filepath.Join(home, ".config", "Claude", "claude_desktop_config.json")
	for file, entry := range map[string]string{config: `{"url": %q}`, desktop: `{"command": "npx", "args": ["-y", "mcp-remote", %q]}`} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf(`{"mcpServers": {"Box!": `+entry+`}}`, box.MCPURL())
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.start()
	said := a.run("import", "--swap", "--name", "Box!", "--client", "cursor", "--client", "claude-desktop", "--force")
	if !strings.Contains(said, "Next: sign in, with mcpauth-tray signin box\n") || strings.Contains(said, "Next: start the app") {
		t.Errorf("it said\n%s", said)
	}
	a.run("signin", "box", "--wait")
	row := a.waitPhase("box", status.Ready)

	read := func(file string) (entry struct {
		URL, Command string
		Args         []string
	}) {
		t.Helper()
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, data, _ = bytes.Cut(bytes.TrimSuffix(data, []byte("}}")), []byte(`"Box!": `))
		if err := json.Unmarshal(data, &entry); err != nil {
			t.Fatal(err)
		}
		return entry
	}
	if got := read(config).URL; got != row.URL {
		t.Errorf("Cursor is pointed at %s, and the profile is at %s", got, row.URL)
	}
	entry := read(desktop)
	cmd := process(t, a.exe, entry.Args...) // entry.Command is the test binary behind it
	cmd.Env = append(os.Environ(), "HOME="+home)
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(soon.Context(t), &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if answer, err := callTool(soon.Context(t), session, "whoami", nil); err != nil || !strings.Contains(answer, "alice") {
		t.Errorf("the tool answered %q, %v", answer, err)
	}
}
