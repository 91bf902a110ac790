package sandbox

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// Faults say how the sandbox misbehaves. The zero value behaves well. Sandbox.Set
// changes them while it runs; Switches are ready-made ones.
type Faults struct {
	Decline    string        // the authorization endpoint redirects back with this error
	Twice      []string      // parameters sent twice in the authorization response
	Subject    string        // another person signs in
	Grant      []string      // scopes granted, whatever was asked for
	TokenTTL   time.Duration // instead of Options.TokenTTL
	AlgNone    bool          // ID tokens are unsigned
	ForeignKey bool          // ID tokens are signed with a key that is not published

	Challenges []string    // WWW-Authenticate values of the MCP server's 401; empty and not nil: no header
	NeedScope  string      // scope the MCP server demands: 403 insufficient_scope without it
	Header     http.Header // added to each answer of the MCP server
	Reflect    bool        // answers of the MCP server carry the request's Authorization in X-Reflected
	Stream     *Stream     // what the MCP endpoint answers instead of MCP
	GetStream  *Stream     // what its GET stream is instead
	NoStream   bool        // GET on the MCP endpoint answers 405
	Endpoint   string      // data of the legacy endpoint event; {id} stands for the session; default /message?sessionId={id}

	answers map[Kind]Answer
	paths   map[string]Answer
	fields  map[Kind]fields
	params  map[string]string // of the authorization response
}

// Absent as a value in Field or Param removes the member.
const Absent = "\x00absent"

// fields are members of a JSON object: name → new value as JSON text, or Absent.
type fields map[string]string

// Set changes the faults; requests that begin later see the change.
func (s *Sandbox) Set(change func(*Faults)) {
	s.setting.Lock()
	defer s.setting.Unlock()
	f := s.faults.Load().clone()
	change(f)
	s.faults.Store(f)
}

// Behave takes every fault back.
func (s *Sandbox) Behave() { s.Set(func(f *Faults) { *f = Faults{} }) }

// Answer makes an endpoint answer a.
func (f *Faults) Answer(k Kind, a Answer) {
	if f.answers == nil {
		f.answers = map[Kind]Answer{}
	}
	f.answers[k] = a.counted()
}

// Path makes one path answer a. It goes before Answer.
func (f *Faults) Path(path string, a Answer) {
	if f.paths == nil {
		f.paths = map[string]Answer{}
	}
	f.paths[path] = a.counted()
}

// Missing makes paths answer 404.
func (f *Faults) Missing(paths ...string) {
	for _, p := range paths {
		f.Path(p, Status(http.StatusNotFound))
	}
}

// Field changes a member of the JSON documents of an endpoint: value is its new
// value in JSON, or Absent.
func (f *Faults) Field(k Kind, name, value string) {
	if f.fields == nil {
		f.fields = map[Kind]fields{}
	}
	if f.fields[k] == nil {
		f.fields[k] = fields{}
	}
	f.fields[k][name] = value
}

// Param changes a parameter of the authorization response, or removes it with Absent.
func (f *Faults) Param(name, value string) {
	if f.params == nil {
		f.params = map[string]string{}
	}
	f.params[name] = value
}

func (f *Faults) clone() *Faults {
	c := *f
	c.answers, c.paths, c.params = maps.Clone(f.answers), maps.Clone(f.paths), maps.Clone(f.params)
	c.fields = maps.Clone(f.fields)
	for k, v := range c.fields {
		c.fields[k] = maps.Clone(v)
	}
	c.Twice, c.Grant, c.Challenges = slices.Clone(f.Twice), slices.Clone(f.Grant), slices.Clone(f.Challenges)
	c.Header = f.Header.Clone()
	return &c
}
