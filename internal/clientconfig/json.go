package clientconfig

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"
)

// jsonDoc is JSON, with comments and trailing commas where the file has them. It is read
// as a syntax tree that knows the place of each value, and edited as text.
type jsonDoc struct {
	text    string
	bom     int // length of the byte order mark; the tree's offsets do not count it
	root    *hujson.Value
	at      []string       // the keys that lead to the servers
	entries map[string]any // the servers, decoded
	step    string         // of indentation

	table []string // where the servers are, but for
	inner string   // the map inside that one
}

// maxDepth bounds the nesting that the parser's recursion is trusted with.
const maxDepth = 1000

func parseJSON(text string, path []string, inner string) (document, error) {
	d := &jsonDoc{text: text, at: path, table: path, inner: inner}
	if strings.HasPrefix(text, byteOrderMark) {
		d.bom = len(byteOrderMark)
	}
	body := text[d.bom:]
	if strings.TrimSpace(body) == "" {
		return d, nil
	}
	if err := checkDepth(body); err != nil {
		return nil, err
	}
	root, err := hujson.Parse([]byte(body + "\n")) // a comment on the last line needs its end
	if err != nil {
		return nil, jsonError(err, body)
	}
	d.root = &root
	if root.Value.Kind() != '{' {
		return nil, &syntaxError{1, 1, "it is not an object"}
	}
	if inner != "" {
		if err := d.useInner(inner); err != nil {
			return nil, err
		}
	}
	servers, err := d.container()
	if err != nil {
		return nil, err
	}
	d.entries, d.step = decodedObject(servers), d.unit()
	return d, nil
}

// useInner takes the map inside the map of servers, if it is there and no server itself.
func (d *jsonDoc) useInner(inner string) error {
	v, err := d.find(append(slices.Clone(d.at), inner))
	if err != nil || v == nil || v.Value.Kind() != '{' {
		return err
	}
	if kind, err := member(v, "type"); err != nil || kind != nil && kind.Value.Value.Kind() == '"' {
		return err
	}
	d.at = append(slices.Clone(d.at), inner)
	return nil
}

// checkDepth walks over the brackets outside strings and comments.
func checkDepth(s string) error {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case strings.HasPrefix(s[i:], "//"):
			i += length(s[i:], "\n")
		case strings.HasPrefix(s[i:], "/*"):
			i += 1 + length(s[i+2:], "*/")
		case s[i] == '{' || s[i] == '[':
			if depth++; depth > maxDepth {
				line, column := position(s, i)
				return &syntaxError{line, column, "it is nested too deeply"}
			}
		case s[i] == '}' || s[i] == ']':
			depth--
		}
	}
	return nil
}

// length is that of s up to and with the end given.
func length(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i + len(end)
	}
	return len(s)
}

var jsonPlace = lazily(`^hujson: line (\d+), column (\d+): (.*)$`)

func jsonError(err error, body string) error {
	m := jsonPlace().FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if m == nil {
		return err
	}
	line, _ := strconv.Atoi(m[1])
	column, _ := strconv.Atoi(m[2])
	message := m[3]
	if before, _, found := strings.Cut(message, "invalid literal: "); found {
		message = before + "invalid literal" // which may be a secret
	}
	if last, end := position(body, len(body)); line > last {
		line, column = last, end
	}
	return &syntaxError{line, column, message}
}

func (d *jsonDoc) all() any {
	if d.root == nil {
		return map[string]any{}
	}
	return decoded(d.root)
}

func (d *jsonDoc) path() []string { return d.at }

func (d *jsonDoc) servers() map[string]any { return d.entries }

func (d *jsonDoc) empty() bool {
	if d.root == nil {
		return true
	}
	return strings.TrimSpace(d.text[d.bom:]) == "{}"
}

func (d *jsonDoc) notes() []string {
	var notes []string
	if d.bom > 0 {
		notes = append(notes, "a byte order mark")
	}
	if d.root != nil && !d.root.IsStandard() {
		notes = append(notes, "comments or trailing commas")
	}
	return notes
}

// member finds a key of an object. Twice the same key is an error: readers disagree
// about which one counts.
func member(v *hujson.Value, key string) (*hujson.ObjectMember, error) {
	var found *hujson.ObjectMember
	o := v.Value.(*hujson.Object)
	for i := range o.Members {
		if keyOf(&o.Members[i]) != key {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("the key %q is there twice", key)
		}
		found = &o.Members[i]
	}
	return found, nil
}

// find follows a path from the root to an object; nil when it ends before.
func (d *jsonDoc) find(path []string) (*hujson.Value, error) {
	v := d.root
	for _, key := range path {
		if v == nil {
			return nil, nil
		}
		if v.Value.Kind() != '{' {
			return nil, d.wrong(v, "it should be an object")
		}
		m, err := member(v, key)
		if err != nil {
			return nil, d.wrong(v, err.Error())
		}
		if m == nil {
			return nil, nil
		}
		v = &m.Value
	}
	return v, nil
}

func (d *jsonDoc) wrong(v *hujson.Value, message string) error {
	line, column := position(d.text[d.bom:], v.StartOffset)
	return &syntaxError{line, column, message}
}

// container is the map of servers, nil when there is none.
func (d *jsonDoc) container() (*hujson.Value, error) {
	v, err := d.find(d.at)
	if err == nil && v != nil && v.Value.Kind() != '{' {
		return nil, d.wrong(v, "it should be an object")
	}
	return v, err
}

// entry is the object of one server, which must be there.
func (d *jsonDoc) entry(name string) (servers *hujson.Value, m *hujson.ObjectMember, err error) {
	servers, err = d.container()
	if err != nil {
		return nil, nil, err
	}
	if servers != nil {
		if m, err = member(servers, name); err != nil {
			return nil, nil, d.wrong(servers, err.Error())
		}
	}
	if m == nil {
		return nil, nil, errors.New("there is no such entry")
	}
	return servers, m, nil
}

// fields is the entry of one server, which must be an object, for changing its fields.
func (d *jsonDoc) fields(name string) (*hujson.Value, error) {
	_, m, err := d.entry(name)
	if err != nil {
		return nil, err
	}
	if m.Value.Value.Kind() != '{' {
		return nil, d.wrong(&m.Value, "it should be an object")
	}
	return &m.Value, nil
}

func (d *jsonDoc) editable(name string) error {
	v, err := d.fields(name)
	if err != nil {
		return err
	}
	members := v.Value.(*hujson.Object).Members
	for i := range members {
		if _, err := member(v, keyOf(&members[i])); err != nil {
			return d.wrong(v, err.Error())
		}
	}
	return nil
}

func (d *jsonDoc) add(name string, value object) (edit, string, bool, error) {
	if d.root == nil {
		for i := len(d.at) - 1; i >= 0; i-- {
			value, name = object{{name, value}}, d.at[i]
		}
		fresh := layout{newline: newlineOf(d.text), unit: "  ", colon: ": "}
		text := fresh.json(object{{name, value}}) + fresh.newline
		return edit{{d.bom, len(d.text), text}}, "", true, nil
	}
	depth := len(d.at)
	parent, err := d.container()
	for parent == nil && err == nil {
		depth--
		value, name = object{{name, value}}, d.at[depth]
		parent, err = d.find(d.at[:depth])
	}
	if err != nil {
		return nil, "", false, err
	}
	if parent.Value.Kind() != '{' {
		return nil, "", false, d.wrong(parent, "it should be an object")
	}
	m, err := member(parent, name)
	if err != nil || m != nil {
		return nil, "", false, errors.Join(err, errors.New("the entry is there already"))
	}
	e, gap := d.insert(parent, name, value)
	return e, gap, depth < len(d.at), nil
}

func (d *jsonDoc) set(name, key string, value any) (edit, error) {
	v, err := d.fields(name)
	if err != nil {
		return nil, err
	}
	old, err := member(v, key)
	if err != nil {
		return nil, d.wrong(v, err.Error())
	}
	if old == nil {
		e, _ := d.insert(v, key, value)
		return e, nil
	}
	l := d.layoutOf(v)
	return edit{{d.bom + old.Value.StartOffset, d.bom + old.Value.EndOffset, l.json(value)}}, nil
}

func (d *jsonDoc) unset(name, key string) (edit, error) {
	v, err := d.fields(name)
	if err != nil {
		return nil, err
	}
	old, err := member(v, key)
	if err != nil || old == nil {
		return nil, err
	}
	return d.cut(v, old, ""), nil
}

func (d *jsonDoc) remove(name, gap string, made bool) (edit, error) {
	servers, m, err := d.entry(name)
	if err != nil {
		return nil, err
	}
	for depth := len(d.at); ; depth-- {
		o := servers.Value.(*hujson.Object)
		last := len(o.Members) == 1
		inside := d.text[d.bom+servers.StartOffset+1:d.bom+m.Name.StartOffset] + d.text[d.bom+m.Value.EndOffset:d.bom+servers.EndOffset-1]
		bare := last && strings.Trim(inside, " \t\r\n,") == ""
		if !bare || !made || depth == 0 {
			return d.cut(servers, m, gap), nil
		}
		parent, err := d.find(d.at[:depth-1])
		if err != nil {
			return nil, err
		}
		if m, err = member(parent, d.at[depth-1]); err != nil {
			return nil, d.wrong(parent, err.Error())
		}
		servers = parent
	}
}
