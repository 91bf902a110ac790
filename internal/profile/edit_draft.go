package profile

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Draft is a profile to be written: keys as in profiles.yaml, those further in as in
// "sign_in.client_id", with their values: a string, bool, int, []string or
// map[string]string. It holds no secrets, only the files they are in.
type Draft map[string]any

// Text is the draft as it would stand in a profiles file.
func (d Draft) Text(name string) (string, error) {
	block, err := d.block(name, 2, 2)
	return "profiles:\n" + block, err
}

// Later reports whether profiles.yaml will have a key, or that value of it, but this
// version has not, and what to use instead.
func Later(key string, value any) (instead string, later bool) {
	o := table().byName["profiles"].kind.(profiles).of
	for _, name := range strings.Split(key, ".") {
		k := o.byName[name]
		if k == nil {
			return "", false
		}
		if k.later != "" {
			return k.later, true
		}
		switch kind := k.kind.(type) {
		case *object:
			o = kind
		case enum:
			word, _ := value.(string)
			instead, later = kind.later[word]
			return instead, later
		}
	}
	return "", false
}

// block is the draft as lines of a file, its name indented by indent and each level by
// step more.
func (d Draft) block(name string, indent, step int) (string, error) {
	left := maps.Clone(d)
	keys, err := left.take(table().byName["profiles"].kind.(profiles).of, "")
	if err != nil {
		return "", err
	}
	if len(left) > 0 {
		return "", fmt.Errorf("profiles.yaml has no key %s", slices.Sorted(maps.Keys(left))[0])
	}
	whole := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar(name), keys}}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(step)
	if err := encoder.Encode(whole); err != nil {
		return "", err
	}
	if err := encoder.Close(); err != nil {
		return "", err
	}
	margin := strings.Repeat(" ", indent)
	return margin + strings.ReplaceAll(strings.TrimSuffix(out.String(), "\n"), "\n", "\n"+margin) + "\n", nil
}

// take moves the keys of a block, in the order of the table, into a node.
func (d Draft) take(o *object, prefix string) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := range o.keys {
		k := &o.keys[i]
		path := prefix + k.name
		var value *yaml.Node
		var err error
		if inner, ok := k.kind.(*object); ok {
			value, err = d.take(inner, path+".")
			if err == nil && len(value.Content) == 0 {
				continue
			}
		} else if v, ok := d[path]; ok {
			value, err = written(path, v)
			delete(d, path)
		} else {
			continue
		}
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, scalar(k.name), value)
	}
	return n, nil
}

func written(key string, v any) (*yaml.Node, error) {
	switch v := v.(type) {
	case string:
		return scalar(v), nil
	case bool, int:
		n := new(yaml.Node)
		return n, n.Encode(v)
	case []string:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, item := range v {
			n.Content = append(n.Content, scalar(item))
		}
		return n, nil
	case map[string]string:
		n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, scalar(name), scalar(v[name]))
		}
		return n, nil
	}
	return nil, fmt.Errorf("%s cannot be a %T", key, v)
}

// scalar is a text, in quotes where it would be taken for something else.
func scalar(s string) *yaml.Node {
	n := new(yaml.Node)
	n.SetString(s)
	return n
}
