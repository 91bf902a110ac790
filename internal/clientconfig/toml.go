package clientconfig

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// tomlDoc is TOML whose servers are tables [servers.name]. The parser says where each
// expression is; edits are of the text.
type tomlDoc struct {
	text    string
	at      []string
	content map[string]any
	exprs   []tomlExpr
}

// tomlExpr is one line of meaning: a table's header, or a key with its value.
type tomlExpr struct {
	kind     unstable.Kind
	key      []string
	from, to int // of the text, without the comment after it
	value    int // where a key's value begins
}

func parseTOML(text string, path []string, _ string) (document, error) {
	d := &tomlDoc{text: text, at: path, content: map[string]any{}}
	bom := len(text) - len(strings.TrimPrefix(text, byteOrderMark))
	if err := toml.Unmarshal([]byte(text[bom:]), &d.content); err != nil {
		return nil, tomlError(err)
	}
	if err := d.scan(bom); err != nil {
		return nil, tomlError(err)
	}
	return d, d.checkServers()
}

func tomlError(err error) error {
	var bad *toml.DecodeError
	if !errors.As(err, &bad) {
		return err
	}
	line, column := bad.Position()
	return &syntaxError{line, column, strings.TrimPrefix(bad.Error(), "toml: ")}
}

// scan notes where each expression is.
func (d *tomlDoc) scan(bom int) error {
	body := []byte(d.text[bom:])
	var p unstable.Parser
	p.Reset(body[:len(body):len(body)])
	for p.NextExpression() {
		n := p.Expression()
		x := tomlExpr{kind: n.Kind}
		end := bom // of the last key
		for it := n.Key(); it.Next(); {
			raw := it.Node().Raw
			if len(x.key) == 0 {
				x.from = bom + int(raw.Offset)
			}
			end = bom + int(raw.Offset+raw.Length)
			x.key = append(x.key, string(it.Node().Data))
		}
		if n.Kind == unstable.KeyValue {
			x.to = bom + int(n.Raw.Offset+n.Raw.Length)
			x.value = end + length(d.text[end:], "=")
			x.value += len(d.text[x.value:x.to]) - len(strings.TrimLeft(d.text[x.value:x.to], " \t"))
		} else {
			x.from = strings.LastIndexByte(d.text[:x.from], '[')
			x.to = end + length(d.text[end:], "]")
			if n.Kind == unstable.ArrayTable {
				x.from, x.to = x.from-1, x.to+1
			}
		}
		d.exprs = append(d.exprs, x)
	}
	return p.Error()
}

// checkServers refuses spellings of the servers to which a table cannot be added.
func (d *tomlDoc) checkServers() error {
	table := false
	for _, x := range d.exprs {
		wrong := x.kind == unstable.ArrayTable && slices.Equal(x.key, d.at)
		if x.kind == unstable.KeyValue {
			wrong = !table && x.key[0] == d.at[0]
		} else {
			table = true
		}
		if wrong {
			line, column := position(d.text, x.from)
			return &syntaxError{line, column, fmt.Sprintf("%s should be tables like [%s.name]", d.at[0], d.at[0])}
		}
	}
	return nil
}

func (d *tomlDoc) all() any { return d.content }

func (d *tomlDoc) path() []string { return d.at }

func (d *tomlDoc) servers() map[string]any {
	m, _ := d.content[d.at[0]].(map[string]any)
	return m
}

func (d *tomlDoc) after(_ edit, text string) (document, error) { return parseTOML(text, d.at, "") }

func (d *tomlDoc) empty() bool { return strings.TrimSpace(d.text) == "" }

func (d *tomlDoc) notes() []string {
	if strings.HasPrefix(d.text, byteOrderMark) {
		return []string{"a byte order mark"}
	}
	return nil
}

func (d *tomlDoc) add(name string, value object) (edit, string, bool, error) {
	if d.servers()[name] != nil {
		return nil, "", false, errors.New("the entry is there already")
	}
	newline := newlineOf(d.text)
	gap := newline
	switch {
	case strings.TrimSpace(strings.TrimPrefix(d.text, byteOrderMark)) == "":
		gap = ""
	case !strings.HasSuffix(d.text, "\n"):
		gap = newline + newline
	}
	lines := []string{"[" + d.at[0] + "." + tomlKey(name) + "]"}
	for _, f := range value {
		lines = append(lines, f.key+" = "+tomlValue(f.value))
	}
	at := len(d.text)
	return edit{{at, at, gap + strings.Join(lines, newline) + newline}}, gap, false, nil
}

var bareKey = lazily(`^[A-Za-z0-9_-]+$`)

func tomlKey(name string) string {
	if bareKey().MatchString(name) {
		return name
	}
	return scalar(name)
}

// tomlValue writes a string, bool, number or list of them.
func tomlValue(v any) string {
	return layout{colon: " = ", comma: ", "}.json(v)
}

// table finds the expressions of one server: its header, what belongs to it, and the
// tables below it, as runs that stand together.
func (d *tomlDoc) table(name string) (runs [][]tomlExpr, err error) {
	mine := append(slices.Clone(d.at), name)
	inside := false
	for _, x := range d.exprs {
		if x.kind == unstable.KeyValue {
			if inside {
				runs[len(runs)-1] = append(runs[len(runs)-1], x)
			}
			continue
		}
		was := inside
		inside = len(x.key) >= len(mine) && slices.Equal(x.key[:len(mine)], mine)
		switch {
		case inside && len(x.key) == len(mine) && x.kind == unstable.ArrayTable:
			line, column := position(d.text, x.from)
			return nil, &syntaxError{line, column, "the entry should be one table"}
		case inside && !was:
			runs = append(runs, []tomlExpr{x})
		case inside:
			runs[len(runs)-1] = append(runs[len(runs)-1], x)
		}
	}
	if len(runs) == 0 || len(runs[0][0].key) != len(mine) {
		return nil, fmt.Errorf("the entry should be a table [%s]", strings.Join(mine, "."))
	}
	return runs, nil
}

func (d *tomlDoc) set(name, key string, value any) (edit, error) {
	runs, err := d.table(name)
	if err != nil {
		return nil, err
	}
	old, last, err := own(runs[0], key)
	if err != nil {
		return nil, err
	}
	if old != nil {
		return edit{{old.value, old.to, tomlValue(value)}}, nil
	}
	at, newline := d.lineEnd(last.to), newlineOf(d.text)
	text := key + " = " + tomlValue(value)
	if at == len(d.text) && !strings.HasSuffix(d.text, "\n") {
		return edit{{at, at, newline + text}}, nil
	}
	return edit{{at, at, text + newline}}, nil
}

// own finds a key that belongs to a table itself, and the last expression that does.
func own(run []tomlExpr, key string) (found *tomlExpr, last tomlExpr, err error) {
	last = run[0]
	for i := range run[1:] {
		x := &run[1+i]
		if x.kind != unstable.KeyValue {
			break
		}
		last = *x
		if x.key[0] == key {
			if len(x.key) > 1 {
				return nil, last, fmt.Errorf("%s is spelled with a dot", strings.Join(x.key, "."))
			}
			found = x
		}
	}
	return found, last, nil
}

func (d *tomlDoc) unset(name, key string) (edit, error) {
	runs, err := d.table(name)
	if err != nil {
		return nil, err
	}
	var e edit
	for _, run := range runs {
		under := ""
		for _, x := range run {
			switch {
			case x.kind != unstable.KeyValue:
				under = d.below(x)
				if under == key {
					from, to := d.lineStart(x.from), d.lineEnd(x.to)
					e = append(e, splice{from - d.leadLength(from, to, ""), to, ""})
				}
			case under == key, under == "" && x.key[0] == key:
				e = append(e, splice{d.lineStart(x.from), d.lineEnd(x.to), ""})
			}
		}
	}
	return e, nil
}

// below is the key of an entry that the table of a header is in, "" for the entry's own.
func (d *tomlDoc) below(header tomlExpr) string {
	if rest := header.key[len(d.at)+1:]; len(rest) > 0 {
		return rest[0]
	}
	return ""
}

func (d *tomlDoc) editable(name string) error {
	_, err := d.table(name)
	return err
}

// lineEnd is the offset after the line of that offset.
func (d *tomlDoc) lineEnd(at int) int { return at + length(d.text[at:], "\n") }

func (d *tomlDoc) lineStart(at int) int {
	start := strings.LastIndexByte(d.text[:at], '\n') + 1
	if start == 0 && strings.HasPrefix(d.text, byteOrderMark) {
		start = len(byteOrderMark)
	}
	return start
}

func (d *tomlDoc) remove(name, gap string, _ bool) (edit, error) {
	runs, err := d.table(name)
	if err != nil {
		return nil, err
	}
	var e edit
	for _, run := range runs {
		from, to := d.lineStart(run[0].from), d.lineEnd(run[len(run)-1].to)
		from -= d.leadLength(from, to, gap)
		gap = ""
		e = append(e, splice{from, to, ""})
	}
	return e, nil
}

// leadLength is how much of the white space before a table goes with it: what was put
// there with it, or else an empty line.
func (d *tomlDoc) leadLength(from, to int, gap string) int {
	newline := newlineOf(d.text)
	atEnd := strings.TrimSpace(d.text[to:]) == ""
	if len(gap) > len(newline) && atEnd && strings.HasSuffix(d.text[:from], gap) {
		return len(gap)
	}
	before, found := strings.CutSuffix(d.text[:from], newline)
	if found && (before == "" || strings.HasSuffix(before, "\n")) {
		return len(newline)
	}
	return 0
}

func (d *tomlDoc) veil(show shown) string {
	shown := map[int]bool{} // by where an expression begins
	for name := range d.servers() {
		runs, _ := d.table(name)
		for _, run := range runs {
			under := ""
			for _, x := range run {
				switch {
				case x.kind != unstable.KeyValue:
					under = d.below(x)
				case under == "":
					shown[x.from] = show(name, "") || show(name, x.key[0])
				default:
					shown[x.from] = show(name, "") || show(name, under)
				}
			}
		}
	}
	var hide edit
	end := 0
	for _, x := range d.exprs {
		hide = append(hide, coverWords(d.text, end, x.from)...)
		if x.kind == unstable.KeyValue && !shown[x.from] {
			hide = append(hide, splice{x.value, x.to, `"` + cover + `"`})
		}
		end = x.to
	}
	return append(hide, coverWords(d.text, end, len(d.text))...).apply(d.text)
}
