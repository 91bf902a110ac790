package profile

import (
	"fmt"
	"iter"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxErrors = 1000 // complaints about one file that are worth reading
	maxDepth  = 32   // of blocks and lists in each other
)

// walker goes through a file's nodes and collects every complaint.
type walker struct {
	file    string
	folder  string   // what relative paths start from
	profile string   // the profile being read; empty outside of profiles
	path    []string // the keys that lead to the value being read
	errs    Errors
	more    int    // complaints beyond maxErrors
	inline  Errors // secrets that stand in the file
	notes   Errors // other warnings
}

// fail complains about the value being read, which is n.
func (w *walker) fail(n *yaml.Node, format string, args ...any) *Error {
	return w.add(w.complaint(n, " ", format, args...))
}

// failIn complains about n, which stands in the block or list being read.
func (w *walker) failIn(n *yaml.Node, format string, args ...any) *Error {
	return w.add(w.complaint(n, ": ", format, args...))
}

func (w *walker) add(e *Error) *Error {
	if len(w.errs) < maxErrors {
		w.errs = append(w.errs, e)
	} else {
		w.more++
	}
	return e
}

// note warns about the value being read, which is n.
func (w *walker) note(n *yaml.Node, format string, args ...any) {
	w.notes = append(w.notes, w.complaint(n, " ", format, args...))
}

// secret remembers that the value being read is a secret in the file itself.
func (w *walker) secret(n *yaml.Node, instead string) {
	e := w.complaint(n, " ", "is a secret written into this file")
	e.Hint = instead
	w.inline = append(w.inline, e)
}

// complaint puts the profile and the path in front of the message.
func (w *walker) complaint(n *yaml.Node, join, format string, args ...any) *Error {
	message := fmt.Sprintf(format, args...)
	if len(w.path) > 0 {
		message = strings.Join(w.path, ".") + join + message
	}
	if w.profile != "" {
		message = fmt.Sprintf("profile %q: %s", w.profile, message)
	}
	return &Error{File: w.file, Line: n.Line, Column: n.Column, Message: message}
}

// under runs f with key added to the path.
func (w *walker) under(key string, f func()) {
	w.path = append(w.path, key)
	f()
	w.path = w.path[:len(w.path)-1]
}

// mustBe complains that n is of another type than wanted.
func (w *walker) mustBe(n *yaml.Node, wanted string) {
	switch {
	case n.Kind == yaml.AliasNode, n.Style&yaml.TaggedStyle != 0: // refused by plain
	case isNull(n):
		w.fail(n, "has no value (give it one or remove the line)")
	case n.Kind == yaml.ScalarNode && n.ShortTag() != "!!str" && wanted == aText:
		w.fail(n, "must be text, not %s (put quotes around it)", looksLike(n))
	case n.Kind == yaml.ScalarNode && n.Style == 0 && wanted == aBlock && gluedColon(n.Value) >= 0:
		w.fail(n, `must be %s, not text (write a space after the ":")`, wanted)
	default:
		w.fail(n, "must be %s, not %s", wanted, looksLike(n))
	}
}

const (
	aText  = "text"
	aBlock = "a block of keys"
)

func looksLike(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return aBlock
	case n.ShortTag() == "!!bool":
		return "true or false"
	case n.ShortTag() == "!!int", n.ShortTag() == "!!float":
		return "a number"
	case n.ShortTag() == "!!timestamp":
		return "a date"
	}
	return aText
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// plain refuses what makes a file mean something else than it shows: anchors,
// aliases, merge keys and tags. It goes through keys nobody knows, too.
func (w *walker) plain(n *yaml.Node, depth int) {
	switch {
	case depth > maxDepth:
		w.fail(n, "blocks and lists are nested more than %d deep", maxDepth)
		return
	case n.Kind == yaml.AliasNode:
		w.fail(n, "aliases (*) are not supported (write the value out, or quote it if it starts with *)")
		return
	case n.ShortTag() == "!!merge":
		w.fail(n, "merge keys (<<) are not supported (write the keys out)")
	case n.Anchor != "":
		w.fail(n, "anchors (&) are not supported (write the value out where it is used, or quote it if it starts with &)")
	case n.Style&yaml.TaggedStyle != 0:
		w.fail(n, "tags (!) are not supported (remove it, or quote the value if it starts with !)")
	}
	for _, inner := range n.Content {
		w.plain(inner, depth+1)
	}
}

// pairs yields the keys of a block and their values, each key once. what names
// such a key in a complaint about a second one.
func (w *walker) pairs(n *yaml.Node, what string) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		lines := make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			switch first, twice := lines[key.Value], lines[key.Value] > 0; {
			case key.Kind == yaml.AliasNode || key.ShortTag() == "!!merge": // refused by plain
			case key.Kind != yaml.ScalarNode:
				w.failIn(key, "a %s must be a plain name, not %s", what, looksLike(key))
			case twice:
				w.failIn(key, "%s is there twice, first on line %d", named(what, key.Value), first)
			default:
				lines[key.Value] = key.Line
				if !yield(key, value) {
					return
				}
			}
		}
	}
}

var harmless = lazily(`^[A-Za-z0-9_.:/@-]{1,40}$`)

// named is what followed by the quoted name, or only what when the name may not be
// shown: it is long, strange, or perhaps a secret in the wrong place.
func named(what, name string) string {
	if !harmless.MatchString(name) {
		return "a " + what
	}
	return fmt.Sprintf("%s %q", what, name)
}
