package clientconfig

import (
	"slices"

	"github.com/tailscale/hujson"
)

// cover stands for what a preview does not show.
const cover = "***"

// longWord may be a secret somebody left in a comment.
var longWord = lazily(`[A-Za-z0-9_+/=.\-]{16,}`)

func (d *jsonDoc) veil(show shown) string {
	if d.root == nil {
		return d.text
	}
	v := &veiler{d: d, show: show}
	v.servers, _ = d.container()
	v.walk(d.root)
	return v.hide.apply(d.text)
}

type veiler struct {
	d       *jsonDoc
	show    shown
	servers *hujson.Value
	entry   *hujson.Value // being walked over
	name    string        // of entry
	hide    edit
}

func (v *veiler) walk(value *hujson.Value) {
	start, end := v.d.bom+value.StartOffset, v.d.bom+value.EndOffset
	v.extra(start-len(value.BeforeExtra), value.BeforeExtra)
	v.extra(end, value.AfterExtra)
	switch o := value.Value.(type) {
	case hujson.Literal:
		if o.Kind() == '"' || o.Kind() == '0' {
			v.hide = append(v.hide, splice{start, end, `"` + cover + `"`})
		}
	case *hujson.Array:
		for i := range o.Elements {
			v.walk(&o.Elements[i])
		}
		v.extra(end-1-len(o.AfterExtra), o.AfterExtra)
	case *hujson.Object:
		for i := range o.Members {
			v.member(value, &o.Members[i])
		}
		v.extra(end-1-len(o.AfterExtra), o.AfterExtra)
	}
}

func (v *veiler) member(parent *hujson.Value, m *hujson.ObjectMember) {
	from, to := v.d.bom+m.Name.StartOffset, v.d.bom+m.Value.EndOffset
	v.extra(from-len(m.Name.BeforeExtra), m.Name.BeforeExtra)
	name := keyOf(m)
	if parent == v.entry && v.show(v.name, name) {
		return
	}
	if parent == v.servers {
		if v.show(name, "") {
			v.split(parent, from, to)
			return
		}
		v.entry, v.name = &m.Value, name
		if slices.ContainsFunc(v.fields(), func(field string) bool { return v.show(name, field) }) {
			v.split(parent, from, to)
		}
	}
	v.extra(v.d.bom+m.Name.EndOffset, m.Name.AfterExtra)
	v.walk(&m.Value)
}

// fields are the keys of the entry.
func (v *veiler) fields() (keys []string) {
	if o, ok := v.entry.Value.(*hujson.Object); ok {
		for i := range o.Members {
			keys = append(keys, keyOf(&o.Members[i]))
		}
	}
	return keys
}

// split breaks a long line up around an entry.
func (v *veiler) split(parent *hujson.Value, from, to int) {
	if v.d.onOneLine(parent) && length(v.d.text[v.d.lineStart(from):], "\n") > maxLine {
		v.hide = append(v.hide, splice{from, from, "\n"}, splice{to, to, "\n"})
	}
}

// extra covers words in a comment.
func (v *veiler) extra(at int, text hujson.Extra) {
	end := min(at+len(text), len(v.d.text)) // the parser was given one line end more than there is
	v.hide = append(v.hide, coverWords(v.d.text, at, end)...)
}

// coverWords covers the long words of a part of a text that is but space and comments.
func coverWords(text string, from, to int) edit {
	var hide edit
	for _, m := range longWord().FindAllStringIndex(text[from:to], -1) {
		hide = append(hide, splice{from + m[0], from + m[1], cover})
	}
	return hide
}
