package profile

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The parser says of a syntax error at best the line, often that of the block around
// it, and never the column. Where it gave up is found here by feeding it the file
// byte by byte.

// mistake is a message of the parser with the words for it that help a person.
type mistake struct {
	theirs  string // a part of the parser's message
	message string
	hint    string
	where   func(s *source) int // offset of the mistake; nil: (*source).first
}

var mistakes = []mistake{
	{theirs: "unknown anchor", message: "aliases (*) are not supported", where: (*source).star,
		hint: "write the value out; put quotes around it if it starts with *"},
	{theirs: "exceeded max depth", message: "blocks or lists are nested too deep"},
	{theirs: "unexpected end of stream", message: "a quote is not closed", where: (*source).quote,
		hint: "close the quote that opens here"},
	{theirs: "expected ',' or", message: "a bracket is not closed", where: (*source).bracket,
		hint: "close the bracket that opens here, and put commas between the values in it"},
	{theirs: "escape character", message: "this \\ starts nothing known", hint: "in double quotes write \\\\ for \\, or use single quotes"},
	{theirs: "hexdecimal number", message: "this \\ starts nothing known", hint: "in double quotes write \\\\ for \\, or use single quotes"},
	{theirs: "could not find expected ':'", message: "there is no \":\" after this", where: (*source).word,
		hint: "write key: value"},
	{theirs: "mapping values are not allowed", message: "this \":\" does not fit here",
		hint: "check the indentation of this line and the one above; put quotes around a value with \": \" in it"},
	{theirs: "cannot start any token", message: "a value cannot start with this character", hint: "put quotes around the value"},
	{theirs: "alphabetic or numeric", message: "a value cannot start with this character", hint: "put quotes around the value"},
	{theirs: "did not find expected key", message: "this does not fit the lines above", where: (*source).start,
		hint: "check the indentation: keys of one block start in the same column, and nothing follows a closing quote"},
	{theirs: "expected '-' indicator", message: "this does not fit the list above", where: (*source).start,
		hint: "check the indentation: entries of one list start with - in the same column"},
	{theirs: "expected node content", message: "a value is missing here"},
	{theirs: "<document start>", message: "a second document starts here, but a file is one", hint: "remove the ... or ---"},
}

// source is a file with a syntax error.
type source struct {
	data []byte
	err  string // the parser's words without its line
	line int    // the parser's line, 0 for none
	read int    // how much it had read when it gave up
}

var parserWords = lazily(`^yaml: (?:line ([0-9]+): )?(.*)$`)

// syntaxError puts the parser's err about data into words and place.
func syntaxError(data []byte, err error) *Error {
	s := &source{data: data, read: gaveUp(data)}
	s.line, s.err = words(err)
	m := mistake{message: "this is not YAML: " + s.err}
	if i := slices.IndexFunc(mistakes, func(m mistake) bool { return strings.Contains(s.err, m.theirs) }); i >= 0 {
		m = mistakes[i]
	}
	if m.where == nil {
		m.where = (*source).first
	}
	offset := m.where(s)
	if tab, ok := s.tab(offset); ok {
		offset = tab
		m = mistake{message: "a tab cannot indent", hint: "use spaces"}
	} else if colon, ok := s.glued(offset); ok && strings.Contains(m.message, `":"`) {
		offset = colon
		m = mistake{message: `there is no space after this ":"`, hint: "write key: value"}
	}
	return at(data, max(0, min(offset, len(data))), m.message, m.hint)
}

func words(err error) (line int, message string) {
	parts := parserWords.FindStringSubmatch(err.Error())
	if parts == nil {
		return 0, err.Error()
	}
	line, _ = strconv.Atoi(parts[1])
	return line, parts[2]
}

// trickle hands a file out byte by byte and counts.
type trickle struct {
	data []byte
	read int
}

func (t *trickle) Read(p []byte) (int, error) {
	if t.read == len(t.data) {
		return 0, io.EOF
	}
	p[0] = t.data[t.read]
	t.read++
	return 1, nil
}

// gaveUp is how much of data the parser needs to find its mistake.
func gaveUp(data []byte) int {
	t := &trickle{data: data}
	decoder := yaml.NewDecoder(t)
	for {
		var doc yaml.Node
		if decoder.Decode(&doc) != nil {
			return t.read
		}
	}
}

// Small enough to be parsed a few times more: the parser reads only some characters ahead.
const (
	lookahead   = 256
	smallEnough = 128 << 10
)

// first is the offset of the character that makes the mistake: without it the parser
// has no complaint, or another.
func (s *source) first() int {
	if s.read > smallEnough {
		return s.read - 1
	}
	start := max(0, s.read-lookahead)
	return start + sort.Search(s.read-start-1, func(i int) bool {
		_, words := words(parseOnly(s.data[:start+i+1]))
		return words == s.err
	})
}

func parseOnly(data []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
			return errNone
		} else if err != nil {
			return err
		}
	}
}

var errNone = errors.New("")

// start is the start of the word that makes the mistake.
func (s *source) start() int {
	offset := s.first()
	return bytes.LastIndexAny(s.data[:offset], " \t\r\n") + 1
}

// lineAt is the text of a line, counted from 1, and its offset.
func (s *source) lineAt(n int) (text string, offset int) {
	for i := 1; i < n; i++ {
		end := bytes.IndexByte(s.data[offset:], '\n')
		if end < 0 {
			break
		}
		offset += end + 1
	}
	text, _, _ = strings.Cut(string(s.data[offset:]), "\n")
	return text, offset
}

// star is the last * that was read.
func (s *source) star() int {
	return bytes.LastIndexByte(s.data[:s.read], '*')
}

var opens = lazily(`(?:^|[\s:,\[{-])(["'])`)

// quote is the quote that opens on the parser's line, or on the first, and does not
// close there.
func (s *source) quote() int {
	for _, n := range []int{s.line, 1} {
		text, offset := s.lineAt(n)
		for from := 0; from < len(text); {
			m := opens.FindStringSubmatchIndex(text[from:])
			if m == nil {
				break
			}
			start := from + m[2]
			end := strings.IndexByte(text[start+1:], text[start])
			if end < 0 {
				return offset + start
			}
			from = start + 1 + end + 1
		}
	}
	return s.read - 1
}

// bracket is the last one that is open at the end of the parser's line. The parser
// counts lines from 0 here.
func (s *source) bracket() int {
	for _, n := range []int{s.line + 1, s.line, 1} {
		text, offset := s.lineAt(n)
		var open []int
		for i, c := range text {
			switch {
			case c == '[' || c == '{':
				open = append(open, i)
			case (c == ']' || c == '}') && len(open) > 0 && text[open[len(open)-1]] == byte(c)-2: // [ and ], { and } are two apart
				open = open[:len(open)-1]
			}
		}
		if len(open) > 0 {
			return offset + open[len(open)-1]
		}
	}
	return s.read - 1
}

// word is the first word of the parser's line.
func (s *source) word() int {
	text, offset := s.lineAt(s.line)
	return offset + indent(text)
}

// tab finds the tab in the indentation of the line at offset, or of the one above.
func (s *source) tab(offset int) (int, bool) {
	return s.around(offset, func(text string) int { return strings.IndexByte(text[:indent(text)], '\t') })
}

// glued finds the colon behind a key that its value begins at, on the line at offset or
// the one above. To the parser both are one text.
func (s *source) glued(offset int) (int, bool) {
	return s.around(offset, gluedColon)
}

var gluedKey = lazily(`^\s*[a-z][a-z0-9_-]*:(?:[^\s/]|/[^/])`)

// gluedColon is where the colon of a key without a space behind it is, -1 for none. What
// begins like a URL is a value.
func gluedColon(text string) int {
	if !gluedKey.MatchString(text) {
		return -1
	}
	return strings.IndexByte(text, ':')
}

// around finds something in the line at offset, or else in the one above. find returns its
// place in the line, -1 for none.
func (s *source) around(offset int, find func(text string) int) (int, bool) {
	offset = max(0, min(offset, len(s.data)))
	for range 2 {
		start := bytes.LastIndexByte(s.data[:offset], '\n') + 1
		text, _, _ := strings.Cut(string(s.data[start:]), "\n")
		if i := find(text); i >= 0 {
			return start + i, true
		}
		if start == 0 {
			break
		}
		offset = start - 1
	}
	return 0, false
}

// indent is the length of the blanks in front of a line.
func indent(text string) int {
	return len(text) - len(strings.TrimLeft(text, " \t\r"))
}
