package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one complaint about a profiles file. It never holds a secret of the file.
type Error struct {
	File    string
	Line    int    // from 1; 0: the file as a whole
	Column  int    // from 1, in characters
	Message string // one line: what is wrong with which key of which profile
	Hint    string // what to do next; empty when Message says it
	Err     error  // why the file could not be read; nil for complaints about its text
}

// Error is file:line:column: message, or file: message about the file as a whole.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Unwrap returns Err, so that errors.Is(err, fs.ErrNotExist) finds a missing file.
func (e *Error) Unwrap() error { return e.Err }

// Errors are all complaints about one file, in the order of the file.
// Every error of Parse, Load and Watcher is of this type and not empty.
type Errors []*Error

// Error is one line for each complaint.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the complaints one by one.
func (es Errors) Unwrap() []error {
	list := make([]error, len(es))
	for i, e := range es {
		list[i] = e
	}
	return list
}

// sort brings complaints into the order of the file.
func (es Errors) sort() {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
