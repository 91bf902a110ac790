package profile

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// key is one line of the table of everything that may stand in profiles.yaml.
// To support a key: remove later and give its struct a field with its name as tag.
type key struct {
	name   string
	kind   kind
	preset any    // the default, as it is written in the file; nil for none
	doc    string // shown by editors
	later  string // not empty: not supported yet, and what to use instead
	but    *idle  // with later: the one value that asks for nothing and is accepted
	also   string // words that people write for it, separated by spaces
}

// idle is a value that asks for nothing.
type idle struct {
	is     func(*yaml.Node) bool
	schema schema
}

var (
	justFalse = &idle{
		func(n *yaml.Node) bool { return n.ShortTag() == "!!bool" && strings.EqualFold(n.Value, "false") },
		schema{"const": false},
	}
)

// object is a block with known keys.
type object struct {
	home  string // where it is, for people who put a key elsewhere
	keys  []key
	needs map[string]string // key that must be there → what to write
	extra schema            // what the JSON Schema says beyond the keys

	byName map[string]*key
	fields map[string][]int // key → field of the struct
	blank  reflect.Value    // the struct with all defaults
	check  func(w *walker, f *found, v any)
}

// found is where a value stands in the file.
type found struct {
	key, value *yaml.Node
	ok         bool // the value could be read
	inner      map[string]*found
}

// at returns the place of a key further in, nil when it is not in the file.
func (f *found) at(path ...string) *found {
	for _, name := range path {
		if f == nil {
			return nil
		}
		f = f.inner[name]
	}
	return f
}

// fine reports whether a key is absent or could be read, so that its field may be judged.
func (f *found) fine(name string) bool {
	in := f.at(name)
	return in == nil || in.ok
}

// block makes the object that is decoded into a T. check judges keys against each
// other, after all of them were read.
func block[T any](o object, check func(w *walker, f *found, v *T)) *object {
	index(&o)
	var blank T
	v := reflect.ValueOf(&blank).Elem()
	o.fields = fields(v.Type())
	for _, k := range o.keys {
		if k.preset != nil {
			fill(v.FieldByIndex(o.fields[k.name]), k.preset)
		} else if inner, ok := k.kind.(*object); ok && k.later == "" {
			v.FieldByIndex(o.fields[k.name]).Set(inner.blank)
		}
	}
	o.blank = v
	if check != nil {
		o.check = func(w *walker, f *found, v any) { check(w, f, v.(*T)) }
	}
	return &o
}

// later makes an object that is described but not decoded yet.
func later(home string, keys ...key) *object {
	o := object{home: home + ", which is not supported yet", keys: keys}
	index(&o)
	return &o
}

func index(o *object) {
	o.byName = make(map[string]*key, len(o.keys))
	for i := range o.keys {
		o.byName[o.keys[i].name] = &o.keys[i]
	}
}

// fields maps the keys of a struct to its fields, by their tags.
func fields(t reflect.Type) map[string][]int {
	all := map[string][]int{}
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("yaml")
		if tag == "-" {
			continue
		}
		if inner := t.Field(i).Type; inner == reflect.TypeFor[Secret]() {
			for j := range inner.NumField() {
				all[tag+inner.Field(j).Tag.Get("yaml")] = []int{i, j}
			}
			continue
		}
		all[tag] = []int{i}
	}
	return all
}

// fill sets a field to the default that stands in the table.
func fill(v reflect.Value, preset any) {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(preset.(string))
		if err != nil {
			panic(err)
		}
		preset = d
	}
	v.Set(reflect.ValueOf(preset))
}

func (o *object) decode(w *walker, n *yaml.Node, v reflect.Value, f *found) bool {
	v.Set(o.blank)
	if !isNull(n) && n.Kind != yaml.MappingNode {
		w.mustBe(n, aBlock)
		return false
	}
	f.inner = make(map[string]*found, len(n.Content)/2)
	meant := []string{}
	for name, value := range w.pairs(n, "key") {
		k := o.byName[name.Value]
		if k == nil {
			meant = append(meant, w.unknown(name, value, o))
			continue
		}
		in := &found{key: name, value: value}
		f.inner[k.name] = in
		w.under(k.name, func() { in.ok = k.decode(w, value, v, o.fields[k.name], in) })
	}
	for name, write := range o.needs {
		if f.inner[name] == nil && !slices.Contains(meant, name) && !has(n, "<<") {
			w.under(name, func() { w.fail(f.key, "is missing (%s)", write) })
		}
	}
	if o.check != nil {
		o.check(w, f, v.Addr().Interface())
	}
	return true
}

func (k *key) decode(w *walker, n *yaml.Node, v reflect.Value, field []int, in *found) bool {
	if k.later == "" {
		return k.kind.decode(w, n, v.FieldByIndex(field), in)
	}
	if k.but == nil || !k.but.is(n) {
		w.fail(in.key, "is not supported yet (%s)", k.later)
		return false
	}
	return true
}

func (o *object) schema() schema {
	properties := schema{}
	for i := range o.keys {
		properties[o.keys[i].name] = o.keys[i].schema()
	}
	s := schema{
		"type":                 []string{"object", "null"},
		"additionalProperties": false,
		"properties":           properties,
	}
	if len(o.needs) > 0 {
		s["type"], s["required"] = "object", sortedKeys(o.needs)
	}
	for name, value := range o.extra {
		s[name] = value
	}
	return s
}

// schema marks keys and words that are not supported yet in their description, and
// refuses them as reading the file does.
func (k *key) schema() schema {
	s := k.kind.schema()
	doc := k.doc
	if k.preset != nil {
		s["default"] = k.preset
	}
	if e, ok := k.kind.(enum); ok {
		for _, word := range sortedKeys(e.later) {
			doc += fmt.Sprintf("\n\n%s: not supported yet (%s).", word, e.later[word])
		}
	}
	if k.later != "" {
		doc = fmt.Sprintf("Not supported yet (%s).\n\n%s", k.later, doc)
		refuse := schema{"not": schema{}}
		if k.but != nil {
			refuse = k.but.schema
		}
		for name, value := range refuse {
			s[name] = value
		}
	}
	s["description"] = doc
	return s
}
