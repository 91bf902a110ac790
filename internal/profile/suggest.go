package profile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// unknown complains about a key that does not exist in the block o, and returns the
// key of o that was meant, if any.
func (w *walker) unknown(n, value *yaml.Node, o *object) (meant string) {
	if !harmless.MatchString(n.Value) {
		w.failIn(n, "unknown key")
		return ""
	}
	meant, hint := suggest(n.Value, value, o)
	if hint != "" {
		hint = " (" + hint + ")"
	}
	w.failIn(n, "unknown key %q%s", n.Value, hint)
	return meant
}

// suggest says in a few words what was meant, "" when nothing is near; meant is set
// when it is a key of the same block.
func suggest(name string, value *yaml.Node, here *object) (meant, hint string) {
	if here == table() && has(value, "target") {
		return "", "profiles go under \"profiles:\""
	}
	if k := here.called(name); k != "" {
		return k, fmt.Sprintf("did you mean %q?", k)
	}
	for _, o := range objects() {
		if k := o.byName[name]; k != nil && k.later == "" {
			return "", "it belongs " + o.home
		}
	}
	if k := here.nearest(name); k != "" {
		return k, fmt.Sprintf("did you mean %q?", k)
	}
	for _, o := range objects() {
		if k := o.nearest(name); k != "" {
			return "", fmt.Sprintf("did you mean %q, %s?", k, o.home)
		}
	}
	return "", ""
}

func has(n *yaml.Node, name string) bool {
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if n.Content[i].Value == name {
			return true
		}
	}
	return false
}

// called is the key for which people write name, "" for none.
func (o *object) called(name string) string {
	i := slices.IndexFunc(o.keys, func(k key) bool { return slices.Contains(strings.Fields(k.also), name) })
	if i < 0 {
		return ""
	}
	return o.keys[i].name
}

// nearest is the key that name may be meant for, "" when none is near.
func (o *object) nearest(name string) string {
	var words []string
	meant := map[string]string{}
	for _, k := range o.keys {
		for _, word := range append([]string{k.name}, strings.Fields(k.also)...) {
			words = append(words, word)
			meant[word] = k.name
		}
	}
	return meant[nearest(name, words)]
}

// objects lists every block of the table: outer ones first, those that are not
// supported yet last.
var objects = sync.OnceValue(func() []*object {
	list, last := []*object{table()}, []*object{}
	for i := 0; i < len(list); i++ {
		for _, k := range list[i].keys {
			inner, ok := k.kind.(*object)
			if p, is := k.kind.(profiles); is {
				inner, ok = p.of, true
			}
			switch {
			case ok && k.later == "":
				list = append(list, inner)
			case ok:
				last = append(last, inner)
			}
		}
	}
	return append(list, last...)
})

// nearest is the word that differs from name by a typing mistake or two, or only in
// case and dashes; "" when none does.
func nearest(name string, words []string) string {
	if len(name) > 40 {
		return ""
	}
	best, least := "", 1+min(3, max(1, len(name)/3))
	for _, word := range words {
		d := distance(name, word)
		if squash(name) == squash(word) {
			d = 0
		}
		if d < least {
			best, least = word, d
		}
	}
	return best
}

func squash(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
}

// distance counts the letters to insert, drop, replace or swap with their neighbour
// to get from a to b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
