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
func parseEntries(data []byte) (all []*translation, others []string, err error) {
	data, err = hujson.Standardize(data)
	if err != nil {
		return nil, nil, errors.New("it looks like JSON, but is none")
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, nil, errors.New("it looks like JSON, but is none")
	}
	walkEntries("", doc, func(name string, fields []string, env map[string]string) {
		t, err := translateCommand(fields, env)
		if err != nil {
			others = append(others, name)
			return
		}
		t.name = slug(name)
		all = append(all, t)
	})
	if len(all) == 0 {
		return nil, nil, fmt.Errorf("%w: no entry starts a program that is known; those are %s", errNothingKnown, knownPrograms())
	}
	return all, others, nil
}

// walkEntries calls found for each object that starts a program.
func walkEntries(name string, v any, found func(name string, fields []string, env map[string]string)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			walkEntries(name, item, found)
		}
	case map[string]any:
		if fields := append(jsonTexts(v["command"]), jsonTexts(v["args"])...); v["command"] != nil && len(fields) > 0 {
			env := map[string]string{}
			for _, key := range []string{"env", "environment"} {
				in, _ := v[key].(map[string]any)
				for name, value := range in {
					env[name], _ = value.(string)
				}
			}
			found(name, fields, env)
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
