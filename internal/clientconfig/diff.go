package clientconfig

import (
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
		after = preview(w.doc, w.touched)
	}
	before := preview(w.first, w.touched)
	text := string(diff.Diff(w.file, []byte(before), w.file, []byte(after)))
	_, text, _ = strings.Cut(text, "\n") // the line "diff …", which says nothing new
	return text
}

// preview is the veiled text with its long lines cut and nothing that steers a terminal.
func preview(d document, names []string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimPrefix(d.veil(names), byteOrderMark)) {
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
