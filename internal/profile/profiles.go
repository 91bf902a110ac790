package profile

import (
	"reflect"

	"go.yaml.in/yaml/v3"
)

const maxProfiles = 500

// profiles is the block of all profiles: free names, each with the same keys.
type profiles struct{ of *object }

func (k profiles) decode(w *walker, n *yaml.Node, v reflect.Value, f *found) bool {
	if isNull(n) {
		return true
	}
	if n.Kind != yaml.MappingNode {
		w.mustBe(n, "a block of names, each with its own keys")
		return false
	}
	if count := len(n.Content) / 2; count > maxProfiles {
		w.fail(n.Content[2*maxProfiles], "has %d entries, but at most %d are possible", count, maxProfiles)
		return false
	}
	path := w.path
	defer func() { w.path = path }()
	w.path = nil // a profile's name says it all
	list := make([]Profile, 0, len(n.Content)/2)
	f.inner = make(map[string]*found, cap(list))
	for name, value := range w.pairs(n, "profile") {
		in := &found{key: name, value: value}
		f.inner[name.Value] = in
		if !profileName.MatchString(name.Value) {
			w.failIn(name, "a profile's name must start with a lower-case letter and have only lower-case letters, digits and dashes, at most 24")
		}
		var p Profile
		if harmless.MatchString(name.Value) {
			w.profile = name.Value
		}
		in.ok = k.of.decode(w, value, reflect.ValueOf(&p).Elem(), in)
		w.profile = ""
		p.Name = name.Value
		list = append(list, p)
	}
	v.Set(reflect.ValueOf(list))
	return true
}

func (k profiles) schema() schema {
	return schema{
		"type":                 []string{"object", "null"},
		"propertyNames":        schema{"pattern": profileName.String()},
		"additionalProperties": k.of.schema(),
		"maxProperties":        maxProfiles,
	}
}

// version is the number 1.
type version struct{}

const thisVersion = 1

func (version) decode(w *walker, n *yaml.Node, v reflect.Value, _ *found) bool {
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int":
		w.mustBe(n, "the number 1")
		return false
	case n.Value != "1":
		w.fail(n, "%s is not known to this program (it reads version 1)", n.Value)
		return false
	}
	return true
}

func (version) schema() schema { return schema{"const": thisVersion} }
