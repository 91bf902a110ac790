package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImportSources translates whole configurations: testdata/import/*.txt hold what is
// in front of "=====" and, behind it, what becomes of it.
func TestImportSources(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/import/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			source, _, _ := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), "=====\n")
			got := translated(t, source)
			if strings.Contains(got, "hush4hush") {
				t.Errorf("a secret is shown:\n%s", got)
			}
			golden(t, "import/"+filepath.Base(file), source+"=====\n"+got)
		})
	}
}

func translated(t *testing.T, source string) string {
	t.Helper()
	all, others, err := parseSource(source, "")
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b bytes.Buffer
	for _, tr := range all {
		name := tr.done("")
		text, err := tr.shown().Text(name)
		if err != nil {
			t.Error(err)
		}
		b.WriteString(text)
		tr.profile = name
		tr.say(&b)
		for _, h := range tr.secrets {
			if !strings.Contains(h.value, "hush4hush") {
				t.Errorf("the secret for %s is another", h.key)
			}
		}
	}
	for _, other := range others {
		fmt.Fprintf(&b, "left out: %s: %s\n", other.name, other.why)
	}
	return b.String()
}

// FuzzParseSource: whatever it is given it neither fails nor shows a secret.
func FuzzParseSource(f *testing.F) {
	files, err := filepath.Glob("testdata/import/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		source, _, _ := strings.Cut(string(text), "=====\n")
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		all, _, err := parseSource(source, "")
		if err != nil {
			return
		}
		for _, tr := range all {
			name := tr.done("")
			if _, err := tr.draft.Text(name); err != nil && !strings.Contains(err.Error(), "yaml") {
				t.Errorf("%q: %v", source, err)
			}
			for _, h := range tr.secrets {
				if tr.file(h) == "" || strings.ContainsAny(tr.file(h), `/\`) {
					t.Errorf("a secret would go into %q", tr.file(h))
				}
			}
		}
	})
}

func TestNames(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"https://mcp.linear.app/mcp": "linear", "https://api.githubcopilot.com/mcp/": "githubcopilot", "http://127.0.0.1:3000": "imported",
		"https://mcp.example.com": "example", "http://localhost:1/mcp": "localhost", "": "imported", "https://mcp.app": "imported",
		"https://a-very-long-name-for-a-server-indeed.example.com": "a-very-long-name-for-a-s",
	} {
		if got := nameOf(target, "imported"); got != want {
			t.Errorf("nameOf(%s) = %s, want %s", target, got, want)
		}
	}
	for s, want := range map[string]string{"My Server!": "my-server", "1st": "st", "Ünï": "n", "--": "", "a_b.c": "a-b-c"} {
		if got := slug(s); got != want {
			t.Errorf("slug(%s) = %s, want %s", s, got, want)
		}
	}
}

// TestEverySecretHasAFileOfItsOwn: names that look alike do not share one.
func TestEverySecretHasAFileOfItsOwn(t *testing.T) {
	t.Parallel()
	all, _, err := parseSource("mcp-remote https://x.example.com --header 'X-Key1: a' --header 'X-Key2: b' --header 'X_Key-1: c' --header 'X-Key-1: d' --header 'X-Key1: e'", "")
	if err != nil {
		t.Fatal(err)
	}
	tr := all[0]
	tr.done("x")
	files := map[string]string{}
	for _, h := range tr.secrets {
		if other, twice := files[tr.file(h)]; twice {
			t.Errorf("%s and %s share %s", other, h.header, tr.file(h))
		}
		files[tr.file(h)] = h.header + "=" + h.value
	}
	if len(files) != 4 || files["x.header-x-key1"] != "X-Key1=e" {
		t.Errorf("files = %v", files)
	}
}
