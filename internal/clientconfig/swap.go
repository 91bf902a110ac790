package clientconfig

import (
	"slices"
)

// Server is one server in a client's config, whoever's it is.
type Server struct {
	Client  *Client
	File    string
	Name    string
	Profile string         // whose entry it is; empty when it is not ours
	Entry   map[string]any // as it stands there; it may hold secrets
	Mark    string         // for Entry.Over
	Err     error          // why this app cannot change the entry
}

// Servers reads the servers in the configs of a client, in the order of their names.
func (e *Editor) Servers(id string) ([]Server, error) {
	c, s, err := e.recall(id)
	if err != nil {
		return nil, err
	}
	files, err := e.system.files(c)
	if err != nil {
		return nil, err
	}
	var found []Server
	for _, file := range files {
		w, err := e.open(c, file, s.file(file))
		if err != nil {
			return nil, err
		}
		found = append(found, w.servers()...)
	}
	return found, nil
}

func (w *work) servers() (found []Server) {
	all := w.doc.servers()
	names := make([]string, 0, len(all))
	for name, entry := range all {
		if _, ok := entry.(map[string]any); ok && printable(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		entry := all[name].(map[string]any)
		found = append(found, Server{Client: w.client, File: w.file, Name: name, Profile: w.ownerOf(name), Entry: entry,
			Mark: markOf(entry), Err: w.unchangeable(name)})
	}
	return found
}

func (w *work) unchangeable(name string) error {
	if err := w.doc.editable(name); err != nil {
		return w.broken(err)
	}
	return nil
}

// ownerOf is the profile that an entry belongs to, or starts the bridge of.
func (w *work) ownerOf(name string) string {
	entry := w.doc.servers()[name]
	if profile := w.rec.profileOf(name); profile != "" && linkOf(entry) == w.rec.Entries[profile].Link {
		return profile
	}
	words := commandOf(entry)
	if len(words) > 2 && w.program.runs(entry, words[2]) {
		return words[2]
	}
	return ""
}

func markOf(entry any) string { return hash(canonical(entry)) }

// formerKeys are the fields that are about what an entry starts or points at, in any
// client. They mean nothing, or may be secrets left behind, once that is another server.
var formerKeys = slices.Concat(linkKeys, []string{
	"type", "transport", "cwd", "env", "environment", "envs", "env_keys", "env_vars", "envFile", "env_file",
	"headers", "http_headers", "env_http_headers", "headersHelper", "requestInit", "bearer_token_env_var",
	"oauth", "auth", "authProviderType", "scopes", "oauth_resource",
})

// swap has an entry point at ours instead of what it was for, in its place. What else is
// in it stays as it is.
func (w *work) swap(name string, want shape) error {
	return w.refit(name, slices.Concat(want.own, want.url), formerKeys)
}
