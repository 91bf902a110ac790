package clientconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// work is one config file while a plan for it is made: the content, changed step by
// step, and what will have to be remembered.
type work struct {
	client  *Client
	file    string
	program program
	running bool // the client is, and would overwrite the file
	before  content
	first   document // of that
	text    string
	doc     document
	was     *record // what was remembered, settled
	rec     *record
	touched []string // names of entries that were added, changed or taken out
	// covered are those of touched that were another's, with the fields that are ours now.
	covered map[string][]string
	changes []Change
	steps   []stepChange
	cut     *step // the last write, if it was cut off
}

// open reads and parses a config file.
func (e *Editor) open(c *Client, file string, rec *record) (*work, error) {
	before, err := readFile(file)
	if err != nil {
		return nil, err
	}
	doc, err := parse(c, before.data)
	if err != nil {
		return nil, malformed(c, file, err)
	}
	w := &work{client: c, file: file, program: e.program, running: e.Running(c.ID), before: before, first: doc,
		text: string(before.data), doc: doc, rec: rec, covered: map[string][]string{}}
	w.settle()
	return w, nil
}

// start opens a config file for a plan, with what is remembered now.
func (e *Editor) start(c *Client, file string) (*work, *state, error) {
	s, err := e.loadState()
	if err != nil {
		return nil, nil, err
	}
	w, err := e.open(c, file, s.file(file))
	return w, s, err
}

// blank reports a file that is there and has nothing in it, which may be all that is
// left of what it was.
func (w *work) blank() bool {
	return w.before.exists() && strings.TrimSpace(strings.TrimPrefix(w.text, byteOrderMark)) == ""
}

// verdict is how an entry stands.
type verdict struct {
	name  string
	state State
	why   string
	want  shape
	now   any // the entry as it is; nil: there is none
	known *owned
}

func (w *work) shape(e Entry, name string) shape {
	return shapeOf(w.client, e, name, w.program, len(w.doc.path()) > len(w.client.Servers))
}

// verdict finds the entry of a profile and judges it.
func (w *work) verdict(e Entry) verdict {
	v := verdict{name: e.Name, known: w.rec.Entries[e.Profile]}
	refused := v.known != nil && v.known.Refused
	if refused {
		v.known = nil
	}
	e.Bridge = e.Bridge || v.known != nil && v.known.Bridge
	if v.name == "" {
		v.name = e.Profile
		if v.known != nil {
			v.name = v.known.Name
		}
	}
	servers := w.doc.servers()
	v.want = w.shape(e, v.name)
	v.now = servers[v.name]
	if v.now == nil && e.Name == "" {
		w.adopt(e, &v)
	}
	if _, there := servers[v.name]; there {
		w.judge(e, &v)
		return v
	}
	v.state = Missing
	if refused || v.known != nil && !v.known.Pending {
		v.why = "it was taken out; mcpauth-tray clients write " + w.client.ID + " adds it again"
	}
	return v
}

// adopt takes an entry that points where ours should for ours, whatever its name.
func (w *work) adopt(e Entry, v *verdict) {
	servers := w.doc.servers()
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		if linkOf(servers[name]) == linkOf(plain(v.want.own)) && w.rec.profileOf(name) == "" {
			v.name, v.now, v.want = name, servers[name], w.shape(e, name)
			return
		}
	}
}

// judge says whose an entry is that has the name. What the client or its person did to
// an entry that still points where it should is left alone.
func (w *work) judge(e Entry, v *verdict) {
	link, part, want := linkOf(v.now), canonical(ownPart(v.now, v.want)), plain(v.want.own)
	right := link == linkOf(want)
	edited := v.known != nil && hash(part) != v.known.Hash
	switch {
	case right && (edited || part == canonical(want)):
		v.state = Current
	case right, v.known != nil && link == v.known.Link, w.program.runs(v.now, e.Profile):
		v.state = Outdated
	case v.known != nil:
		v.state, v.why = Foreign, "somebody pointed it elsewhere"
	default:
		v.state, v.why = Foreign, "it is not from this app"
	}
}

// edit carries an edit out and reads the result.
func (w *work) edit(e edit, err error) error {
	if err != nil {
		return malformed(w.client, w.file, err)
	}
	text := e.apply(w.text)
	doc, err := w.doc.after(e, text)
	if err != nil {
		return w.broken(err)
	}
	w.text, w.doc = text, doc
	return nil
}

// broken is a file that cannot be edited although it can be read.
func (w *work) broken(err error) error {
	return &Error{Summary: fmt.Sprintf("%s is written in a way that this app cannot edit (%v); it was left as it is", w.file, err),
		Hint: "paste what mcpauth-tray clients snippet " + w.client.ID + " PROFILE prints", Err: ErrUnreadable}
}

// asJSON is an entry, for undo; nil when there is none.
func (w *work) asJSON(name string) json.RawMessage {
	now, ok := w.doc.servers()[name]
	if !ok {
		return nil
	}
	return json.RawMessage(canonical(now))
}

func (w *work) touch(c Change, was json.RawMessage) {
	w.touched = append(w.touched, c.Name)
	w.steps = append(w.steps, stepChange{Profile: c.Profile, Name: c.Name, Was: was, Whole: c.Action == Replace})
}

// add puts a new entry in.
func (w *work) add(profile, name string, value object) error {
	e, gap, made, err := w.doc.add(name, value)
	if err := w.edit(e, err); err != nil {
		return err
	}
	w.rec.Made = w.rec.Made || made
	w.rec.Entries[profile] = &owned{Name: name, Gap: gap}
	return nil
}

// remove takes an entry out.
func (w *work) remove(name, gap string) error {
	e, err := w.doc.remove(name, gap, w.rec.Made)
	if err := w.edit(e, err); err != nil {
		return err
	}
	if w.doc.servers() == nil {
		w.rec.Made = false
	}
	return nil
}

// update puts the part of an entry right that is ours.
func (w *work) update(name string, want shape) error {
	return w.refit(name, want.own, linkKeys)
}

// refit gives an entry those fields, and takes the others of some keys out of it. The rest
// of it stays.
func (w *work) refit(name string, fields object, keys []string) error {
	ours := slices.Clone(keys)
	for _, f := range fields {
		ours = append(ours, f.key)
	}
	rest := func() string {
		m, _ := w.doc.servers()[name].(map[string]any)
		m = maps.Clone(m)
		maps.DeleteFunc(m, func(key string, _ any) bool { return slices.Contains(ours, key) })
		return canonical(m)
	}
	before := rest()
	if err := w.fit(name, fields, keys); err != nil {
		return err
	}
	if rest() != before {
		return w.broken(fmt.Errorf("more than our part of the entry %q would change", name))
	}
	return nil
}

func (w *work) fit(name string, fields object, keys []string) error {
	for _, f := range fields {
		if canonical(w.field(name, f.key)) == canonical(plain(f.value)) {
			continue
		}
		if err := w.edit(w.doc.set(name, f.key, f.value)); err != nil {
			return err
		}
	}
	for _, key := range keys {
		wanted := slices.ContainsFunc(fields, func(f field) bool { return f.key == key })
		if wanted || w.field(name, key) == nil {
			continue
		}
		if err := w.edit(w.doc.unset(name, key)); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) field(name, key string) any {
	m, _ := w.doc.servers()[name].(map[string]any)
	return m[key]
}

// remember notes that the entry of that name is ours as it is now.
func (w *work) remember(profile, name string, want shape) *owned {
	o := w.rec.Entries[profile]
	if o == nil || o.Refused {
		o = &owned{}
		w.rec.Entries[profile] = o
	}
	now := w.doc.servers()[name]
	o.Name, o.Link, o.Pending = name, linkOf(now), false
	if part := canonical(ownPart(now, want)); o.Hash == "" || part == canonical(plain(want.own)) {
		o.Hash = hash(part)
	}
	return o
}

// right requires that the part of an entry that is ours is there as it should be.
func (w *work) right(name string, want shape) error {
	if canonical(ownPart(w.doc.servers()[name], want)) != canonical(plain(want.own)) {
		return w.broken(fmt.Errorf("the entry %q would not be as it should", name))
	}
	return nil
}

// fromJSON reads an entry that was kept for undo.
func fromJSON(raw json.RawMessage) (object, error) {
	var o object
	err := yaml.NewDecoder(bytes.NewReader(raw)).Decode(&o)
	return o, err
}

// verify reads the new content whole, as a client will, and requires that the servers are
// those it was made with and that nothing but the entries touched differs from the file
// as it was.
func (w *work) verify() error {
	doc, err := parse(w.client, []byte(w.text))
	if err != nil {
		return w.broken(err)
	}
	if !same(doc.servers(), w.doc.servers()) || !sameBut(w.touched, doc.path(), w.first.all(), doc.all()) {
		return w.broken(fmt.Errorf("more than our entry would change"))
	}
	w.doc = doc
	return nil
}
