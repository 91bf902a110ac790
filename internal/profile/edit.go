package profile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Why a profile was not put into a file; each in an *Error that says where.
var (
	ErrExists = errors.New("there is a profile of that name")
	ErrStyle  = errors.New("the file is written in a way that cannot be edited safely")
)

// DraftError is what is wrong with a draft that was to be put into a sound file.
type DraftError struct {
	Problems Errors // their lines are those of a file that does not exist
}

// Error is the problems without their lines.
func (e *DraftError) Error() string {
	said := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		said[i] = p.Message
	}
	return strings.Join(said, "; ")
}

// Text reads a profiles file to be edited, with the limits of Load. The error is an
// Errors; errors.Is(err, fs.ErrNotExist) finds a missing one.
func Text(file string) ([]byte, error) {
	r := read(file)
	if r.wrong != nil {
		r.wrong.File = file
		return nil, Errors{r.wrong}
	}
	return r.data, nil
}

// Insertion is a profiles file with one profile more.
type Insertion struct {
	Text     []byte
	Line     int    // of the new profile's name
	Warnings Errors // about the new profile
}

// Insert puts a profile behind the others of a profiles file, whose text is data. Every
// byte of the file stays as it is, but for an empty value of profiles that gives way. file
// is as in Parse.
//
// The error is an Errors about the file as it is, an *Error with ErrExists or ErrStyle,
// or a *DraftError.
func Insert(file string, data []byte, name string, d Draft) (*Insertion, error) {
	data = complete(data)
	if _, err := Parse(file, data); err != nil {
		return nil, err
	}
	mark := data[:len(data)-len(bytes.TrimPrefix(data, []byte("\ufeff")))]
	e, wrong := newEdit(data[len(mark):])
	if wrong == nil {
		wrong = e.taken(name)
	}
	if wrong != nil {
		wrong.File = file
		return nil, wrong
	}
	block, err := d.block(name, e.indent, e.step)
	if err != nil {
		return nil, err
	}
	text, line := e.insert(block)
	text = slices.Concat(mark, text)
	config, err := Parse(file, text)
	if err != nil {
		return nil, e.judge(file, text, name, err)
	}
	if !e.only(text, name) {
		return nil, e.unsafe(file)
	}
	last := line + strings.Count(block, "\n")
	warnings := slices.DeleteFunc(config.Warnings, func(w *Error) bool { return w.Line < line || w.Line >= last })
	return &Insertion{Text: text, Line: line, Warnings: warnings}, nil
}

// edit is a profiles file about to get one profile more.
type edit struct {
	lines  []line
	eol    string
	root   *yaml.Node
	key    *yaml.Node // profiles
	value  *yaml.Node // of profiles
	before int        // the index of the line that the new profile goes before
	indent int        // of a profile's name
	step   int        // from there to its keys
}

// newEdit finds the place in a valid file without a byte order mark.
func newEdit(data []byte) (*edit, *Error) {
	root, wrong := document(data)
	if wrong != nil {
		return nil, wrong
	}
	e := &edit{lines: cut(data), root: root}
	e.eol = e.lines[0].end
	if e.eol == "" {
		e.eol = "\n"
	}
	if root.Style&yaml.FlowStyle != 0 {
		return nil, styled(root, "the file is written in { }")
	}
	next := len(e.lines)
	for i := 0; i < len(root.Content); i += 2 {
		switch {
		case root.Content[i].Value == "profiles":
			e.key, e.value = root.Content[i], root.Content[i+1]
		case e.key != nil && next == len(e.lines):
			next = root.Content[i].Line - 1
		}
	}
	if wrong := e.empty(); wrong != nil {
		return nil, wrong
	}
	e.before = e.end(next)
	e.measure()
	return e, nil
}

func styled(n *yaml.Node, what string) *Error {
	return &Error{Line: n.Line, Column: n.Column, Err: ErrStyle, Message: what + ", where nothing can be added safely",
		Hint: "write it with one key a line, indented with spaces"}
}

// empty takes an empty value of profiles, {} or null, out of the text.
func (e *edit) empty() *Error {
	if e.value.Kind == yaml.MappingNode && e.value.Style&yaml.FlowStyle == 0 {
		return nil
	}
	if len(e.value.Content) > 0 {
		return styled(e.value, "profiles is written in { }")
	}
	if isNull(e.value) && e.value.Value == "" {
		return nil
	}
	at := e.value.Line - 1
	text := e.lines[at].text
	runes := []rune(text)
	start := len(string(runes[:min(e.value.Column-1, len(runes))]))
	written := e.value.Value
	if e.value.Kind == yaml.MappingNode {
		end := strings.IndexByte(text[start:], '}')
		if end < 0 {
			return styled(e.value, "profiles is written in { }")
		}
		written = text[start : start+end+1]
	}
	rest, ok := strings.CutPrefix(text[start:], written)
	if !ok {
		return styled(e.value, "profiles is written in an unusual way")
	}
	e.lines[at].text = strings.TrimRight(strings.TrimRight(text[:start], " \t")+rest, " \t")
	if e.lines[at].text == "" {
		e.lines[at].end = "" // it was a line of its own
	}
	return nil
}

// end is the line behind the last one that belongs to profiles: comments that are
// indented do, those in front of the next key do not.
func (e *edit) end(next int) int {
	margin := e.root.Column - 1
	for next > e.key.Line {
		text := e.lines[next-1].text
		words := strings.TrimLeft(text, " \t")
		foreign := strings.HasPrefix(words, "#") && len(text)-len(words) <= margin
		if words != "" && !foreign && !strings.HasPrefix(text, "...") {
			break
		}
		next--
	}
	return max(next, e.value.Line)
}

// measure takes the indentation from the profiles there are, else from comments in their
// place, else from other blocks of the file.
func (e *edit) measure() {
	margin := e.root.Column - 1
	e.indent, e.step = -1, 2
	for i := 1; i < len(e.root.Content); i += 2 {
		if n := e.root.Content[i]; n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 && n != e.value {
			e.step = n.Column - 1 - margin
		}
	}
	for _, l := range e.lines[e.key.Line:e.before] {
		words := strings.TrimLeft(l.text, " ")
		if in := len(l.text) - len(words); e.indent < 0 && strings.HasPrefix(words, "#") && in > margin {
			e.indent = in
		}
	}
	if len(e.value.Content) > 0 {
		e.indent = e.value.Column - 1
		if inner := e.value.Content[1]; inner.Style&yaml.FlowStyle == 0 && inner.Column-1 > e.indent {
			e.step = inner.Column - 1 - e.indent
		}
	}
	if e.indent < 0 {
		e.indent = margin + e.step
	}
}

func (e *edit) taken(name string) *Error {
	for i := 0; i < len(e.value.Content); i += 2 {
		if key := e.value.Content[i]; key.Value == name {
			return &Error{Line: key.Line, Column: key.Column, Err: ErrExists,
				Message: fmt.Sprintf("there is a profile %q already", name), Hint: "choose another name, or remove that one first"}
		}
	}
	return nil
}

// insert returns the text with the block in its place and the block's first line.
func (e *edit) insert(block string) ([]byte, int) {
	var out strings.Builder
	for _, l := range e.lines[:e.before] {
		out.WriteString(l.text)
		out.WriteString(l.end)
	}
	if e.before == len(e.lines) && e.lines[e.before-1].text != "" && e.lines[e.before-1].end == "" {
		out.WriteString(e.eol)
	}
	if e.apart() {
		out.WriteString(e.eol)
	}
	line := len(cut([]byte(out.String()))) + 1
	out.WriteString(strings.ReplaceAll(block, "\n", e.eol))
	for _, l := range e.lines[e.before:] {
		out.WriteString(l.text)
		out.WriteString(l.end)
	}
	return []byte(out.String()), line
}

// apart says whether a blank line goes before the new profile: behind a comment, and
// where blank lines separate the others.
func (e *edit) apart() bool {
	own := e.lines[e.key.Line:e.before]
	if len(own) == 0 {
		return false
	}
	return strings.HasPrefix(strings.TrimLeft(own[len(own)-1].text, " \t"), "#") ||
		slices.ContainsFunc(own, func(l line) bool { return strings.TrimSpace(l.text) == "" && l.end != "" })
}

// judge says whether err, about the text with the new profile, is the draft's fault.
func (e *edit) judge(file string, text []byte, name string, err error) error {
	var problems Errors
	if errors.As(err, &problems) && e.only(text, name) {
		return &DraftError{Problems: problems}
	}
	return e.unsafe(file)
}

func (e *edit) unsafe(file string) error {
	wrong := styled(e.key, "profiles is written in an unusual way")
	wrong.File = file
	return wrong
}

// only reports whether text says what the file said, and has one profile more.
func (e *edit) only(text []byte, name string) bool {
	root, wrong := document(text)
	if wrong != nil || len(root.Content) != len(e.root.Content) {
		return false
	}
	for i, n := range root.Content {
		old := e.root.Content[i]
		if old != e.value {
			if !same(old, n) {
				return false
			}
			continue
		}
		count := len(n.Content)
		if count != len(old.Content)+2 || n.Content[count-2].Value != name || !slices.EqualFunc(old.Content, n.Content[:count-2], same) {
			return false
		}
	}
	return true
}

func same(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.ShortTag() == b.ShortTag() && a.Value == b.Value && slices.EqualFunc(a.Content, b.Content, same)
}

// line is one line of a text and what ends it, nothing at the end of the file.
type line struct{ text, end string }

// cut cuts a text where YAML does (YAML 1.1 section 5.4), so that lines can be found by number.
func cut(data []byte) []line {
	var lines []line
	rest := string(data)
	for rest != "" {
		i := strings.IndexAny(rest, "\r\n\u0085\u2028\u2029")
		if i < 0 {
			return append(lines, line{text: rest})
		}
		end := "\r\n"
		if !strings.HasPrefix(rest[i:], end) {
			_, size := utf8.DecodeRuneInString(rest[i:])
			end = rest[i : i+size]
		}
		lines = append(lines, line{rest[:i], end})
		rest = rest[i+len(end):]
	}
	return lines
}

// complete adds the keys that a file needs before a profile can be put into it. What it
// cannot judge is left as it is.
func complete(data []byte) []byte {
	lines := cut(data)
	eol := "\n"
	if len(lines) > 0 && lines[0].end != "" {
		eol = lines[0].end
	}
	add := func(indent int, keys ...string) []byte {
		text := slices.Clone(data)
		if len(lines) > 0 && lines[len(lines)-1].end == "" {
			text = append(text, eol...)
		}
		for _, key := range keys {
			text = append(text, strings.Repeat(" ", indent)+key+eol...)
		}
		return text
	}
	bare := !slices.ContainsFunc(lines, func(l line) bool {
		words := strings.TrimSpace(strings.TrimPrefix(l.text, "\ufeff"))
		return words != "" && words[0] != '#'
	})
	if bare {
		return add(0, "version: 1", "", "profiles:")
	}
	root, wrong := document(data)
	if wrong != nil || root.Kind != yaml.MappingNode || root.Style&yaml.FlowStyle != 0 {
		return data
	}
	for i := 0; i < len(root.Content); i += 2 {
		if root.Content[i].Value == "profiles" {
			return data
		}
	}
	return add(root.Column-1, "profiles:")
}
