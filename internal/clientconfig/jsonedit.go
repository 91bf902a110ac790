package clientconfig

import (
	"bytes"
	"strings"

	"github.com/tailscale/hujson"
)

const space = " \t\r\n"

// extent says where an object's parts are in the text of the document.
type extent struct {
	open, close int // of the braces
	tail        int // after the last member and its comma, or after the open brace
	comma       int // of a comma after the last member, or -1
}

func (d *jsonDoc) extent(v *hujson.Value) extent {
	o := v.Value.(*hujson.Object)
	x := extent{open: d.bom + v.StartOffset, close: d.bom + v.EndOffset - 1, comma: -1}
	x.tail = x.open + 1
	if n := len(o.Members); n > 0 {
		last := o.Members[n-1].Value
		x.tail = d.bom + last.EndOffset
		if last.AfterExtra != nil { // which the parser keeps only before a comma
			x.comma = x.tail + len(last.AfterExtra)
			x.tail = x.comma + 1
		}
	}
	return x
}

// insert appends a member to an object, in the way the file is written. gap is the
// white space that an empty object had inside.
func (d *jsonDoc) insert(v *hujson.Value, key string, value any) (e edit, gap string) {
	x, l, indent := d.extent(v), d.layoutOf(v), d.memberIndent(v)
	text := l.at(indent).member(key, value)
	between := d.text[x.tail:x.close]
	comments := strings.TrimRight(between, space)
	at := x.tail + len(comments)
	lead := l.newline + indent
	if l.newline == "" {
		lead = strings.TrimPrefix(l.comma, ",")
	}
	switch o := v.Value.(*hujson.Object); {
	case x.comma >= 0:
		return edit{{at, at, lead + text + ","}}, ""
	case len(o.Members) > 0 && comments != "":
		return edit{{x.tail, x.tail, ","}, {at, at, lead + text}}, ""
	case len(o.Members) > 0:
		return edit{{at, at, "," + lead + text}}, ""
	case comments != "" && strings.Contains(between[len(comments):], "\n"):
		return edit{{at, at, newlineOf(d.text) + indent + text}}, ""
	case comments != "":
		l.newline = ""
		return edit{{at, at, " " + l.member(key, value)}}, ""
	case l.newline == "":
		return edit{{at, x.close, text}}, between
	}
	return edit{{at, x.close, lead + text + l.newline + l.indent}}, between
}

// layoutOf is how the members of an object are to be written.
func (d *jsonDoc) layoutOf(v *hujson.Value) layout {
	l := layout{newline: newlineOf(d.text), unit: d.step, indent: d.indentAt(d.bom + v.StartOffset), colon: ": ", comma: ", "}
	if d.onOneLine(v) {
		l.newline = ""
		l.colon, l.comma = d.separators()
	}
	return l
}

// onOneLine reports that an object's members stand on one line. An empty object goes by
// the root.
func (d *jsonDoc) onOneLine(v *hujson.Value) bool {
	o := v.Value.(*hujson.Object)
	if len(o.Members) == 0 {
		if v != d.root && !strings.Contains(d.text[d.bom+v.StartOffset:d.bom+v.EndOffset], "\n") {
			return d.onOneLine(d.root)
		}
		return false
	}
	x := d.extent(v)
	last := o.Members[len(o.Members)-1].Name
	return !strings.Contains(string(last.BeforeExtra), "\n") && !strings.Contains(d.text[x.tail:x.close], "\n")
}

// separators are the colon and comma of a file on one line.
func (d *jsonDoc) separators() (colon, comma string) {
	colon, comma = ":", ","
	o := d.root.Value.(*hujson.Object)
	if len(o.Members) > 0 && len(o.Members[0].Value.BeforeExtra) > 0 {
		colon, comma = ": ", ", "
	}
	return colon, comma
}

// memberIndent is the indentation of the members of an object.
func (d *jsonDoc) memberIndent(v *hujson.Value) string {
	o := v.Value.(*hujson.Object)
	if n := len(o.Members); n > 0 {
		at := d.bom + o.Members[n-1].Name.StartOffset
		if indent := d.indentAt(at); d.lineStart(at)+len(indent) == at {
			return indent
		}
	}
	return d.indentAt(d.bom+v.StartOffset) + d.step
}

func (d *jsonDoc) lineStart(at int) int { return strings.LastIndexByte(d.text[:at], '\n') + 1 }

// indentAt is the white space that the line with that offset begins with.
func (d *jsonDoc) indentAt(at int) string {
	start := d.lineStart(at)
	if start == 0 {
		start = d.bom
	}
	line := d.text[start:at]
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}

// unit is one step of indentation: that of the first member of the file which begins a
// line, against the line of its object.
func (d *jsonDoc) unit() string {
	for v := range d.root.All() {
		o, ok := v.Value.(*hujson.Object)
		if !ok || len(o.Members) == 0 || !bytes.ContainsRune(o.Members[0].Name.BeforeExtra, '\n') {
			continue
		}
		at := d.bom + o.Members[0].Name.StartOffset
		indent := d.indentAt(at)
		if d.lineStart(at)+len(indent) != at {
			continue
		}
		if unit, ok := strings.CutPrefix(indent, d.indentAt(d.bom+v.StartOffset)); ok && unit != "" {
			return unit
		}
	}
	return "  "
}

// cut takes a member out of an object: its text, the white space before it and one
// comma. Comments stay. What is left of an emptied object becomes gap.
func (d *jsonDoc) cut(v *hujson.Value, m *hujson.ObjectMember, gap string) edit {
	o := v.Value.(*hujson.Object)
	i := 0
	for &o.Members[i] != m {
		i++
	}
	from, to := d.bom+m.Name.StartOffset, d.bom+m.Value.EndOffset
	before := d.text[d.bom+m.Name.StartOffset-len(m.Name.BeforeExtra) : from]
	x := d.extent(v)
	comma := -1 // of this member
	if i < len(o.Members)-1 || x.comma >= 0 {
		comma = to + len(m.Value.AfterExtra)
	}
	if len(o.Members) == 1 {
		rest := before + d.text[to:x.close]
		if strings.Trim(rest, space+",") == "" {
			return edit{{x.open + 1, x.close, gap}}
		}
	}
	lead := len(before) - len(strings.TrimRight(before, space))
	if endsInLineComment(before) && !startsLine(d.text[to:], comma-to) {
		lead = 0
	}
	if i == 0 && lead == 0 && comma == to {
		// "first": …, "next" without a line of its own: the space before the next goes
		after := d.text[comma+1:]
		return edit{{from, comma + 1 + len(after) - len(strings.TrimLeft(after, " \t")), ""}}
	}
	e := edit{{from - lead, to, ""}}
	switch {
	case comma >= 0:
		e = append(e, splice{comma, comma + 1, ""})
	case i > 0:
		previous := o.Members[i-1].Value
		at := d.bom + previous.EndOffset + len(previous.AfterExtra)
		e = append(e, splice{at, at + 1, ""})
	}
	return e
}

// endsInLineComment reports that s, between two tokens, ends in a // comment, whose line
// must not be joined with the next.
func endsInLineComment(s string) bool {
	line := strings.TrimRight(s, space)
	for rest := line; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				return true
			}
			rest = rest[end:]
		case strings.HasPrefix(rest, "/*"):
			_, rest, _ = strings.Cut(rest[2:], "*/")
		default:
			rest = rest[1:]
		}
	}
	return false
}

// startsLine reports that s goes on with the end of a line, a comma at that place aside.
func startsLine(s string, comma int) bool {
	if comma >= 0 && comma < len(s) {
		s = s[:comma] + s[comma+1:]
	}
	s = strings.TrimLeft(s, " \t\r")
	return strings.HasPrefix(s, "\n")
}
