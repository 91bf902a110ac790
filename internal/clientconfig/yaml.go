package clientconfig

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlDoc is YAML in block style, one document. The parser says on which line and at
// which indentation a key is; edits are of whole lines, but for a value on one line.
type yamlDoc struct {
	text    string
	at      []string
	content map[string]any
	root    *yaml.Node // nil for an empty document
	lines   []int      // where each line begins, and the end of the text
}

// oddBreak is an end of line to YAML, but not to most programs.
var oddBreak = lazily("\r(?:[^\n]|$)|[\u0085\u2028\u2029]")

func parseYAML(text string, path []string, _ string) (document, error) {
	if at := oddBreak().FindStringIndex(text); at != nil {
		line, column := position(text, at[0])
		return nil, &syntaxError{line, column, "a line does not end in LF or CRLF"}
	}
	d := &yamlDoc{text: text, at: path, content: map[string]any{}, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	if d.lines[len(d.lines)-1] != len(text) {
		d.lines = append(d.lines, len(text))
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var n yaml.Node
	if err := decoder.Decode(&n); errors.Is(err, io.EOF) {
		return d, nil
	} else if err != nil {
		return nil, yamlError(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one document")
	}
	if root := n.Content[0]; root.Tag != "!!null" {
		if root.Kind != yaml.MappingNode || root.Style&yaml.FlowStyle != 0 {
			return nil, &syntaxError{root.Line, root.Column, "it should be keys, each on its own line"}
		}
		if err := n.Decode(&d.content); err != nil {
			return nil, yamlError(err)
		}
		d.root = root
	}
	_, err := d.container()
	return d, err
}

var yamlPlace = lazily(`line (\d+): (.*)`)

func yamlError(err error) error {
	m := yamlPlace().FindStringSubmatch(err.Error())
	if m == nil { // the parser names no line when it is the first
		return &syntaxError{1, 1, strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	line, _ := strconv.Atoi(m[1])
	return &syntaxError{line, 1, m[2]}
}

func (d *yamlDoc) all() any { return d.content }

func (d *yamlDoc) path() []string { return d.at }

func (d *yamlDoc) servers() map[string]any {
	m, _ := d.content[d.at[0]].(map[string]any)
	return m
}

func (d *yamlDoc) after(_ edit, text string) (document, error) { return parseYAML(text, d.at, "") }

func (d *yamlDoc) empty() bool {
	return strings.TrimSpace(strings.TrimPrefix(d.text, byteOrderMark)) == ""
}

func (d *yamlDoc) notes() []string { return nil }

// pair is a key and its value, and the lines they take: from the key's up to last, with
// comments after them, which are somebody else's, up to end.
type pair struct {
	key, value      *yaml.Node
	from, last, end int // line numbers from 0
}

// pairs are the members of a map in block style that ends before the line end.
func (d *yamlDoc) pairs(n *yaml.Node, end int) []pair {
	var list []pair
	for i := 0; i < len(n.Content); i += 2 {
		p := pair{key: n.Content[i], value: n.Content[i+1], from: n.Content[i].Line - 1, end: end}
		if i+2 < len(n.Content) {
			p.end = n.Content[i+2].Line - 1
		}
		for p.end > p.from+1 && d.loose(p.end-1, p.key.Column) {
			p.end--
		}
		for p.last = p.end; p.last > p.from+1 && d.loose(p.last-1, len(d.text)); {
			p.last--
		}
		list = append(list, p)
	}
	return list
}

// loose reports that a line does not belong to the block before it: it is empty, or a
// comment not as deep as that column.
func (d *yamlDoc) loose(line, column int) bool {
	text := d.line(line)
	trimmed := strings.TrimLeft(text, " ")
	return strings.TrimSpace(text) == "" || trimmed[0] == '#' && len(text)-len(trimmed) < column
}

func (d *yamlDoc) line(i int) string { return d.text[d.lines[i]:d.lines[i+1]] }

// end is the number of lines.
func (d *yamlDoc) end() int { return len(d.lines) - 1 }

// stop is the number of lines of the document itself, which "..." may end.
func (d *yamlDoc) stop() int {
	for i := range d.end() {
		if mark, found := strings.CutPrefix(d.line(i), "..."); found && strings.TrimLeft(mark, space) != mark {
			return i
		}
	}
	return d.end()
}

// lookup finds a key among pairs.
func lookup(pairs []pair, key string) *pair {
	for i := range pairs {
		if pairs[i].key.Value == key {
			return &pairs[i]
		}
	}
	return nil
}

// container is the map of servers with its key; nil when there is none.
func (d *yamlDoc) container() (*pair, error) {
	if d.root == nil {
		return nil, nil
	}
	p := lookup(d.pairs(d.root, d.stop()), d.at[0])
	switch {
	case p == nil:
		return nil, nil
	case hollow(p.value) && p.value.Anchor == "" && p.value.Line == p.key.Line:
		return p, nil
	case p.value.Kind != yaml.MappingNode || p.value.Style&yaml.FlowStyle != 0:
		return nil, &syntaxError{p.key.Line, p.key.Column, d.at[0] + " should be keys, each on its own line"}
	}
	return p, nil
}

// hollow is null or {}.
func hollow(n *yaml.Node) bool {
	return n.Tag == "!!null" || n.Kind == yaml.MappingNode && len(n.Content) == 0
}

// entry is the block of one server, which must be there.
func (d *yamlDoc) entry(name string) (servers, entry *pair, err error) {
	if servers, err = d.container(); err != nil {
		return nil, nil, err
	}
	if servers != nil {
		entry = lookup(d.pairs(servers.value, servers.end), name)
	}
	if entry == nil {
		return nil, nil, errors.New("there is no such entry")
	}
	return servers, entry, nil
}
