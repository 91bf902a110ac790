package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxSize is the size of a profiles file that is still read, in bytes.
const maxSize = 1 << 20

// Parse reads the text of a profiles file. file names it in complaints, and relative
// paths in it start from file's folder. The error is an Errors with every problem of
// the file; of text that is no YAML it holds the first.
func Parse(file string, data []byte) (*Config, error) {
	return parse(file, data, false)
}

// parse refuses secrets in the text when others can read the file.
func parse(file string, data []byte, exposed bool) (*Config, error) {
	root, wrong := document(data)
	if wrong != nil {
		wrong.File = file
		return nil, Errors{wrong}
	}
	w := &walker{file: file, folder: filepath.Dir(file)}
	if folder, err := filepath.Abs(w.folder); err == nil {
		w.folder = folder
	}
	w.plain(root, 1)
	var c Config
	if root.Kind != yaml.MappingNode {
		w.mustBe(root, "a block of keys that starts with version: 1")
	} else {
		f := &found{key: root, value: root}
		table().decode(w, root, reflect.ValueOf(&c).Elem(), f)
		if v := f.at("version"); v != nil && !v.ok && v.value.ShortTag() == "!!int" {
			w.only(v.value.Line) // the rest is written for another program
		}
		c.File = file
	}
	c.Warnings = append(w.notes, w.inline...)
	if exposed {
		c.Warnings = w.notes
		w.expose()
	}
	c.Warnings.sort()
	if len(w.errs) > 0 {
		return nil, w.all()
	}
	return &c, nil
}

// only forgets the complaints about other lines.
func (w *walker) only(line int) {
	kept := w.errs[:0]
	for _, e := range w.errs {
		if e.Line == line {
			kept = append(kept, e)
		}
	}
	w.errs, w.more = kept, 0
}

// expose makes complaints of the secrets in a file that others can read.
func (w *walker) expose() {
	for _, e := range w.inline {
		e.Message += ", which other users can read"
		w.add(e)
	}
}

// all returns the complaints in the order of the file.
func (w *walker) all() Errors {
	w.errs.sort()
	if w.more > 0 {
		last := w.errs[len(w.errs)-1]
		w.errs = append(w.errs, &Error{File: last.File, Line: last.Line, Column: last.Column,
			Message: fmt.Sprintf("and %d more problems", w.more)})
	}
	return w.errs
}

// document parses the one YAML document of a file. The error has no file yet.
func document(data []byte) (*yaml.Node, *Error) {
	data, wrong := encoding(data)
	if wrong != nil {
		return nil, wrong
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, &Error{Line: 1, Column: 1, Message: "the file is empty",
			Hint: "write at least \"version: 1\" and \"profiles: {}\""}
	case err != nil:
		return nil, syntaxError(data, err)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, &Error{Line: max(second.Line, 2), Column: max(second.Column, 1),
			Message: "a second document starts here, but a file is one (remove the ---)"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(data, err)
	}
	root := doc.Content[0]
	if isNull(root) {
		return nil, &Error{Line: 1, Column: 1, Message: "the file is empty",
			Hint: "write at least \"version: 1\" and \"profiles: {}\""}
	}
	return root, nil
}

// encoding refuses what is not UTF-8 text and drops a byte order mark, which
// Windows editors put in front.
func encoding(data []byte) ([]byte, *Error) {
	const utf16 = "the file is UTF-16, not UTF-8"
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	switch {
	case len(data) > maxSize:
		return nil, &Error{Message: tooLarge}
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}),
		len(data) > 1 && (data[0] == 0) != (data[1] == 0):
		return nil, &Error{Line: 1, Column: 1, Message: utf16, Hint: "save it as UTF-8 in your editor"}
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return nil, at(data, i, "this is not UTF-8", "save the file as UTF-8 in your editor")
		case r < ' ' && r != '\n' && r != '\r' && r != '\t', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return nil, at(data, i, fmt.Sprintf("the control character U+%04X is not allowed", r), "remove it")
		}
		i += size
	}
	return data, nil
}

const tooLarge = "the file is larger than 1 MiB"

// at is a complaint about the byte at offset.
func at(data []byte, offset int, message, hint string) *Error {
	before := data[:offset]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return &Error{Line: line, Column: column, Message: message, Hint: hint}
}
