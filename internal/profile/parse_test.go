package profile

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update to accept:\n%s", file, diff)
	}
}

// complaints is everything said about a file.
func complaints(c *Config, err error) string {
	var b strings.Builder
	say := func(kind string, list Errors) {
		for _, e := range list {
			fmt.Fprintf(&b, "%s%v\n", kind, e)
			if e.Hint != "" {
				fmt.Fprintf(&b, "    hint: %s\n", e.Hint)
			}
		}
	}
	var list Errors
	if err != nil && !errors.As(err, &list) {
		return fmt.Sprintf("not Errors: %T", err)
	}
	say("", list)
	if c != nil {
		say("warning: ", c.Warnings)
		names := []string{}
		for _, p := range c.Profiles {
			names = append(names, p.Name)
		}
		fmt.Fprintf(&b, "valid: %d profiles %s\n", len(names), strings.Join(names, " "))
	}
	return b.String()
}

func testFiles(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 50 {
		t.Fatalf("testdata has %d files, %v", len(files), err)
	}
	return files
}

func TestGolden(t *testing.T) {
	for _, file := range testFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(filepath.Base(file), data)
			if (c == nil) != (err != nil) {
				t.Errorf("config %v and error %v", c, err)
			}
			got := complaints(c, err)
			golden(t, strings.TrimSuffix(filepath.Base(file), ".yaml")+".golden", got)
			if strings.Contains(got, "hush") {
				t.Error("a secret is in the complaints")
			}
			checkQuality(t, err)
		})
	}
}

// checkQuality asks of every complaint what people need.
func checkQuality(t *testing.T, err error) {
	t.Helper()
	var list Errors
	errors.As(err, &list)
	for _, e := range list {
		if e.Line < 1 || e.Column < 1 {
			t.Errorf("no position: %v", e)
		}
		if text := e.Error() + e.Hint; len(e.Message) > 300 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '\u202e' }) {
			t.Errorf("not one clean line: %q", text)
		}
	}
	if !slices.IsSortedFunc(list, func(a, b *Error) int {
		return 10000*(a.Line-b.Line) + a.Column - b.Column
	}) {
		t.Error("not in the order of the file")
	}
}

func TestDefaults(t *testing.T) {
	c, err := Parse("x.yaml", []byte("version: 1\nprofiles:\n  company-tools: {target: 'https://mcp.example.com/mcp?a=b'}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		File:     "x.yaml",
		Settings: Settings{TokenStore: "keyring", RedirectHost: "localhost", RedirectPort: 8666, LogLevel: "info", Clients: []string{"claude-desktop"}},
		Profiles: []Profile{{
			Name: "company-tools", Target: "https://mcp.example.com/mcp?a=b", Path: "/mcp", Enabled: true,
			SignIn: SignIn{Method: "auto", Start: "manual", Registration: "auto", ScopeParam: "scope",
				Resource: "auto", OpenBrowser: true, Timeout: 5 * time.Minute, TokenAuth: "auto"},
			Guard: Guard{Local: "same-user"},
		}},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	empty, err := Parse("x.yaml", []byte("version: 1\nprofiles: {a: {target: 'https://a.example', sign_in: , guard: , tls: , headers: }}\nsettings:\n"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := empty.Profiles[0], c.Profiles[0]
	if a.Path != "" {
		t.Errorf("path of a target without one: %q", a.Path)
	}
	a.Name, a.Target, a.Path = b.Name, b.Target, b.Path
	if diff := cmp.Diff(b, a) + cmp.Diff(c.Settings, empty.Settings); diff != "" {
		t.Errorf("empty blocks are not the default: %v", diff)
	}
}

func TestExample(t *testing.T) {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip(err)
	}
	c := mustLoad(t, "../../profiles.example.yaml")
	p := c.Profiles[slices.IndexFunc(c.Profiles, func(p Profile) bool { return p.Name == "all-keys" })]
	want := Profile{
		Name: "all-keys", Target: "https://mcp.example.org/v1/mcp?team=blue", Listen: "127.0.0.1:7805", Path: "/v1/mcp", Enabled: true,
		SignIn: SignIn{
			Method: "auto", Start: "manual", Issuer: "https://auth.example.org", ClientID: "my-client",
			ClientSecret: Secret{File: filepath.Join(home, ".config/mcpauth-tray/my-client.secret")},
			Registration: "auto", Scopes: []string{"openid", "profile", "offline_access"}, ScopeParam: "scope", Resource: "auto",
			AuthorizeParams: map[string]string{"audience": "https://api.example.org"}, OpenBrowser: true, Timeout: 5 * time.Minute,
			TokenAuth: "auto", TrustedIssuers: []string{}, Session: "work",
		},
		Guard: Guard{Local: "same-user", AllowedOrigins: []string{}},
		Headers: Headers{Set: map[string]string{"X-Team": "blue"}, Forward: []string{},
			SetFile: map[string]string{"X-Api-Key": filepath.Join(home, ".config/mcpauth-tray/api.key")}},
		TLS:   TLS{CAFile: filepath.Join(home, "certificates/company-ca.pem")},
		Proxy: "http://proxy.example.org:3128", Clients: []string{"cursor", "vscode"},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	if len(c.Warnings) > 0 {
		t.Error(c.Warnings)
	}
}

func TestClientsOf(t *testing.T) {
	c, err := Parse("x.yaml", []byte("version: 1\nsettings: {clients: [cursor]}\nprofiles:\n"+
		"  a: {target: 'https://a.example'}\n  b: {target: 'https://a.example', clients: []}\n  c: {target: 'https://a.example', clients: [zed]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"cursor"}, {}, {"zed"}} {
		if got := c.ClientsOf(c.Profiles[i]); !slices.Equal(got, want) {
			t.Errorf("%s asks for %v, want %v", c.Profiles[i].Name, got, want)
		}
	}
}

func mustLoad(t *testing.T, file string) *Config {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(file, data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
