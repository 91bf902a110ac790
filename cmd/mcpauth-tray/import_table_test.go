package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// systems are all whose configuration can be imported.
func systems() []*system { return append(programs(), ownURL()) }

// TestMappingTable holds migrating.md and the tables equal.
func TestMappingTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	whole := string(text)
	for _, s := range systems() {
		start, end := "<!-- "+s.name+" -->\n", "<!-- end of "+s.name+" -->\n"
		front, rest, ok := strings.Cut(whole, start)
		_, back, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("migrating.md has no %s", start)
		}
		whole = front + start + mappingTable(s) + end + back
	}
	if *update {
		if err := os.WriteFile("migrating.md", []byte(whole), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(whole, strings.ReplaceAll(string(text), "\r\n", "\n")); diff != "" {
		t.Errorf("the tables (-) and migrating.md (+), go test -update:\n%s", diff)
	}
}

func mappingTable(s *system) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n| option | profiles.yaml | remarks |\n|---|---|---|\n", s.title)
	for _, o := range s.options {
		names := "`" + strings.Join(append([]string{o.name}, o.also...), "`, `") + "`"
		key, doc := "—", o.doc
		if o.key == "the profile's name" {
			key = o.key
		} else if o.key != "" {
			key = "`" + o.key + "`"
		}
		if _, later := o.later(); later {
			doc = strings.TrimSuffix("**not supported yet**; "+doc, "; ")
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", names, key, doc)
	}
	return b.String()
}

// TestMappingRows translates every row of every table by itself, under each of its names.
func TestMappingRows(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	for _, s := range systems() {
		for i := range s.options {
			for _, name := range append([]string{s.options[i].name}, s.options[i].also...) {
				writeRow(t, &b, s, &s.options[i], name)
			}
		}
	}
	if strings.Contains(b.String(), "hush4hush") {
		t.Error("a secret is shown")
	}
	golden(t, "mapping.golden", b.String())
}

func writeRow(t *testing.T, b *bytes.Buffer, s *system, o *option, name string) {
	t.Helper()
	args := []string{name}
	if len(o.example) != o.takes.count() {
		t.Errorf("%s %s: %d examples", s.name, o.name, len(o.example))
	}
	tr := newTranslation(s)
	switch {
	case s.name == ownURL().name:
		tr.apply(s.find(name), o.example)
	case strings.HasPrefix(name, "-"):
		tr.arguments(append(args, o.example...))
	case strings.EqualFold(name, httpsProxy().name), strings.EqualFold(name, noProxy().name), strings.ToUpper(name) == name && strings.Contains(name, "_") && name != "SERVER_NAME" && name != "COMMAND_OR_URL" || s.name == "mcp-oauth-proxy":
		tr.env[name] = strings.Join(o.example, "")
		if o.takes == noValue {
			tr.env[name] = "true"
		}
		tr.variables(true)
	default:
		tr.arguments(o.example)
	}
	if tr.draft["target"] == nil {
		tr.draft["target"] = "https://server.example.com/mcp"
	}
	profileName := tr.done("")
	text, err := tr.draft.Text(profileName)
	if err != nil {
		t.Errorf("%s %s: %v", s.name, name, err)
	}
	fmt.Fprintf(b, "# %s %s %q\n%s", s.name, name, strings.ReplaceAll(strings.Join(o.example, " "), "hush4hush", "…"), text)
	for _, r := range tr.remarks {
		fmt.Fprintf(b, "# %s: %s (lost: %v)\n", r.option, r.text, r.lost)
	}
	_, later := o.later()
	switch said := len(tr.remarks) > 0; {
	case later && !said:
		t.Errorf("%s %s: not supported yet and dropped silently", s.name, name)
	case o.key == "" && !said:
		t.Errorf("%s %s: no counterpart and dropped silently", s.name, name)
	}
	if later || !needsNoOther(o) {
		return
	}
	if _, err := profile.Insert("p.yaml", []byte("version: 1\nprofiles: {}\n"), profileName, tr.draft); err != nil {
		t.Errorf("%s %s: %v", s.name, name, err)
	}
}

// needsNoOther reports whether the option makes a whole profile by itself.
func needsNoOther(o *option) bool {
	switch key, _ := o.place(); key {
	case "sign_in.authorize_url", "sign_in.token_url", "sign_in.client_secret_file":
		return false
	}
	return true
}

// TestOptionNamesAreUnique holds that no two options of a system have the same name.
func TestOptionNamesAreUnique(t *testing.T) {
	t.Parallel()
	for _, s := range append(systems(), addOptions()) {
		seen := map[string]bool{}
		for _, o := range s.options {
			for _, name := range append([]string{o.name}, o.also...) {
				if seen[name] {
					t.Errorf("%s: %s is there twice", s.name, name)
				}
				seen[name] = true
			}
			if o.key == "" && o.how == nil && o.doc == "" {
				t.Errorf("%s: %s has neither a key nor a reason", s.name, o.name)
			}
		}
		for _, op := range s.operands {
			if s.find(op.option) == nil {
				t.Errorf("%s: no option for argument %s", s.name, op.option)
			}
		}
	}
}
