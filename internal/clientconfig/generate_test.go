package clientconfig

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// checkRemoval takes each entry of a document out in turn, wherever it is among others.
// Nothing else goes, no comment either.
func checkRemoval(t *testing.T, c *Client, text string) {
	doc, err := parse(c, []byte(text))
	if err != nil {
		return
	}
	for name := range doc.servers() {
		e, err := doc.remove(name, "", false)
		if err != nil {
			continue // refused: nothing is written
		}
		after := e.apply(text)
		outside(t, text, after, e)
		without, err := parse(c, []byte(after))
		if err != nil || !sameBut([]string{name}, doc.path(), doc.all(), without.all()) || without.servers()[name] != nil {
			if c.Format == "json" {
				t.Fatalf("taking %q out of\n%q\nmade\n%q: %v", name, text, after, err)
			}
			continue // refused before anything is written
		}
		if before, left := comments(c, text, name), comments(c, after, ""); before != left {
			t.Fatalf("taking %q out of\n%q\nmade\n%q\nthe comments were\n%s\nthese are left\n%s", name, text, after, before, left)
		}
	}
}

var marked = regexp.MustCompile(`note\d+`)

// comments lists the notes of a generated document, without those inside the entry of
// that name.
func comments(c *Client, text, name string) string {
	if name != "" {
		from, to := within(c, text, name)
		text = text[:from] + text[to:]
	}
	return strings.Join(marked.FindAllString(text, -1), " ")
}

// within is the part of a text that an entry is.
func within(c *Client, text, name string) (from, to int) {
	doc, _ := parse(c, []byte(text))
	switch d := doc.(type) {
	case *jsonDoc:
		_, m, _ := d.entry(name)
		return d.bom + m.Name.StartOffset, d.bom + m.Value.EndOffset
	case *tomlDoc:
		runs, _ := d.table(name)
		return d.lineStart(runs[0][0].from), d.lineEnd(runs[0][len(runs[0])-1].to)
	case *yamlDoc:
		_, p, _ := d.entry(name)
		return d.lines[p.from], d.lines[p.last]
	}
	return 0, 0
}

// TestRandomJSON makes documents of every odd spelling and edits them.
func TestRandomJSON(t *testing.T) {
	t.Parallel()
	c := &Client{ID: "x", Format: "json", Servers: []string{"mcpServers"}}
	for seed := range uint64(1000) {
		checkGenerated(t, c, seed, (&jsonGenerator{Rand: rand.New(rand.NewPCG(seed, 1))}).file())
	}
}

// TestRandomTOML and TestRandomYAML are of documents as people write them.
func TestRandomTOML(t *testing.T) {
	t.Parallel()
	c := &Client{ID: "x", Format: "toml", Servers: []string{"mcp_servers"}}
	for seed := range uint64(400) {
		checkGenerated(t, c, seed, (&lineGenerator{Rand: rand.New(rand.NewPCG(seed, 2))}).toml())
	}
}

func TestRandomYAML(t *testing.T) {
	t.Parallel()
	c := &Client{ID: "x", Format: "yaml", Servers: []string{"extensions"}}
	for seed := range uint64(400) {
		checkGenerated(t, c, seed, (&lineGenerator{Rand: rand.New(rand.NewPCG(seed, 3))}).yaml())
	}
}

func checkGenerated(t *testing.T, c *Client, seed uint64, text string) {
	t.Helper()
	if _, err := parse(c, []byte(text)); err != nil {
		t.Fatalf("seed %d made %q: %v", seed, text, err)
	}
	if c.Format == "json" {
		checkDecoded(t, c, text)
	}
	checkEdits(t, c, text)
	checkSwaps(t, c, text)
	checkRemoval(t, c, text)
	if t.Failed() {
		t.Fatalf("seed %d", seed)
	}
}

// jsonGenerator writes JSON as people, machines and mischief do.
type jsonGenerator struct {
	*rand.Rand
	notes int
}

func (g *jsonGenerator) file() string {
	text := g.space() + g.object(2) + g.space()
	if g.IntN(4) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if g.IntN(6) == 0 {
		text = byteOrderMark + text
	}
	return text
}

func (g *jsonGenerator) space() string {
	g.notes++
	space := []string{"", "", " ", "\n", "\n  ", "\n\t", "\n\n", "/* note%d { \" */", "// note%d }\n", " // note%d\n    ", "  "}[g.IntN(11)]
	return strings.Replace(space, "%d", strconv.Itoa(g.notes), 1)
}

func (g *jsonGenerator) object(depth int) string {
	var b strings.Builder
	b.WriteString("{")
	n := g.IntN(4)
	for i := range n {
		key := fmt.Sprintf("k%d", i)
		value := g.value(depth)
		if depth == 2 && i == n-1 {
			key, value = "mcpServers", g.object(1)
		}
		if g.IntN(8) == 0 {
			key = strings.Replace(key, "k", `\u006b`, 1)
		}
		b.WriteString(g.space() + `"` + key + `"` + g.space() + ":" + g.space() + value + g.space())
		if i < n-1 || g.IntN(3) == 0 {
			b.WriteString(",")
		}
	}
	b.WriteString(g.space() + "}")
	return b.String()
}

func (g *jsonGenerator) value(depth int) string {
	if depth > 0 && g.IntN(2) == 0 {
		return g.object(depth - 1)
	}
	return []string{"1", "9223372036854775808", "1.0e0", "-0", `"x"`, `"// no \" comment"`, `"\ud83d\ude00"`, "null", "true", "[]", `[1, {"mcpServers": 2},]`}[g.IntN(11)]
}

// lineGenerator writes formats of lines.
type lineGenerator struct {
	*rand.Rand
	b     strings.Builder
	notes int
}

func (g *lineGenerator) note() string {
	g.notes++
	return fmt.Sprintf("# note%d", g.notes)
}

// line writes one, at times with a comment after it, and empty lines and comments above.
func (g *lineGenerator) line(indent, text string) {
	for range g.IntN(3) {
		if g.IntN(2) == 0 {
			g.b.WriteString([]string{"\n", indent + "\n", "\n\n"}[g.IntN(3)])
		} else if g.IntN(2) == 0 {
			g.b.WriteString(indent + g.note() + "\n")
		}
	}
	if g.IntN(4) == 0 && !strings.HasSuffix(text, "|") {
		text += strings.Repeat(" ", 1+g.IntN(2)) + g.note()
	}
	g.b.WriteString(indent + text + "\n")
}

func (g *lineGenerator) end() string {
	text := g.b.String()
	if g.IntN(4) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if g.IntN(5) == 0 {
		text = strings.TrimRight(text, "\r\n")
	}
	if g.IntN(8) == 0 {
		text = byteOrderMark + text
	}
	return text
}

func (g *lineGenerator) toml() string {
	values := []string{`"x"`, "1", "[1, 2]", "'''\n[mcp_servers.no]\n'''", "1979-05-27", "{a = 1}", "[\n  1, # x\n]"}
	g.line("", "top = 1")
	for i := range 1 + g.IntN(5) {
		header := []string{"[mcp_servers.s%d]", "[ mcp_servers . 's%d' ]", "[mcp_servers.s%d]", "[other%d]", "[[list%d]]", `[mcp_servers."s%d"]`}[g.IntN(6)]
		g.line("", fmt.Sprintf(header, i))
		for j := range g.IntN(3) {
			g.line([]string{"", "", "  "}[g.IntN(3)], fmt.Sprintf("k%d = %s", j, values[g.IntN(len(values))]))
		}
		if strings.Contains(header, "mcp_servers") && g.IntN(2) == 0 {
			g.line("", fmt.Sprintf("[mcp_servers.s%d.env]", i))
			g.line("", "x = 1")
		}
	}
	return g.end()
}

func (g *lineGenerator) yaml() string {
	unit := []string{"  ", "    ", " "}[g.IntN(3)]
	g.line("", "top: 1")
	g.line("", "extensions:")
	for i := range 1 + g.IntN(3) {
		g.line(unit, fmt.Sprintf([]string{"s%d:", "'s%d':", "s%d :"}[g.IntN(3)], i))
		for j := range 1 + g.IntN(3) {
			g.yamlField(unit, j)
		}
	}
	if g.IntN(2) == 0 {
		g.line("", "bottom: 1")
	}
	return g.end()
}

func (g *lineGenerator) yamlField(unit string, n int) {
	values := []string{"x", "1", "[1, 2]", "'a'", `"b # c"`, "{a: 1}", "~"}
	switch g.IntN(5) {
	case 0:
		g.line(unit+unit, fmt.Sprintf("k%d: |", n))
		g.b.WriteString(unit + unit + unit + "text\n\n" + unit + unit + unit + " more # text\n")
	case 1:
		g.line(unit+unit, fmt.Sprintf("k%d:", n))
		g.line(unit+unit, "- a")
		g.line(unit+unit, "- b: 1")
	default:
		g.line(unit+unit, fmt.Sprintf("k%d: %s", n, values[g.IntN(len(values))]))
	}
}
