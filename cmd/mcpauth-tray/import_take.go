package main

import (
	"maps"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

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
	for name := range u.Query() {
		if secretHeader.MatchString(name) {
			return name
		}
	}
	return ""
}

var queryValue = regexp.MustCompile(`([?&;][^=&;#]*=)([^&;#]*)`)

// shown is the draft as it may be seen: without the values in a query that has a secret.
func (t *translation) shown() profile.Draft {
	if t.secretInQuery() == "" {
		return t.draft
	}
	d := maps.Clone(t.draft)
	d["target"] = queryValue.ReplaceAllString(t.target(), "${1}***")
	return d
}
