package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tailscale/hujson"
)

// parseEntries finds the known programs in a client's configuration. others names entries
// that start something else.
func parseEntries(data []byte) (all []*translation, others []leftOut, err error) {
	tree, err := hujson.Parse(data)
	if err != nil {
		return nil, nil, fmt.Errorf("it looks like JSON, but is none: %s", jsonProblem(err))
	}
	if name := twice(&tree); name != "" {
		return nil, nil, fmt.Errorf("%q is there twice in one place of it, and programs differ about which counts; remove one", name)
	}
	tree.Standardize()
	var doc any
	if err := json.Unmarshal(tree.Pack(), &doc); err != nil {
		return nil, nil, errors.New("it looks like JSON, but is none")
	}
	walkEntries("", doc, func(name string, entry map[string]any) {
		t, err := translateEntry(name, entry)
		if err != nil {
			others = append(others, leftOut{name, err.Error()})
			return
		}
		all = append(all, t)
	})
	if len(all) == 0 && len(others) == 1 {
		return nil, nil, fmt.Errorf("%w: %s", errNothingKnown, others[0].why)
	}
	if len(all) == 0 {
		return nil, nil, fmt.Errorf("%w: no entry has the URL of a remote server or starts a program that is known; those are %s", errNothingKnown, knownPrograms())
	}
	return all, others, nil
}

var jsonPlace = lazily(`line \d+, column \d+`)

// jsonProblem says where JSON is wrong, and not what is there.
func jsonProblem(err error) string {
	if place := jsonPlace().FindString(err.Error()); place != "" {
		return "see " + place
	}
	return "it ends too early"
}

// twice finds a key that an object has twice.
func twice(tree *hujson.Value) (name string) {
	for v := range tree.All() {
		o, _ := v.Value.(*hujson.Object)
		if o == nil {
			continue
		}
		seen := map[string]bool{}
		for _, m := range o.Members {
			key := m.Name.Value.(hujson.Literal).String()
			if seen[key] {
				return printable(key)
			}
			seen[key] = true
		}
	}
	return ""
}

// walkEntries calls found for each object that says how a server is reached.
func walkEntries(name string, v any, found func(name string, entry map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			walkEntries(name, item, found)
		}
	case map[string]any:
		if v["command"] != nil && len(entryCommand(v)) > 0 || entryURL(v) != "" {
			found(name, v)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			walkEntries(key, v[key], found)
		}
	}
}

// jsonTexts is a text or a list of them; Zed's command is an object of both.
func jsonTexts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				all = append(all, s)
			}
		}
		return all
	case map[string]any:
		return append(jsonTexts(v["path"]), jsonTexts(v["args"])...)
	}
	return nil
}
