package main

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/clientconfig"
)

// TestDerivedPort: the ports are those that getServerUrlHash and calculateDefaultPort of
// mcp-remote 0.15.1 gave.
func TestDerivedPort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		port string
	}{
		{[]string{"https://mcp.example.com/mcp"}, "41409"},
		{[]string{"https://mcp.linear.app/mcp", "--debug", "--auth-timeout", "60"}, "22227"},
		{[]string{"--header", `X-B: é<"\`, "https://mcp.example.com/mcp", "--resource", " https://r.example/", "--authorize-param", "prompt=consent",
			"--header", "Authorization:Bearer ${T}", "--authorize-param", "audience=a&b"}, "12900"},
		{[]string{"https://mcp.example.com/mcp", "--resource", "https://r.example/", "--disable-resource-parameter"}, "41409"},
		{[]string{"https://mcp.example.com/mcp", "--header-file", "nowhere"}, ""},
		{[]string{"https://mcp.example.com/mcp", "--token-endpoint", "https://x.example"}, ""},
		{[]string{"--debug"}, ""},
	} {
		tr := newTranslation(mcpRemote())
		tr.args = c.args
		if port, ok := tr.derivedPort(); ok != (c.port != "") || ok && port != c.port {
			t.Errorf("%q: port %s, %v, want %q", c.args, port, ok, c.port)
		}
	}
	tr := newTranslation(mcpRemote())
	tr.args, tr.shell = []string{"https://x.example", "--header", "A: ${T}"}, true
	if port, ok := tr.derivedPort(); ok {
		t.Errorf("port %s of what is not known", port)
	}
}

// clientsHome is a home folder with a client's config in it, and what tells commands of it.
func clientsHome(t *testing.T, cursor string) (home string, c *cobra.Command, said *bytes.Buffer) {
	t.Helper()
	home = t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv("XDG_CONFIG_HOME", "")
	if err := os.MkdirAll(filepath.Join(home, ".cursor"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".cursor", "mcp.json"), []byte(cursor), 0o600); err != nil {
		t.Fatal(err)
	}
	c = newImportCmd()
	c.Flags().String(flagStateDir, filepath.Join(home, "state"), "")
	c.Flags().String(flagProfiles, filepath.Join(home, "profiles.yaml"), "")
	c.SetContext(t.Context())
	said = &bytes.Buffer{}
	c.SetOut(said)
	c.SetErr(said)
	return home, c, said
}

// TestASwapIsShownAndAsked: nothing of a client's config changes before a person agrees,
// and what the old entry held is not shown.
func TestASwapIsShownAndAsked(t *testing.T) {
	before := `{"mcpServers": {"x": {"command": "npx", "args": ["mcp-remote", "https://x.example/mcp?token=canary"], "env": {"A": "canary"}}}}`
	home, c, said := clientsHome(t, before)
	found, err := surveyClients(c, []string{"cursor"}, "")
	if err != nil || len(found.all) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	s, err := sessionWithout(c)
	if err != nil {
		t.Fatal(err)
	}
	e := found.all[0].entries[0]
	task := clientconfig.Task{Set: []clientconfig.Entry{{Profile: "x", Name: e.Name, Over: e.Mark, URL: "http://127.0.0.1:7801/mcp"}}}
	for _, answer := range []string{"n\n", "", "y\n"} {
		plans, err := s.editor.Plan("cursor", task)
		if err != nil {
			t.Fatal(err)
		}
		said.Reset()
		if err := confirmed(c, s.editor, plans, bufio.NewReader(strings.NewReader(answer))); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(home, ".cursor", "mcp.json"))
		if err != nil || (string(text) != before) != (answer == "y\n") {
			t.Errorf("after %q: %s, %v", answer, text, err)
		}
		if !strings.Contains(said.String(), `+{"mcpServers": {"x": {"url": "http://127.0.0.1:7801/mcp"}}}`) || strings.Contains(said.String(), "canary") {
			t.Errorf("it said %s", said)
		}
	}
}

// TestImportLeavesNoSecretAbout: after a swap what the entry held is in the file of the
// secret and in the backup, for their owner alone, and nowhere else.
func TestImportLeavesNoSecretAbout(t *testing.T) {
	const canary = "canary-5b1f"
	home, c, said := clientsHome(t, `{"mcpServers": {"x": {"url": "https://x.example/mcp", "headers": {"Authorization": "Bearer `+canary+`"}}}}`)
	if err := runImport(c, nil, importOptions{swap: true, clients: []string{"cursor"}}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(said.String(), canary) {
		t.Errorf("it is shown:\n%s", said)
	}
	var with []string
	err := filepath.WalkDir(home, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(data, []byte(canary)) {
			return err
		}
		rel, err := filepath.Rel(home, name)
		info, statErr := d.Info()
		if statErr != nil {
			return statErr
		}
		if info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
			t.Errorf("%s has mode %v", rel, info.Mode())
		}
		with = append(with, strings.Split(filepath.ToSlash(rel), "/")[0])
		return err
	})
	if err != nil || strings.Join(with, " ") != "state state x.token" {
		t.Errorf("it is in %v, %v", with, err)
	}
}
