package clientconfig

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// document is a parsed config file. Its edits leave it as it is and return splices of
// its text, so that what is not spliced cannot change.
type document interface {
	// all is the whole content, decoded.
	all() any
	// servers is the map of servers, decoded; nil when there is none.
	servers() map[string]any
	// path is the keys that lead to the map of servers.
	path() []string
	// add puts a new entry in. gap is what must be given to remove so that everything
	// is as before; made says that the map of servers had to be made.
	add(name string, value object) (e edit, gap string, made bool, err error)
	// set puts one field of an entry in, or in place of the old one.
	set(name, key string, value any) (edit, error)
	// unset takes one field of an entry out.
	unset(name, key string) (edit, error)
	// remove takes an entry out. With made, an emptied map of servers goes too.
	remove(name, gap string, made bool) (edit, error)
	// after is the document that an edit of this one made, whose text is given. It may be
	// good for more edits only: what is written in the end is parsed whole.
	after(e edit, text string) (document, error)
	// empty says that nothing is left, not even a comment.
	empty() bool
	// notes are what a strict reader stumbles over.
	notes() []string
	// veil is the text for a preview: the fields to be shown are there as they are, values
	// and long words elsewhere are covered. A long line with entries is broken up.
	veil(show shown) string
	// editable says why the entry of that name, which is there, cannot be changed.
	editable(name string) error
}

// shown says whether a field of an entry is to be shown. The field "" is all between them.
type shown func(entry, field string) bool

// formats parse. path leads to the map of servers; inner names the map inside it, "" for none.
var formats = map[string]func(text string, path []string, inner string) (document, error){
	"json": parseJSON,
	"toml": parseTOML,
	"yaml": parseYAML,
}

const byteOrderMark = "\ufeff"

// parse reads a config file. An empty text is an empty document.
func parse(c *Client, data []byte) (document, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return nil, fmt.Errorf("it is UTF-16, not UTF-8")
	case !utf8.Valid(data):
		return nil, fmt.Errorf("it is not UTF-8")
	case bytes.IndexByte(data, 0) >= 0:
		return nil, fmt.Errorf("it has a NUL byte")
	}
	return formats[c.Format](string(data), c.Servers, c.Nested)
}

// splice replaces text[from:to].
type splice struct {
	from, to int
	with     string
}

// edit is a set of splices that do not overlap.
type edit []splice

// apply returns the text after the edit.
func (e edit) apply(text string) string {
	var b strings.Builder
	at := 0
	for _, s := range sorted(e) {
		b.WriteString(text[at:s.from])
		b.WriteString(s.with)
		at = s.to
	}
	b.WriteString(text[at:])
	return b.String()
}

func sorted(e edit) edit {
	return slices.SortedStableFunc(slices.Values(e), func(a, b splice) int { return cmp.Or(a.from-b.from, a.to-b.to) })
}

// position is where in a text an offset is, for a person.
func position(text string, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return 1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[start:])
}

// syntaxError is a complaint about a place in a file. Line 0 is the whole file.
type syntaxError struct {
	line, column int
	message      string
}

func (e *syntaxError) Error() string { return e.message }

// newlineOf is how lines of a text end.
func newlineOf(text string) string {
	if i := strings.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// sameBut reports that two documents differ in nothing but the entries of those names,
// and in whether an empty map of servers is there.
func sameBut(names []string, path []string, before, after any) bool {
	return same(without(names, path, before), without(names, path, after))
}

// same reports that two values are the same; a NaN is the same as itself.
func same(a, b any) bool {
	return equal(a, b) || fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b)
}

// equal is reflect.DeepEqual, which takes its time for what a config mostly is.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case string:
		return a == b
	}
	return reflect.DeepEqual(a, b)
}

// without is a copy of a document's content without those entries, and without the maps
// on the way to them where nothing else is in those.
func without(names, path []string, content any) any {
	m, ok := content.(map[string]any)
	if !ok {
		return content
	}
	m = maps.Clone(m)
	if len(path) == 0 {
		for _, name := range names {
			delete(m, name)
		}
		return m
	}
	if inner, ok := m[path[0]]; ok {
		rest := without(names, path[1:], inner)
		if left, ok := rest.(map[string]any); (ok && len(left) == 0) || rest == nil {
			delete(m, path[0])
		} else {
			m[path[0]] = rest
		}
	}
	return m
}
