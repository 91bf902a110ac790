package profile

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A kind says what may stand at a key: the one description that reading the file
// and the JSON Schema share.
type kind interface {
	// decode reads n into v and reports whether it could; if not, it has complained.
	// f is n's own place, to be filled in by kinds that hold others.
	decode(w *walker, n *yaml.Node, v reflect.Value, f *found) bool
	schema() schema
}

// schema is one JSON Schema (draft-07).
type schema map[string]any

// boolean is true or false; YAML 1.1's yes and on are text.
type boolean struct{}

func (boolean) decode(w *walker, n *yaml.Node, v reflect.Value, _ *found) bool {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
		w.mustBe(n, "true or false")
		return false
	}
	v.SetBool(strings.EqualFold(n.Value, "true"))
	return true
}

func (boolean) schema() schema { return schema{"type": "boolean"} }

// number is a whole number of plain decimal digits.
type number struct{ min, max int }

func (k number) decode(w *walker, n *yaml.Node, v reflect.Value, _ *found) bool {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
		w.mustBe(n, "a whole number")
		return false
	}
	i, err := strconv.Atoi(n.Value)
	if err != nil || strconv.Itoa(i) != n.Value || i < k.min || i > k.max {
		w.fail(n, "must be a whole number from %d to %d", k.min, k.max)
		return false
	}
	v.SetInt(int64(i))
	return true
}

func (k number) schema() schema {
	return schema{"type": "integer", "minimum": k.min, "maximum": k.max}
}

// duration is a Go duration: 30s, 5m, 1h30m.
type duration struct{ min, max time.Duration }

func (k duration) decode(w *walker, n *yaml.Node, v reflect.Value, _ *found) bool {
	d, err := time.ParseDuration(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || isNull(n):
		w.mustBe(n, "a duration such as 30s or 5m")
		return false
	case n.ShortTag() != "!!str" || err != nil:
		w.fail(n, "must be a duration such as 30s or 5m (a number with its unit)")
		return false
	case d < k.min || d > k.max:
		w.fail(n, "must be from %s to %s", short(k.min), short(k.max))
		return false
	}
	v.SetInt(int64(d))
	return true
}

func (duration) schema() schema {
	return schema{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
}

// short is d without the zero units that Duration.String ends in.
func short(d time.Duration) string {
	s := strings.TrimSuffix(d.String(), "m0s")
	if s != d.String() {
		s += "m"
	}
	if h, ok := strings.CutSuffix(s, "h0m"); ok {
		s = h + "h"
	}
	return s
}

// enum is one of a few words. later holds words of the contract whose feature does
// not exist yet, each with what to use instead.
type enum struct {
	words []string
	later map[string]string
}

func (k enum) decode(w *walker, n *yaml.Node, v reflect.Value, _ *found) bool {
	s, ok := str(w, n, "one of "+either(k.words))
	if !ok {
		return false
	}
	if slices.Contains(k.words, s) {
		v.SetString(s)
		return true
	}
	if instead, ok := k.later[s]; ok {
		w.fail(n, "%s is not supported yet (%s)", s, instead)
		return false
	}
	near := nearest(s, k.words)
	if near != "" {
		near = " (did you mean " + strconv.Quote(near) + "?)"
	}
	if harmless.MatchString(s) {
		s = ", not " + strconv.Quote(s)
	} else {
		s = ""
	}
	w.fail(n, "must be %s%s%s", either(k.words), s, near)
	return false
}

func (k enum) schema() schema { return schema{"enum": k.words} }

// either is "a", "a or b", "a, b or c".
func either(words []string) string {
	last := len(words) - 1
	if last <= 0 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// text is free text that matches a pattern and, if set, passes a check.
type text struct {
	like    string // what it is, after "must be"; empty: any text
	pattern *pattern
	shape   string                // the pattern of the JSON Schema where check alone decides
	check   func(s string) string // what is wrong beyond the pattern, "" for nothing
	expand  func(w *walker, s string) (string, error)
	instead string              // not empty: an inline secret, and what to use instead
	secret  func(s string) bool // whether it is one; nil: always
}

func (k text) decode(w *walker, n *yaml.Node, v reflect.Value, _ *found) bool {
	s, ok := str(w, n, cmp.Or(k.like, aText))
	if !ok {
		return false
	}
	if k.pattern != nil && !k.pattern.MatchString(s) {
		w.fail(n, "must be %s", k.like)
		return false
	}
	if k.check != nil {
		if wrong := k.check(s); wrong != "" {
			w.fail(n, "%s", wrong)
			return false
		}
	}
	if k.expand != nil {
		whole, err := k.expand(w, s)
		if err != nil {
			w.fail(n, "%s", err)
			return false
		}
		s = whole
	}
	if k.instead != "" && (k.secret == nil || k.secret(s)) {
		w.secret(n, k.instead)
	}
	v.SetString(s)
	return true
}

func (k text) schema() schema {
	s := schema{"type": "string", "minLength": 1}
	if k.pattern != nil {
		s["pattern"] = k.pattern.String()
	} else if k.shape != "" {
		s["pattern"] = k.shape
	}
	return s
}

var variable = lazily(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// str is the text of n; it complains when there is none or when it hopes for a variable.
func str(w *walker, n *yaml.Node, wanted string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		w.mustBe(n, wanted)
	case n.Value == "":
		w.fail(n, "is empty (give it a value or remove the line)")
	case variable.MatchString(n.Value):
		w.fail(n, "has a ${…} in it, but variables are not filled in here (secrets have keys ending in _env and _file)")
	default:
		return n.Value, true
	}
	return "", false
}

// list is a list of texts, each there once.
type list struct{ of kind }

func (k list) decode(w *walker, n *yaml.Node, v reflect.Value, _ *found) bool {
	if n.Kind != yaml.SequenceNode {
		w.mustBe(n, "a list such as [a, b]")
		return false
	}
	ok := true
	items := make([]string, len(n.Content))
	lines := make(map[string]int, len(items))
	for i, item := range n.Content {
		if !k.of.decode(w, item, reflect.ValueOf(&items[i]).Elem(), nil) {
			ok = false
			continue
		}
		if first := lines[items[i]]; first > 0 {
			w.fail(item, "has this value twice, first on line %d", first)
			ok = false
		}
		lines[items[i]] = item.Line
	}
	v.Set(reflect.ValueOf(items))
	return ok
}

func (k list) schema() schema {
	return schema{"type": "array", "items": k.of.schema(), "uniqueItems": true}
}

// dict is a block whose keys are free: names to texts.
type dict struct {
	what    string                   // what a key is: header, parameter
	pattern *pattern                 // of a key
	refuse  func(name string) string // what is wrong with a key, "" for nothing
	of      func(name string) kind
}

func (k dict) decode(w *walker, n *yaml.Node, v reflect.Value, f *found) bool {
	if isNull(n) {
		return true
	}
	if n.Kind != yaml.MappingNode {
		w.mustBe(n, "a block such as {name: value}")
		return false
	}
	ok := true
	all := make(map[string]string, len(n.Content)/2)
	f.inner = make(map[string]*found, len(n.Content)/2)
	for key, value := range w.pairs(n, k.what) {
		f.inner[key.Value] = &found{key: key, value: value}
		if !k.pattern.MatchString(key.Value) {
			w.failIn(key, "this is not the name of a %s", k.what)
			ok = false
			continue
		}
		if wrong := k.refuse(key.Value); wrong != "" {
			w.failIn(key, "%s %s", key.Value, wrong)
			ok = false
			continue
		}
		var s string
		w.under(key.Value, func() {
			ok = k.of(key.Value).decode(w, value, reflect.ValueOf(&s).Elem(), nil) && ok
		})
		all[key.Value] = s
	}
	v.Set(reflect.ValueOf(all))
	return ok
}

func (k dict) schema() schema {
	return schema{
		"type":                 []string{"object", "null"},
		"propertyNames":        schema{"pattern": k.pattern.String()},
		"additionalProperties": k.of("").schema(),
	}
}
