package clientconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/tailscale/hujson"
)

// seeds are the files of the golden tests of a format.
func seeds(f *testing.F, format string) {
	archives, _ := filepath.Glob("testdata/golden/*.txtar")
	for _, name := range archives {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		c, err := ClientByID(strings.Fields(string(a.Comment))[0])
		if err != nil || c.Format != format {
			continue
		}
		for _, file := range a.Files {
			if file.Name != "diff" {
				f.Add(string(file.Data))
			}
		}
	}
}

var newValue = object{{"type", "http"}, {"url", "http://127.0.0.1:1/mcp"}, {"first", []any{"a", "b"}}}

// checkEdits puts an entry into a document, changes it and takes it out, and requires
// that everything else stays as it was, byte for byte in the end.
func checkEdits(t *testing.T, c *Client, text string) {
	doc, err := parse(c, []byte(text))
	if err != nil {
		return
	}
	const name = "zz-ours"
	if _, there := doc.servers()[name]; there {
		return
	}
	e, gap, made, err := doc.add(name, newValue)
	if err != nil {
		return // refused: nothing is written
	}
	added := e.apply(text)
	outside(t, text, added, e)
	with, err := parse(c, []byte(added))
	if err != nil {
		if c.Format != "json" {
			return // refused before anything is written
		}
		t.Fatalf("adding made %q of %q: %v", added, text, err)
	}
	if !sameBut([]string{name}, with.path(), doc.all(), with.all()) {
		if c.Format != "json" {
			return
		}
		t.Fatalf("adding changed more:\n%s\nof\n%s", added, text)
	}
	if got := canonical(with.servers()[name]); got != canonical(plain(newValue)) {
		t.Fatalf("added %s", got)
	}
	checkAfter(t, doc, e, added, with)
	checkFields(t, c, with, added, name)
	e, err = with.remove(name, gap, made)
	if err != nil {
		t.Fatal(err)
	}
	outside(t, added, e.apply(added), e)
	if back := e.apply(added); back != text {
		again, err := parse(c, []byte(back))
		if err != nil || !reflect.DeepEqual(again.all(), doc.all()) || strings.TrimSpace(strings.TrimPrefix(text, byteOrderMark)) != "" {
			t.Fatalf("there and back:\n%q\nof\n%q", back, text)
		}
	}
}

func checkFields(t *testing.T, c *Client, doc document, text, name string) {
	for _, f := range []field{{"url", "http://127.0.0.1:2/mcp"}, {"command", "x y"}, {"args", []any{"q\"", "r"}}} {
		e, err := doc.set(name, f.key, f.value)
		if err != nil {
			t.Fatal(err)
		}
		changed := e.apply(text)
		outside(t, text, changed, e)
		after, err := parse(c, []byte(changed))
		if err != nil {
			t.Fatalf("setting %s made %q: %v", f.key, changed, err)
		}
		if !sameBut([]string{name}, after.path(), doc.all(), after.all()) {
			t.Fatalf("setting %s changed more: %q", f.key, changed)
		}
		m := after.servers()[name].(map[string]any)
		if canonical(m[f.key]) != canonical(plain(f.value)) {
			t.Fatalf("%s is %v", f.key, m[f.key])
		}
		checkAfter(t, doc, e, changed, after)
		if e, err = after.unset(name, f.key); err != nil {
			t.Fatal(err)
		}
		without := e.apply(changed)
		last, err := parse(c, []byte(without))
		if err != nil {
			t.Fatalf("unsetting %s made %q of %q: %v", f.key, without, changed, err)
		}
		if m := last.servers()[name].(map[string]any); m[f.key] != nil {
			t.Fatalf("%s is still %v", f.key, m[f.key])
		}
	}
}

// checkAfter requires that a document which an edit made of another is as good for more
// edits as one that is parsed anew.
func checkAfter(t *testing.T, doc document, e edit, text string, anew document) {
	if _, ok := doc.(*jsonDoc); !ok {
		return // the others are parsed anew
	}
	after, err := doc.after(e, text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(after.servers(), anew.servers()) || !reflect.DeepEqual(after.path(), anew.path()) || after.empty() != anew.empty() ||
		!slices.Equal(after.notes(), anew.notes()) || !same(after.all(), anew.all()) {
		t.Fatalf("after %v it is not %q", e, text)
	}
	edits := func(d document) string {
		var all []any
		note := func(e edit, err error) { all = append(all, e, err) }
		names := slices.Sorted(maps.Keys(anew.servers()))
		for _, name := range []string{names[0], names[len(names)-1], "zz-another"} {
			added, gap, made, err := d.add(name, newValue)
			all = append(all, gap, made)
			note(added, err)
			note(d.set(name, "url", "x"))
			note(d.set(name, "new", []any{"x"}))
			note(d.unset(name, "url"))
			note(d.remove(name, "", true))
			note(d.remove(name, "  ", false))
			all = append(all, d.editable(name))
		}
		return fmt.Sprintf("%+v", all)
	}
	if got, want := edits(after), edits(anew); got != want {
		t.Fatalf("after %v, %q is edited by\n%s\nand parsed anew by\n%s", e, text, got, want)
	}
}

// checkDecoded requires that a document is what encoding/json makes of it.
func checkDecoded(t *testing.T, c *Client, text string) {
	doc, err := parse(c, []byte(text))
	if err != nil || doc.empty() {
		return
	}
	plain, err := hujson.Standardize([]byte(strings.TrimPrefix(text, byteOrderMark) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	var want any
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.UseNumber()
	if err := decoder.Decode(&want); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if !reflect.DeepEqual(doc.all(), want) {
		t.Fatalf("%q is\n%#v\nwant\n%#v", text, doc.all(), want)
	}
}

// checkSwaps swaps each server there is. What is refused is not written; what is not
// changes nothing else, keeps what a person set, and leaves nothing of the old server.
func checkSwaps(t *testing.T, c *Client, text string) {
	doc, err := parse(c, []byte(text))
	if err != nil {
		return
	}
	own := object{{"command", "/bin/ours"}, {"args", []any{"bridge", "x"}}}
	for name, entry := range doc.servers() {
		old, ok := entry.(map[string]any)
		if !ok || doc.editable(name) != nil {
			continue
		}
		w := &work{client: c, text: text, doc: doc, rec: &record{Entries: map[string]*owned{}}, covered: map[string][]string{}}
		if w.swap(name, shape{own: own}) != nil || !sameBut([]string{name}, doc.path(), doc.all(), w.doc.all()) {
			continue // a file that is edited is compared in the same way, and refused
		}
		now := w.doc.servers()[name].(map[string]any)
		for key, value := range old {
			if !slices.Contains(formerKeys, key) && fmt.Sprintf("%#v", now[key]) != fmt.Sprintf("%#v", value) {
				t.Fatalf("%q of %q became %v in %q, from %q", key, name, now[key], w.text, text)
			}
		}
		for _, key := range formerKeys {
			if now[key] != nil && key != "command" && key != "args" {
				t.Fatalf("%q of %q is still there in %q", key, name, w.text)
			}
		}
	}
}

// outside requires that what an edit does not replace is there in order.
func outside(t *testing.T, before, after string, e edit) {
	at := 0
	rest := after
	for _, s := range append(sorted(e), splice{len(before), len(before), ""}) {
		kept := before[at:s.from]
		if !strings.HasPrefix(rest, kept) {
			t.Fatalf("%q is not kept", kept)
		}
		rest = strings.TrimPrefix(rest[len(kept):], s.with)
		at = s.to
	}
}

func FuzzJSON(f *testing.F) {
	seeds(f, "json")
	for _, s := range []string{`{"mcpServers":{"a":1}/**/}`, `{"mcpServers":{/**/}/**/,}`, "{\"mcpServers\":{\"a\":{}//x\n,//y\n}}", "{//\n}", `{"a":1,"a":2}`, "\ufeff{}", `{"mcpServers":null}`, `{"x":"\ud800"}`,
		"{\"mcpServers\":{\"a\":{},\n\"b\":{}}}", "{\n\"mcpServers\":{\"a\":{}\n}\n,\"c\":[]}"} {
		f.Add(s)
	}
	c := &Client{ID: "x", Format: "json", Servers: []string{"mcpServers"}}
	nested := &Client{ID: "y", Format: "json", Servers: []string{"mcp"}, Nested: "servers"}
	f.Fuzz(func(t *testing.T, text string) {
		checkDecoded(t, c, text)
		checkEdits(t, c, text)
		checkSwaps(t, c, text)
		checkEdits(t, nested, text)
		if doc, err := parse(c, []byte(text)); err == nil {
			doc.veil(func(string, string) bool { return false })
		}
		checkRemoval(t, c, text)
	})
}

func FuzzTOML(f *testing.F) {
	seeds(f, "toml")
	for _, s := range []string{"[mcp_servers]", "mcp_servers.a.b=1", "[[mcp_servers]]", "[a]\n[mcp_servers.zz-ours.env]\nx=1", "[mcp_servers.a]\nenv.x=1\n[mcp_servers.a.b]\nc=1\n[mcp_servers.a.headers.d]\ne=1", "a={b=[1,\n2]}", "[mcp_servers.a]\nx=1\n\n\n", "# x\n\n"} {
		f.Add(s)
	}
	c := &Client{ID: "x", Format: "toml", Servers: []string{"mcp_servers"}}
	f.Fuzz(func(t *testing.T, text string) {
		checkEdits(t, c, text)
		checkSwaps(t, c, text)
		if doc, err := parse(c, []byte(text)); err == nil {
			doc.veil(func(string, string) bool { return false })
		}
		checkRemoval(t, c, text)
	})
}

func FuzzYAML(f *testing.F) {
	seeds(f, "yaml")
	for _, s := range []string{"extensions:", "extensions: {}", "extensions: &a\n  b: {}\n", "---\nextensions:\n  a:\n    b: 1\n...\n", "{}", "extensions:\n  ? a\n  : b\n", "a: |\n  x\n\n", "extensions:\n  a: 'x\n    y'\n# c"} {
		f.Add(s)
	}
	c := &Client{ID: "x", Format: "yaml", Servers: []string{"extensions"}}
	f.Fuzz(func(t *testing.T, text string) {
		checkEdits(t, c, text)
		checkSwaps(t, c, text)
		if doc, err := parse(c, []byte(text)); err == nil {
			doc.veil(func(name, _ string) bool { return name == "a" })
		}
		checkRemoval(t, c, text)
	})
}
