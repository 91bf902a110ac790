package clientconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestGolden writes an entry into configs of every shape and takes it out again. An
// archive names the client in its comment and holds "before" (absent: there is no
// file), "after", and "back" where that is not before. Further words of the first line
// are flags: "crlf" and "bom" change the files before use.
func TestGolden(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	seen := map[string]bool{}
	for _, name := range archives {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		seen[strings.Fields(string(a.Comment))[0]] = true
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			golden(t, name, a)
		})
	}
	for _, c := range Clients() {
		if !c.ByHand && !seen[c.ID] {
			t.Errorf("no archive of %s", c.ID)
		}
	}
}

func golden(t *testing.T, name string, a *txtar.Archive) {
	l := newLab(t)
	words := strings.Fields(string(a.Comment))
	id, flags := words[0], strings.Join(words[1:], " ")
	disguise := func(text string) string {
		if strings.Contains(flags, "no-newline") {
			text = strings.TrimSuffix(text, "\n")
		}
		if strings.Contains(flags, "crlf") {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		if strings.Contains(flags, "bom") {
			text = byteOrderMark + text
		}
		return text
	}
	parts := map[string]string{}
	for _, f := range a.Files {
		parts[f.Name] = disguise(string(f.Data))
	}
	before, there := parts["before"]
	file := l.file(id)
	if there {
		l.write(file, before)
	}
	p := l.must(id, Task{Set: []Entry{tools}})
	after := l.read(file)
	if *update {
		rewriteGolden(t, name, a, strings.TrimPrefix(strings.ReplaceAll(after, "\r", ""), byteOrderMark), strings.ReplaceAll(p.Diff(), l.home, "~"))
		return
	}
	l.want(file, strings.TrimRight(parts["after"], "\r\n")+after[len(strings.TrimRight(after, "\r\n")):])
	if want := strings.ReplaceAll(strings.TrimPrefix(parts["diff"], byteOrderMark), "\r", ""); strings.TrimSuffix(strings.ReplaceAll(p.Diff(), l.home, "~"), "\n") != strings.TrimSuffix(want, "\n") {
		t.Errorf("the diff is\n%s\nwant\n%s", p.Diff(), want)
	}
	if s := l.stateOf(id, tools); s != Current {
		t.Errorf("the entry is %s", s)
	}
	if again := l.must(id, Task{Set: []Entry{tools}}); again.Writes() || again.Diff() != "" {
		t.Errorf("a second write would change\n%s", again.Diff())
	}
	l.must(id, Task{Drop: []Entry{tools}})
	switch back, other := parts["back"]; {
	case other:
		l.want(file, back)
	case there:
		l.want(file, before)
	default:
		l.want(file, "(none)")
		l.debris(l.home)
	}
}

func rewriteGolden(t *testing.T, name string, a *txtar.Archive, after, diff string) {
	kept := a.Files[:0]
	for _, f := range a.Files {
		if f.Name == "before" || f.Name == "back" {
			kept = append(kept, f)
		}
	}
	a.Files = append(kept, txtar.File{Name: "after", Data: []byte(after)}, txtar.File{Name: "diff", Data: []byte(diff)})
	if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}
