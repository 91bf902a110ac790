package clientconfig

import (
	"strings"
	"testing"
)

// shapes are spellings of a config, by format. The word servers stands for the key of
// the map of servers, and BODY for what an entry of somebody else has.
var shapes = map[string]map[string]string{
	"json": {
		"nothing in it":     "{}",
		"a line end in it":  "{\n}\n",
		"no servers":        "{\"a\": 1}",
		"empty servers":     "{\n  \"servers\": {}\n}\n",
		"comments":          "// head\n{\n  // one\n  \"servers\": { // two\n    /* three */ \"a\": {} // four\n    // five\n  } // six\n}\n// end\n",
		"trailing commas":   "{\n  \"servers\": {\n    \"a\": {\"x\": [1, 2,],},\n  },\n}\n",
		"byte order mark":   byteOrderMark + "{\n  \"servers\": {\n    \"a\": {}\n  }\n}\n",
		"CRLF":              "{\r\n  \"servers\": {\r\n    \"a\": {}\r\n  },\r\n  \"z\": 1\r\n}\r\n",
		"tabs":              "{\n\t\"servers\": {\n\t\t\"a\": {\n\t\t\t\"x\": 1\n\t\t}\n\t}\n}\n",
		"eight spaces":      "{\n        \"servers\": {\n                \"a\": {}\n        }\n}\n",
		"one line":          "{\"z\":0,\"servers\":{\"a\":{\"x\":1}},\"b\":[]}",
		"one line, spaced":  "{ \"servers\": { \"a\": {} } }\n",
		"deep":              "{\"d\": " + strings.Repeat("[{\"servers\": ", 80) + "{}" + strings.Repeat("}]", 80) + ", \"servers\": {\"a\": {}}}\n",
		"keys twice":        "{\"a\": 1, \"a\": 2, \"servers\": {\"b\": {\"x\": 1, \"x\": 2}, \"c\": 1, \"c\": 2}}\n",
		"huge numbers":      "{\"n\": [9223372036854775808, -9223372036854775809, 1e400, 0.1000, 1E+2, -0], \"servers\": {}}\n",
		"escapes":           "{\"\\u0061\\/\": \"\\u00e9\\ud83d\\ude00\\ud800\\u0000\\b\", \"servers\": {\"\\u0062\": {}}}\n",
		"unknown keys":      "{\"$schema\": \"x\", \"servers\": {\"a\": {\"unknown\": [null, true, {\"servers\": 1}]}}, \"inputs\": []}\n",
		"no line end":       "{\n  \"servers\": {\n    \"a\": {}\n  }\n}",
		"empty lines":       "\n\n{\n\n  \"servers\": {\n\n    \"a\": {}\n\n  }\n\n}\n\n\n",
		"null and scalars":  "{\"servers\": {\"a\": null, \"b\": 1, \"c\": \"x\", \"d\": []}}\n",
		"comments, nothing": "{ /* a */ \"servers\": { // b\n } }",
	},
	"toml": {
		"another table":   "a = 1\n\n[b]\nc = 2\n",
		"others":          "[servers.a]\nurl = \"x\"\n\n[servers.a.env]\nB = \"c\"\n",
		"their own table": "[servers]\n\n[servers.a]\nx = 1\n",
		"dotted inside":   "[servers]\na.url = \"x\"\nb = {url = \"y\"}\n",
		"comments":        "# head\n[servers.a] # one\nurl = \"x\" # two\n# three\n\n# end\n",
		"CRLF":            "[servers.a]\r\nurl = \"x\"\r\n\r\n[z]\r\ny = 1\r\n",
		"byte order mark": byteOrderMark + "[servers.a]\nurl = \"x\"\n",
		"no line end":     "[servers.a]\nurl = \"x\"",
		"comment at end":  "a = 1 # no line end",
		"odd values":      "n = 0x1F\nb = 9223372036854775807\nf = [1e3, inf, nan, -0.0]\nd = 1979-05-27T07:32:00.999999-07:00\ns = '''\n[servers.company-tools]\n'''\nt = \"\"\"\\\n  x \\u00e9\"\"\"\n",
		"lists of tables": "[[l]]\na = 1\n[[l]]\na = 2\n[l.m]\nb = 3\n",
		"quoted keys":     "[\"servers\".\"a b\"]\n\"x y\" = 1\n[ servers . 'c.d' ]\n'z' = 2\n",
		"tabs":            "\t[servers.a]\n\turl\t=\t\"x\"\n",
		"empty lines":     "\n\n[servers.a]\n\nurl = \"x\"\n\n\n",
	},
	"yaml": {
		"no servers":         "a: 1\n",
		"empty servers":      "servers: {}\nb: 1\n",
		"null servers":       "servers:\nb: 1\n",
		"null, spelled":      "servers: null # none\n",
		"others":             "servers:\n  a:\n    x: 1\n    y: [1, 2]\nz: 1\n",
		"four spaces":        "servers:\n    a:\n        x: 1\n",
		"comments":           "# head\nservers: # one\n  # two\n  a: # three\n    x: 1 # four\n  # five\n\n# six\nz: 1\n# end\n",
		"CRLF":               "servers:\r\n  a:\r\n    x: 1\r\nz: 1\r\n",
		"no line end":        "servers:\n  a:\n    x: 1",
		"byte order mark":    byteOrderMark + "servers:\n  a:\n    x: 1\n",
		"blocks":             "t: |\n  servers:\n    company-tools: x\nservers:\n  a:\n    x: >-\n      folded\n      text\n\n    y: 'two\n      lines'\n",
		"anchors":            "b: &b\n  x: 1\nservers:\n  a:\n    <<: *b\n    z: *b\n",
		"odd scalars":        "n: 0o14\no: 1_000\np: yes\nq: 2001-12-14\nr: ~\ns: \"\\u00e9\\x41\"\nservers:\n  a: {x: 1}\n  on: {y: 2}\n",
		"document marks":     "---\nservers:\n  a:\n    x: 1\n...\n# end\n",
		"an end, no servers": "a: 1\n...\n",
		"lists unindented":   "l:\n- a\n- b\nservers:\n  a:\n    args:\n    - x\n    - y\n",
		"empty lines":        "\n\nservers:\n\n  a:\n\n    x: 1\n\n\n",
	},
}

// TestEveryClientInEveryShape writes into each client's config in each shape, writes
// again, moves the port, takes everything out, and undoes it all.
func TestEveryClientInEveryShape(t *testing.T) {
	t.Parallel()
	for _, c := range Clients() {
		if c.ByHand {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			for name, text := range shapes[c.Format] {
				inShape(t, c, name, strings.ReplaceAll(text, "servers", c.Servers[0]))
			}
		})
	}
}

func inShape(t *testing.T, c *Client, name, text string) {
	l := newQuickLab(t)
	file := l.file(c.ID)
	l.write(file, text)
	p := l.must(c.ID, Task{Set: []Entry{tools}})
	if !p.Writes() {
		t.Fatalf("%s: nothing is written", name)
	}
	written := l.read(file)
	spelled := strings.NewReplacer(": {}\n", ":\n", ": null", ":") // nothing, spelled out in YAML, has to go
	if !aroundOneInsertion(text, written) && (c.Format != "yaml" || !aroundOneInsertion(spelled.Replace(text), written)) {
		t.Errorf("%s: not all of\n%s\nis in\n%s", name, text, written)
	}
	if p := l.must(c.ID, Task{Set: []Entry{tools}}); p.Writes() {
		t.Errorf("%s: a second write would change\n%s", name, p.Diff())
	}
	l.must(c.ID, Task{Set: []Entry{moved}})
	if want := strings.Replace(written, tools.URL, moved.URL, 1); l.read(file) != want {
		t.Errorf("%s: moved it is\n%s\nwant\n%s", name, l.read(file), want)
	}
	l.must(c.ID, Task{Drop: []Entry{tools}})
	if got := l.read(file); got != text && (got != "(none)" || !c.OwnFile) {
		t.Errorf("%s: there and back it is\n%q\nwant\n%q", name, got, text)
	}
	for {
		if err := l.undo(c.ID); err != nil {
			break
		}
	}
	if got := l.read(file); got != text {
		t.Errorf("%s: undone it is\n%q\nwant\n%q", name, got, text)
	}
	l.debrisOf(file)
}

// aroundOneInsertion reports that, white space and a comma aside, the new text is the old
// with one thing put in.
func aroundOneInsertion(old, new string) bool {
	bare := func(s string) string {
		return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) }), "")
	}
	old, new = bare(old), bare(new)
	same := 0
	for same < len(old) && same < len(new) && old[same] == new[same] {
		same++
	}
	return len(new) > len(old) && strings.HasSuffix(new, old[same:])
}
