package clientconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// object is a map that keeps the order of its keys. A value is a string, a bool, an
// int, a []any of values, or an object.
type object []field

type field struct {
	key   string
	value any
}

// UnmarshalYAML reads an object of the table, order kept.
func (o *object) UnmarshalYAML(n *yaml.Node) error {
	v, err := fromNode(n)
	if err != nil {
		return err
	}
	fields, ok := v.(object)
	if !ok {
		return fmt.Errorf("line %d: a map is needed", n.Line)
	}
	*o = fields
	return nil
}

func fromNode(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		o := object{}
		for i := 0; i < len(n.Content); i += 2 {
			v, err := fromNode(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			o = append(o, field{n.Content[i].Value, v})
		}
		return o, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			v, err := fromNode(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.ScalarNode:
		var v any
		err := n.Decode(&v)
		return v, err
	}
	return nil, fmt.Errorf("line %d: aliases are not for this table", n.Line)
}

// plain is v as encoding/json would decode it, for comparing.
func plain(v any) any {
	switch v := v.(type) {
	case object:
		m := make(map[string]any, len(v))
		for _, f := range v {
			m[f.key] = plain(f.value)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = plain(item)
		}
		return list
	case int:
		return json.Number(fmt.Sprint(v))
	}
	return v
}

// canonical is one spelling of a decoded value, whatever the order of its keys was.
func canonical(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	return string(data)
}

// layout is how a piece of JSON is written.
type layout struct {
	newline string // empty: everything on one line
	unit    string // one step of indentation
	indent  string // of the line the value begins on
	colon   string // ":" or ": "
	comma   string // "," or ", ", on one line
}

// at is l for a value on a line of that indentation.
func (l layout) at(indent string) layout { l.indent = indent; return l }

// json writes v. Lists stay on one line.
func (l layout) json(v any) string {
	switch v := v.(type) {
	case object:
		return l.object(v)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = l.json(item)
		}
		comma := l.comma
		if l.newline != "" {
			comma = ", "
		}
		return "[" + strings.Join(items, comma) + "]"
	}
	return scalar(v)
}

func (l layout) object(o object) string {
	if len(o) == 0 {
		return "{}"
	}
	inner, members := l.at(l.indent+l.unit), make([]string, len(o))
	for i, f := range o {
		members[i] = inner.member(f.key, f.value)
	}
	if l.newline == "" {
		return "{" + strings.Join(members, l.comma) + "}"
	}
	start := l.newline + inner.indent
	return "{" + start + strings.Join(members, ","+start) + l.newline + l.indent + "}"
}

func (l layout) member(key string, value any) string {
	return scalar(key) + l.colon + l.json(value)
}

// scalar writes a string, number or bool as JSON without escaping for HTML. As such it
// is TOML and YAML too, once the name or value is printable.
func scalar(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // values are of the table or checked names and URLs
	}
	return strings.TrimSuffix(b.String(), "\n")
}
