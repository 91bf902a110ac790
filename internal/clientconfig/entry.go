package clientconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Entry is one profile as a client is to see it.
type Entry struct {
	Profile string // what the bridge is called with; one entry of a file belongs to it
	Name    string // how the client calls the server; empty: as before, else like the profile
	URL     string // of the local port; empty when it is not a lasting one: the client gets the bridge
	// Over is the Mark of a server that is not ours, whose place the entry takes under its
	// name, which Name must be. What that one pointed at goes, with its variables, headers
	// and sign-in; what else a person set in it stays.
	Over string
	// Bridge has the client get the bridge although there is a URL, from now on.
	Bridge bool
}

// check refuses what must not stand in a client's config: anything but a profile's name
// and a plain URL of this computer. So no secret can get there.
func (e Entry) check() error {
	bad := func(summary string) error {
		return &Error{Summary: summary, Hint: "check the profile in profiles.yaml", Err: ErrEntry}
	}
	if e.Profile == "" || strings.HasPrefix(e.Profile, "-") || !printable(e.Profile) {
		return bad("a client's entry needs the name of a profile")
	}
	if e.Over != "" && e.Name == "" {
		return bad("an entry that takes another's place needs its name")
	}
	if e.URL == "" {
		return nil
	}
	u, err := url.Parse(e.URL)
	if err != nil || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !loopback(u.Hostname()) {
		return bad("the address of profile " + e.Profile + " is not one of this computer")
	}
	return nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// shape is an entry as it is to stand in a client's config.
type shape struct {
	own   object // ours to keep right
	first object // written once
	url   object // the part of first without which a URL may not work
}

// program is how a client starts our bridge.
type program struct {
	exe  string
	args []string // after "bridge PROFILE"
}

// shapeOf fills the client's template in. nested entries have no field that switches
// them on: they are on without.
func shapeOf(c *Client, e Entry, name string, p program, nested bool) shape {
	template, more, url := c.HTTP, slices.Concat(c.First, c.FirstURL), c.FirstURL
	if e.URL == "" || e.Bridge || c.HTTP == nil || c.Prefer == "stdio" {
		template, more, url = c.Stdio, c.First, nil
	}
	if nested {
		more = slices.DeleteFunc(slices.Clone(more), func(f field) bool { return f.key == "enabled" })
	}
	values := map[string]string{"{{url}}": e.URL, "{{exe}}": p.exe, "{{name}}": name}
	return shape{own: fill(template, values, p.arguments(e.Profile)).(object), first: more, url: url}
}

// fill replaces the placeholders of a template.
func fill(v any, values map[string]string, args []string) any {
	switch v := v.(type) {
	case object:
		filled := object{}
		for _, f := range v {
			filled = append(filled, field{f.key, fill(f.value, values, args)})
		}
		return filled
	case []any:
		list := []any{}
		for _, item := range v {
			if item == "{{args}}" {
				for _, arg := range args {
					list = append(list, arg)
				}
				continue
			}
			list = append(list, fill(item, values, args))
		}
		return list
	case string:
		if value, ok := values[v]; ok {
			return value
		}
	}
	return v
}

// linkKeys are the fields by which an entry points somewhere, in any client.
var linkKeys = []string{"url", "httpUrl", "serverUrl", "uri", "command", "cmd", "args"}

// linkOf says where an entry points, whatever else it holds; "" when nowhere.
func linkOf(entry any) string {
	m, _ := entry.(map[string]any)
	link := map[string]any{}
	for _, key := range linkKeys {
		if v, ok := m[key]; ok {
			link[key] = v
		}
	}
	if len(link) == 0 {
		return ""
	}
	return canonical(link)
}

// ownPart is what of an entry is ours to keep right, given the shape it should have.
func ownPart(entry any, want shape) map[string]any {
	m, _ := entry.(map[string]any)
	part := map[string]any{}
	for _, f := range want.own {
		if v, ok := m[f.key]; ok {
			part[f.key] = v
		}
	}
	for _, key := range linkKeys {
		if v, ok := m[key]; ok {
			part[key] = v
		}
	}
	return part
}

func hash[T string | []byte](data T) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

// runs reports that an entry starts a program named like ours in the way an entry of
// that profile does: it is ours, although nothing is remembered of it.
func (p program) runs(entry any, profile string) bool {
	words := commandOf(entry)
	return len(words) > 0 && base(words[0]) == base(p.exe) && slices.Equal(words[1:], p.arguments(profile))
}

// commandOf is the command line of an entry, nil when it has none.
func commandOf(entry any) (words []string) {
	m, _ := entry.(map[string]any)
	for _, key := range []string{"command", "cmd", "args"} {
		switch v := m[key].(type) {
		case string:
			words = append(words, v)
		case []any:
			for _, item := range v {
				s, _ := item.(string)
				words = append(words, s)
			}
		}
	}
	return words
}

func (p program) arguments(profile string) []string {
	return append([]string{"bridge", profile}, p.args...)
}

// base is the name of a program, wherever the path comes from.
func base(path string) string {
	path = strings.ReplaceAll(path, `\`, "/")
	return strings.TrimSuffix(strings.ToLower(path[strings.LastIndex(path, "/")+1:]), ".exe")
}
