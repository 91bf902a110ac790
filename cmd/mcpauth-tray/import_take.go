package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// takeAll makes profiles of translations. Those that cannot be one are handed to wrong
// and left out.
func (f *profilesFile) takeAll(said io.Writer, all []*translation, asked string, wrong func(*translation, error) error) ([]*translation, error) {
	var taken []*translation
	for _, t := range all {
		err := f.take(t, asked)
		if bad := (*profile.DraftError)(nil); errors.As(err, &bad) {
			why := t.startsServer()
			if why == nil {
				t.sayRemarks(said)
				why = bad
			}
			if err := wrong(t, why); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		taken = append(taken, t)
	}
	return taken, nil
}

// startsServer is why there is no target where a configuration starts a program for that.
func (t *translation) startsServer() error {
	i := slices.IndexFunc(t.remarks, func(r remark) bool {
		o := t.system.find(r.option)
		return o != nil && o.key == "spawn.command"
	})
	if t.target() != "" || i < 0 {
		return nil
	}
	return errors.New(t.remarks[i].option + ": " + t.remarks[i].text)
}

// take decides which profile a translation becomes: one that says the same already, or a
// new one. A name that nobody asked for avoids those that are taken.
func (f *profilesFile) take(t *translation, asked string) error {
	t.end()
	if there, err := f.same(t, asked); err != nil || there {
		return err
	}
	name := asked
	if name == "" {
		name = t.ownName()
	}
	asks := asked != "" || t.system.name == thv().name && t.name != "" // with its SERVER_NAME
	base := name
	for i := 2; !asks && f.has(name); i++ {
		name = fmt.Sprintf("%s-%d", strings.TrimRight(base[:min(len(base), 21)], "-"), i)
	}
	t.nameFiles(name)
	t.profile = name
	if err := f.insert(name, t.draft); err != nil {
		return err
	}
	for _, h := range t.secrets {
		f.hide(t.file(h), h.value)
	}
	return nil
}

// same finds a profile that reaches the server as the translation does, of the name asked
// for if there is one. What a profile says of this computer's side does not count.
func (f *profilesFile) same(t *translation, asked string) (bool, error) {
	config, err := profile.Parse(f.Profiles, f.text)
	if err != nil {
		return false, nil // which insert will explain
	}
	for _, p := range config.Profiles {
		if p.Target != t.target() || asked != "" && asked != p.Name || !p.Enabled {
			continue
		}
		t.nameFiles(p.Name)
		alone, err := profile.Insert(f.Profiles, []byte("version: 1\nprofiles: {}\n"), p.Name, t.draft)
		if err != nil {
			return false, nil
		}
		wanted, err := profile.Parse(f.Profiles, alone.Text)
		if err != nil {
			return false, err
		}
		if q := wanted.Profiles[0]; reflect.DeepEqual(way(p), way(q)) && f.holds(t) {
			t.profile, t.there = p.Name, true
			return true, nil
		}
		if len(t.entries) > 0 && len(t.missing) > 0 && p.Name == t.ownName() { // a person put in what was missing
			t.profile, t.there, t.completed, t.missing = p.Name, true, true, nil
			return true, nil
		}
	}
	return false, nil
}

// way is what a profile says of the way to the server.
func way(p profile.Profile) []any {
	return []any{p.Target, p.SignIn, p.Headers, p.TLS, p.Proxy}
}

// holds reports that the secrets of a translation are what is in their files already, or
// is going to be.
func (f *profilesFile) holds(t *translation) bool {
	for _, h := range t.secrets {
		name := t.file(h)
		value, planned := f.beside[name]
		if !planned {
			value, _ = readSecretFile(filepath.Join(filepath.Dir(f.Profiles), name))
		}
		if value != h.value {
			return false
		}
	}
	return true
}

// secretInQuery is the name of a parameter of the target that looks like a secret.
func (t *translation) secretInQuery() string {
	u, err := url.Parse(t.target())
	if err != nil {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(u.Query())) {
		if profile.SecretName(name) {
			return name
		}
	}
	return ""
}

var queryValue = lazily(`([?&;][^=&;#]*=)([^&;#]*)`)

// shown is the draft as it may be seen: without the values in a query that has a secret.
func (t *translation) shown() profile.Draft {
	if t.secretInQuery() == "" {
		return t.draft
	}
	d := maps.Clone(t.draft)
	d["target"] = queryValue().ReplaceAllString(t.target(), "${1}***")
	return d
}
