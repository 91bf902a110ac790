package clientconfig

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/tailscale/hujson"
)

// decoded is a value as encoding/json decodes it, numbers as they are written.
func decoded(v *hujson.Value) any {
	switch o := v.Value.(type) {
	case *hujson.Object:
		return decodedObject(v)
	case *hujson.Array:
		list := make([]any, len(o.Elements))
		for i := range o.Elements {
			list[i] = decoded(&o.Elements[i])
		}
		return list
	case hujson.Literal:
		switch o.Kind() {
		case '"':
			return unquoted(o)
		case '0':
			return json.Number(o)
		case 't', 'f':
			return o.Bool()
		}
	}
	return nil
}

// decodedObject is nil for no object.
func decodedObject(v *hujson.Value) map[string]any {
	if v == nil {
		return nil
	}
	members := v.Value.(*hujson.Object).Members
	m := make(map[string]any, len(members))
	for i := range members {
		m[keyOf(&members[i])] = decoded(&members[i].Value)
	}
	return m
}

func keyOf(m *hujson.ObjectMember) string { return unquoted(m.Name.Value.(hujson.Literal)) }

func unquoted(s hujson.Literal) string {
	if bytes.IndexByte(s, '\\') < 0 {
		return string(s[1 : len(s)-1])
	}
	return s.String()
}

// after reads the map of servers alone again where the edit stays inside it. The tree is
// not good for a preview then: what comes after the map has its places, but not its parts.
func (d *jsonDoc) after(e edit, text string) (document, error) {
	servers, err := d.container()
	if err != nil || servers == nil {
		return parseJSON(text, d.table, d.inner)
	}
	from, to, grown := d.bom+servers.StartOffset, d.bom+servers.EndOffset, len(text)-len(d.text)
	if slices.ContainsFunc(e, func(s splice) bool { return s.from <= from || s.to >= to }) {
		return parseJSON(text, d.table, d.inner)
	}
	part, err := hujson.Parse([]byte(text[from : to+grown]))
	if err != nil {
		return parseJSON(text, d.table, d.inner) // which says where
	}
	for v := range part.All() {
		moveBy(v, servers.StartOffset)
	}
	next := *d
	next.text, next.root, next.entries = text, grafted(d.root, d.at, part, grown), decodedObject(&part)
	return &next, nil
}

// grafted is a tree with another map of servers, longer by grown. It shares with the old
// one what it can.
func grafted(v *hujson.Value, path []string, servers hujson.Value, grown int) *hujson.Value {
	next := *v
	next.EndOffset += grown
	if len(path) == 0 {
		next.Value = servers.Value
		return &next
	}
	o := *v.Value.(*hujson.Object)
	o.Members = slices.Clone(o.Members)
	at := slices.IndexFunc(o.Members, func(m hujson.ObjectMember) bool { return keyOf(&m) == path[0] })
	o.Members[at].Value = *grafted(&o.Members[at].Value, path[1:], servers, grown)
	for i := range o.Members[at+1:] {
		m := &o.Members[at+1+i]
		moveBy(&m.Name, grown)
		moveBy(&m.Value, grown)
	}
	next.Value = &o
	return &next
}

func moveBy(v *hujson.Value, n int) {
	v.StartOffset += n
	v.EndOffset += n
}
