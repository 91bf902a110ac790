package clientconfig

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"
)

// maxLine is where a preview cuts a line off.
const maxLine = 160

// diff shows what the work changes.
func (w *work) diff(gone bool) string {
	after := ""
	if !gone {
		after = preview(w.doc, w.shown(w.covered))
	}
	before := preview(w.first, w.shown(nil))
	text := string(diff.Diff(w.file, []byte(before), w.file, []byte(after)))
	_, text, _ = strings.Cut(text, "\n") // the line "diff …", which says nothing new
	return text
}

// shown is what of a config may be seen: entries that were ours before, and of those
// that were not the fields that are ours now.
func (w *work) shown(ours map[string][]string) shown {
	return func(name, field string) bool {
		if _, covered := w.covered[name]; covered {
			return slices.Contains(ours[name], field)
		}
		return slices.Contains(w.touched, name)
	}
}

// cover has a preview show nothing of what an entry was, and of what it becomes only those fields.
func (w *work) cover(name string, ours object) {
	w.covered[name] = nil
	for _, f := range ours {
		w.covered[name] = append(w.covered[name], f.key)
	}
}

// preview is the veiled text with its long lines cut and nothing that steers a terminal.
func preview(d document, show shown) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimPrefix(d.veil(show), byteOrderMark)) {
		body := strings.TrimRight(line, "\r\n")
		if utf8.RuneCountInString(body) > maxLine {
			runes := []rune(body)
			body = string(runes[:maxLine/2]) + " … " + string(runes[len(runes)-maxLine/2:])
		}
		b.WriteString(strings.Map(func(r rune) rune {
			if r == '\t' || unicode.IsPrint(r) {
				return r
			}
			return ' '
		}, body))
		if strings.HasSuffix(line, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.String()
}
