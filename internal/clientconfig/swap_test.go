package clientconfig

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestSwap puts an entry in the place of another's. An archive names the client and the
// server in its comment, and "bridge" behind them, and holds "before" and "after".
func TestSwap(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob("testdata/swap/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range archives {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			swapped(t, name, a)
		})
	}
}

func swapped(t *testing.T, name string, a *txtar.Archive) {
	l := newLab(t)
	id, server, _ := strings.Cut(strings.TrimSpace(string(a.Comment)), " ")
	server, bridge := strings.CutSuffix(server, " bridge")
	before := string(a.Files[0].Data)
	file := l.file(id)
	l.write(file, before)
	entry := tools
	entry.Name, entry.Over, entry.Bridge = server, l.server(id, server).Mark, bridge
	p := l.must(id, Task{Set: []Entry{entry}})
	after, diff := l.read(file), strings.ReplaceAll(p.Diff(), l.home, "~")
	if *update {
		rewriteGolden(t, name, a, after, diff)
		return
	}
	l.want(file, string(a.Files[1].Data))
	if want := string(a.Files[2].Data); diff != want {
		t.Errorf("the diff is\n%s\nwant\n%s", diff, want)
	}
	if strings.Contains(diff, "canary") {
		t.Errorf("a secret is shown:\n%s", diff)
	}
	if got := l.server(id, server); got.Profile != tools.Profile || p.Changes[0].Action != Replace {
		t.Errorf("the entry belongs to %q after %s", got.Profile, p.Changes[0].Action)
	}
	if s := l.stateOf(id, tools); s != Current {
		t.Errorf("the entry is %s", s)
	}
	if again := l.must(id, Task{Set: []Entry{tools}}); again.Writes() {
		t.Errorf("a second write would change\n%s", again.Diff())
	}
	moved := tools
	moved.URL = "http://127.0.0.1:7900/mcp"
	l.must(id, Task{Set: []Entry{moved}})
	l.must(id, Task{Set: []Entry{tools}})
	l.want(file, after)
	for l.read(file) != before {
		if err := l.undo(id); err != nil {
			t.Fatalf("%v, and it is\n%s", err, l.read(file))
		}
	}
}

// server is a server in a client's config.
func (l *lab) server(id, name string) Server {
	l.t.Helper()
	all, err := l.editor.Servers(id)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, s := range all {
		if s.Name == name {
			return s
		}
	}
	l.t.Fatalf("%s has no server %q: %v", id, name, all)
	return Server{}
}

const withRemote = `{"mcpServers": {
  "remote": {"command": "npx", "args": ["mcp-remote", "https://x.example/mcp"], "env": {"KEY": "canary"}},
  "other": {"url": "https://other.example/mcp"}
}}
`

func TestASwapIsOfWhatWasSeen(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.write(file, withRemote)
	entry := tools
	entry.Name, entry.Over = "remote", l.server("cursor", "remote").Mark
	for what, text := range map[string]string{
		"changed": strings.Replace(withRemote, "x.example", "y.example", 1),
		"gone":    strings.Replace(withRemote, `"remote"`, `"renamed"`, 1),
	} {
		l.write(file, text)
		if _, err := l.do("cursor", Task{Set: []Entry{entry}, Force: true}); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", what, err)
		}
		l.want(file, text)
	}
	entry.Name = ""
	if _, err := l.editor.Plan("cursor", Task{Set: []Entry{entry}}); !errors.Is(err, ErrEntry) {
		t.Errorf("without a name: %v", err)
	}
}

// TestASwapAfterAnother: the profile has its entry already, and keeps the one.
func TestASwapAfterAnother(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write(l.file("cursor"), withRemote)
	l.must("cursor", Task{Set: []Entry{tools}})
	text := l.read(l.file("cursor"))
	entry := tools
	entry.Name, entry.Over = "remote", l.server("cursor", "remote").Mark
	if _, err := l.do("cursor", Task{Set: []Entry{entry}}); !errors.Is(err, ErrName) {
		t.Errorf("error %v", err)
	}
	l.want(l.file("cursor"), text)
}

func TestASwapIsUndoneInAFileThatChanged(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.write(file, withRemote)
	before := l.server("cursor", "remote").Mark
	entry := tools
	entry.Name, entry.Over = "remote", before
	l.must("cursor", Task{Set: []Entry{entry}})
	if strings.Contains(l.read(file), "canary") {
		t.Error("the old variables are still there")
	}
	l.write(file, strings.Replace(l.read(file), "other.example", "another.example", 1))
	plans, err := l.editor.PlanUndo("cursor", false)
	if err != nil || len(plans) != 1 || plans[0].Diff() == "" || strings.Contains(plans[0].Diff(), "canary") {
		t.Fatalf("the preview is %+v, %v", plans, err)
	}
	if err := l.undo("cursor"); err != nil {
		t.Fatal(err)
	}
	if now := l.server("cursor", "remote"); now.Mark != before || now.Profile != "" || !strings.Contains(l.read(file), "another.example") {
		t.Errorf("it is\n%s", l.read(file))
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	if all, err := l.editor.Servers("cursor"); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	l.write(file, `{"mcpServers": {"b": {"url": "x"}, "a": {}, "twice": {"command": "a"}, "twice": {"command": "b"},
  "field": {"url": "a", "url": "b"}, "text": "x", "ours": {"command": "/elsewhere/mcpauth-tray", "args": ["bridge", "p"]}}}`)
	all, err := l.editor.Servers("cursor")
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, s := range all {
		word := s.Name
		if s.Profile != "" {
			word += "=" + s.Profile
		}
		if s.Err != nil {
			word += "!"
		}
		said = append(said, word)
	}
	if want := []string{"a", "b", "field!", "ours=p", "twice!"}; !slices.Equal(said, want) {
		t.Errorf("servers %v, want %v", said, want)
	}
	l.write(file, "{")
	if _, err := l.editor.Servers("cursor"); !errors.Is(err, ErrUnreadable) {
		t.Errorf("error %v", err)
	}
	if _, err := l.editor.Servers("raycast"); !errors.Is(err, ErrByHand) {
		t.Errorf("error %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

// TestRandomSwaps: in JSON of every odd spelling a swap changes nothing outside the entry,
// and in it keeps what is not about where it points.
func TestRandomSwaps(t *testing.T) {
	t.Parallel()
	c := &Client{ID: "x", Format: "json", Servers: []string{"mcpServers"}}
	want := shape{own: object{{"url", "http://127.0.0.1:1/mcp"}}, url: object{{"oauth", false}}}
	for seed := range uint64(400) {
		g := &jsonGenerator{Rand: rand.New(rand.NewPCG(seed, 2))}
		text := g.file()
		doc, err := parse(c, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		e, _, _, err := doc.add("zz", object{{"command", "npx"}, {"mine", object{{"env", "stays"}}}, {"args", []any{"a"}}, {"env", object{{"K", "canary"}}}, {"last", true}})
		if err != nil {
			continue
		}
		text = e.apply(text)
		if doc, err = parse(c, []byte(text)); err != nil {
			t.Fatal(err)
		}
		w := &work{client: c, text: text, doc: doc, rec: &record{Entries: map[string]*owned{}}, covered: map[string][]string{}}
		if err := w.swap("zz", want); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if got := canonical(w.doc.servers()["zz"]); got != `{"last":true,"mine":{"env":"stays"},"oauth":false,"url":"http://127.0.0.1:1/mcp"}` {
			t.Errorf("seed %d made %s", seed, got)
		}
		name := `"zz"`
		from, old := strings.Index(w.text, name), strings.Index(text, name)
		if from < 0 || w.text[:from] != text[:old] || strings.Contains(w.text, "canary") {
			t.Errorf("seed %d:\n%s\nbecame\n%s", seed, text, w.text)
		}
		if !sameBut([]string{"zz"}, doc.path(), doc.all(), w.doc.all()) {
			t.Errorf("seed %d: more changed", seed)
		}
	}
}
