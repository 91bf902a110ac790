package clientconfig

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The gap of an entry is what its map of servers was before, in place of the lines, and
// a line end if one had to be put at the end of the file.
const emptyValue = "-" // nothing at all

func (d *yamlDoc) add(name string, value object) (edit, string, bool, error) {
	if d.servers()[name] != nil {
		return nil, "", false, errors.New("the entry is there already")
	}
	servers, err := d.container()
	if err != nil {
		return nil, "", false, err
	}
	newline := newlineOf(d.text)
	if servers == nil {
		e, gap := d.insert(d.stop(), d.at[0]+":"+newline+yamlBlock("  ", "  ", name, value, newline))
		return e, gap, true, nil
	}
	if hollow(servers.value) {
		e, gap := d.insert(servers.from+1, yamlBlock(strings.Repeat(" ", servers.key.Column+1), "  ", name, value, newline))
		if from, to := d.token(servers.value); to > from {
			from -= len(d.text[:from]) - len(strings.TrimRight(d.text[:from], " "))
			return append(e, splice{from, to, ""}), d.text[from:to] + gap, false, nil
		}
		return e, emptyValue + gap, false, nil
	}
	members := d.pairs(servers.value, servers.end)
	last := members[len(members)-1]
	unit := "  "
	if v := last.value; v.Kind == yaml.MappingNode && v.Style&yaml.FlowStyle == 0 && v.Line > last.key.Line {
		unit = strings.Repeat(" ", v.Column-last.key.Column)
	}
	e, gap := d.insert(last.end, yamlBlock(strings.Repeat(" ", last.key.Column-1), unit, name, value, newline))
	return e, gap, false, nil
}

// insert puts whole lines before a line.
func (d *yamlDoc) insert(line int, text string) (e edit, gap string) {
	at := d.lines[line]
	if at == len(d.text) && at > 0 && d.text[at-1] != '\n' {
		gap = newlineOf(d.text)
	}
	return edit{{at, at, gap + text}}, gap
}

// yamlBlock writes an entry as lines.
func yamlBlock(indent, unit, name string, value object, newline string) string {
	var b strings.Builder
	b.WriteString(indent + yamlValue(name) + ":" + newline)
	for _, f := range value {
		b.WriteString(indent + unit + f.key + ": " + yamlValue(f.value) + newline)
	}
	return b.String()
}

var plainWord = lazily(`^[a-z][a-z0-9_-]*$`)

// otherThanWords are plain words that some version of YAML reads as something else.
var otherThanWords = []string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}

func yamlValue(v any) string {
	if s, ok := v.(string); ok && plainWord().MatchString(s) && !slices.Contains(otherThanWords, s) {
		return s
	}
	return layout{colon: ": ", comma: ", "}.json(v)
}

// token is where a value on its key's line is, without a comment after it. An empty
// token means that the value does not end there.
func (d *yamlDoc) token(n *yaml.Node) (from, to int) {
	line := d.line(n.Line - 1)
	start := 0
	for range n.Column - 1 { // which counts characters
		_, size := utf8.DecodeRuneInString(line[start:])
		start += size
	}
	rest := line[start:]
	end := 0
	switch {
	case n.Kind == yaml.MappingNode:
		end = length(rest, "}")
	case n.Kind != yaml.ScalarNode || n.Value == "" && n.Style == 0 || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return 0, 0
	case n.Style&yaml.DoubleQuotedStyle != 0, n.Style&yaml.SingleQuotedStyle != 0:
		end = quotedEnd(rest)
	default:
		end = len(strings.TrimRight(rest, space))
		if comment := strings.Index(rest, " #"); comment >= 0 {
			end = len(strings.TrimRight(rest[:comment], space))
		}
	}
	from = d.lines[n.Line-1] + start
	return from, from + end
}

// quotedEnd is the length of a quoted scalar, 0 when it goes on in the next line.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[0] == '"' && s[i] == '\\':
			i++
		case s[i] != s[0]:
		case s[0] == '\'' && strings.HasPrefix(s[i:], "''"):
			i++
		default:
			return i + 1
		}
	}
	return 0
}

func (d *yamlDoc) set(name, key string, value any) (edit, error) {
	members, old, err := d.fields(name, key)
	if err != nil {
		return nil, err
	}
	if old == nil {
		last := members[len(members)-1]
		e, _ := d.insert(last.end, strings.Repeat(" ", last.key.Column-1)+key+": "+yamlValue(value)+newlineOf(d.text))
		return e, nil
	}
	if from, to := d.token(old.value); to > from && old.last == old.from+1 && old.value.Line == old.key.Line {
		return edit{{from, to, yamlValue(value)}}, nil
	}
	text := strings.Repeat(" ", old.key.Column-1) + key + ": " + yamlValue(value) + newlineOf(d.text)
	return edit{{d.lines[old.from], d.lines[old.last], text}}, nil
}

// block is entry for one whose fields are to be changed.
func (d *yamlDoc) block(name string) (servers, entry *pair, err error) {
	if servers, entry, err = d.entry(name); err != nil {
		return nil, nil, err
	}
	if v := entry.value; v.Kind != yaml.MappingNode || v.Style&yaml.FlowStyle != 0 || len(v.Content) == 0 {
		return nil, nil, &syntaxError{v.Line, v.Column, "the entry should be keys, each on its own line"}
	}
	return servers, entry, nil
}

// fields are those of one server, and the one of that key, nil when it is not there.
func (d *yamlDoc) fields(name, key string) (members []pair, field *pair, err error) {
	_, entry, err := d.block(name)
	if err != nil {
		return nil, nil, err
	}
	members = d.pairs(entry.value, entry.end)
	return members, lookup(members, key), nil
}

func (d *yamlDoc) unset(name, key string) (edit, error) {
	members, old, err := d.fields(name, key)
	if err != nil {
		return nil, err
	}
	if old == nil {
		return nil, nil
	}
	if len(members) == 1 {
		return nil, fmt.Errorf("%s is all there is in the entry", key)
	}
	return edit{{d.lines[old.from], d.lines[old.last], ""}}, nil
}

func (d *yamlDoc) remove(name, gap string, made bool) (edit, error) {
	servers, entry, err := d.entry(name)
	if err != nil {
		return nil, err
	}
	from, to := d.lines[entry.from], d.lines[entry.last]
	if to == len(d.text) && strings.HasSuffix(gap, "\n") && strings.HasSuffix(d.text[:from], newlineOf(d.text)) {
		from -= len(newlineOf(d.text))
	}
	e := edit{{from, to, ""}}
	if len(servers.value.Content) > 2 {
		return e, nil
	}
	if made && servers.from+1 == entry.from && servers.end == entry.last {
		from -= len(d.line(servers.from))
		return edit{{max(from, 0), to, ""}}, nil
	}
	value := strings.TrimRight(gap, "\r\n")
	if value == "" {
		value = " {}"
	}
	if value != emptyValue {
		colon := d.lines[servers.from] + d.colon(servers)
		e = append(e, splice{colon, colon, value})
	}
	return e, nil
}

// colon is the offset after the colon of a key in its line.
func (d *yamlDoc) colon(p *pair) int {
	line := d.line(p.from)
	start := p.key.Column - 1
	if line[start] == '"' || line[start] == '\'' {
		start += quotedEnd(line[start:])
	}
	return start + length(line[start:], ":")
}

var yamlKey = lazily(`^(\s*(?:- +)*(?:[A-Za-z0-9_.-]+|"[^"]*"|'[^']*') *:)(\s+)\S.*`)

func (d *yamlDoc) editable(name string) error {
	_, _, err := d.block(name)
	return err
}

func (d *yamlDoc) veil(show shown) string {
	shown := make([]bool, d.end())
	for name := range d.servers() {
		_, entry, err := d.entry(name)
		if err != nil {
			continue
		}
		parts := []pair{}
		if show(name, "") {
			parts = append(parts, *entry)
		} else if d.editable(name) == nil {
			parts = slices.DeleteFunc(d.pairs(entry.value, entry.end), func(p pair) bool { return !show(name, p.key.Value) })
		}
		for _, p := range parts {
			for i := p.from; i < p.end; i++ {
				shown[i] = true
			}
		}
	}
	var b strings.Builder
	for i := range d.end() {
		line := d.line(i)
		ending := line[len(strings.TrimRight(line, "\r\n")):]
		body := strings.TrimSuffix(line, ending)
		trimmed := strings.TrimLeft(body, " ")
		switch m := yamlKey().FindStringSubmatch(body); {
		case shown[i] || trimmed == "":
		case trimmed[0] == '#':
			body = longWord().ReplaceAllString(body, cover)
		case m != nil:
			body = m[1] + m[2] + cover
		case !strings.HasSuffix(trimmed, ":"):
			body = body[:len(body)-len(trimmed)] + cover
		}
		b.WriteString(body + ending)
	}
	return b.String()
}
