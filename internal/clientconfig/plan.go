package clientconfig

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Task says what is to become of our entries in one client's config.
type Task struct {
	File string  // the one file that this is about; empty: each of the client's
	Set  []Entry // are to be there and right
	Keep []Entry // are to be right where they are there, and are not added
	// Unasked is like Keep, but takes out those that were put in as Asked.
	Unasked []Entry
	Drop    []Entry // are to be taken out
	// Gone names profiles that are no more, whose entries are taken out as well; nil:
	// none are.
	Gone func(profile string) bool
	// Asked is for when the profiles ask for what is in Set, and not a person for the
	// entry itself: it is Unasked once they do not any more.
	Asked bool
	// Anyway writes while the client runs, which may lose what is written.
	Anyway bool
	// Force is Anyway, and replaces entries that are not ours, and fills a file that is
	// empty.
	Force bool
	// Auto is for when no person asked now: what somebody took out stays out, and nothing
	// is written into a folder that is not there yet.
	Auto bool
}

// Action is what a plan does with one entry.
type Action string

const (
	Add     Action = "add"
	Update  Action = "update"  // the part that is ours
	Replace Action = "replace" // an entry that was not ours
	Remove  Action = "remove"
	Keep    Action = "keep"  // it is as it should be
	Leave   Action = "leave" // see Err, or somebody took it out
)

// Change is one entry of a plan.
type Change struct {
	Profile string
	Name    string // of the entry in the client's config
	Action  Action
	Err     error // why what was asked is not done
}

// Plan is what a task does to one config file. It is worked out without writing
// anything, and is carried out by Apply as it was shown or not at all.
type Plan struct {
	Client  *Client
	File    string
	Changes []Change
	Diff    string   // unified; empty when the file stays as it is. Values that are not ours are covered.
	Notes   []string // what a person should know
	Running bool     // the client runs and would overwrite the file: without Force Apply refuses

	again   func() (*Plan, error) // makes the same plan anew
	anyway  bool                  // although the client runs
	before  content
	after   []byte
	gone    bool     // the file is to be deleted
	folders []string // and these, where nothing else is in them
	known   string   // what is remembered, as it was found
	was     *record  // and settled
	rec     *record  // and is to be then
	dirty   bool     // rec differs from what is remembered
	steps   []stepChange
	undoes  bool  // a step, and is none itself
	cut     *step // the last write, if it was cut off, which may have left things lying about
}

// Err is what of the task is not done, nil when all of it is.
func (p *Plan) Err() error {
	var errs []error
	for _, c := range p.Changes {
		errs = append(errs, c.Err)
	}
	return errors.Join(errs...)
}

// String is "add company-tools, remove old", empty when no entry changes.
func (p *Plan) String() string {
	var parts []string
	for _, c := range p.Changes {
		if c.Action != Keep && c.Action != Leave {
			parts = append(parts, string(c.Action)+" "+c.Name)
		}
	}
	return strings.Join(parts, ", ")
}

// Writes reports that the file is going to be changed.
func (p *Plan) Writes() bool { return p.sumAfter() != p.before.sum() }

func (p *Plan) sumAfter() string {
	if p.gone || !p.before.exists() && len(p.after) == 0 {
		return ""
	}
	return hash(string(p.after))
}

// Plan works out what a task does to a client's config, one plan for each file.
func (e *Editor) Plan(id string, t Task) ([]*Plan, error) {
	c, err := writable(id)
	if err != nil {
		return nil, err
	}
	for _, entry := range slices.Concat(t.Set, t.Keep, t.Unasked, t.Drop) {
		if err := entry.check(); err != nil {
			return nil, err
		}
	}
	s, err := e.loadState()
	if err != nil {
		return nil, err
	}
	files, err := e.system.files(c)
	if len(t.Set) == 0 { // there is nothing to be put anywhere
		files, err = keep(files, exists), nil
	}
	if err != nil {
		return nil, err
	}
	var plans []*Plan
	for _, file := range files {
		if t.File != "" && t.File != file {
			continue
		}
		p, err := e.plan(c, file, t)
		if err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	for _, file := range s.othersOf(c.ID, files) {
		switch p, err := e.plan(c, file, s.Files[file].part(t)); {
		case err != nil && len(t.Set) == 0:
			return nil, err
		case err != nil || len(p.Changes) == 0 && !p.dirty: // the client does not need it
		default:
			plans = append(plans, p)
		}
	}
	return plans, nil
}

// part is what of a task is about entries that we have in a file which is not, or not
// any more, the one that the client reads by what we know: they are kept right, and none
// is added.
func (r *record) part(t Task) Task {
	ours := r.owned()
	t.Set = slices.DeleteFunc(slices.Clone(t.Set), func(e Entry) bool { return !slices.Contains(ours, e.Profile) })
	t.Auto = true
	return t
}

// plan works out what a task does to one file.
func (e *Editor) plan(c *Client, file string, t Task) (*Plan, error) {
	s, err := e.loadState()
	if err != nil {
		return nil, err
	}
	w, err := e.open(c, file, s.file(file))
	if err != nil {
		return nil, err
	}
	if w.blank() && !t.Force && len(t.Set) > 0 {
		return nil, &Error{Summary: file + " is empty, which may not be meant so; it was left as it is",
			Hint: "see whether the client lost its settings; --force writes into the empty file", Err: ErrUnreadable}
	}
	w.drop(t)
	for _, entry := range t.Set {
		w.changes = append(w.changes, w.put(entry, t))
	}
	w.keep(t)
	p, err := w.plan()
	if err != nil {
		return nil, err
	}
	p.Running, p.anyway = w.running, t.Force || t.Anyway
	p.known = canonical(s.file(file))
	p.dirty = canonical(p.rec) != p.known && (s.Files[file] != nil || len(p.rec.Entries) > 0)
	p.again = func() (*Plan, error) { return e.plan(c, file, t) }
	return p, nil
}

// plan is the outcome of the work.
func (w *work) plan() (*Plan, error) {
	if w.text != string(w.before.data) {
		if err := w.verify(); err != nil {
			return nil, err
		}
	}
	p := &Plan{Client: w.client, File: w.file, Changes: w.changes, before: w.before, after: []byte(w.text), was: w.was, rec: w.rec, steps: w.steps, cut: w.cut}
	switch {
	case w.before.exists() && w.doc.empty() && len(w.touched) > 0 && (w.rec.Created || w.client.OwnFile):
		p.gone, p.folders = true, w.rec.Folders
		w.rec.Created, w.rec.Made, w.rec.Folders = false, false, nil
	case !w.before.exists() && w.text != "":
		w.rec.Created = true
	case !w.before.exists():
		p.folders, w.rec.Folders = w.rec.Folders, nil
	}
	if w.before.note != "" && p.Writes() {
		p.Notes = append(p.Notes, w.before.note)
	}
	if notes := w.doc.notes(); w.client.Strict && len(notes) > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%s has %s, which %s may not understand", w.file, strings.Join(notes, " and "), w.client.Name))
	}
	if p.Writes() {
		p.Diff = w.diff(p.gone)
	}
	return p, nil
}

// settle decides what became of a last write that was cut off, and of a file that is gone.
func (w *work) settle() {
	folders := w.rec.Folders
	steps, u := w.rec.Steps, w.rec.Undo
	w.rec.Undo = nil
	switch n := len(steps) - 1; {
	case u != nil:
		w.cut = &step{Before: w.before.sum(), After: u.After}
		if w.before.sum() == u.After {
			w.rec, folders = u.Record.clone(), u.Folders
		}
	case n >= 0 && steps[n].Pending:
		w.cut = &steps[n]
		if w.before.sum() == steps[n].Before {
			first, found := w.rec.First, w.rec.Found
			w.rec = steps[n].Record.clone()
			w.rec.Steps, w.rec.First, w.rec.Found = steps[:n], first, found
		} else {
			w.rec.Steps[n].Pending = false
		}
	}
	if !w.before.exists() { // whoever deleted it, what comes next is another file
		w.rec.Created, w.rec.Made, w.rec.Folders = false, false, nil
		if w.cut != nil {
			w.rec.Folders = keep(folders, exists)
		}
	}
	w.rec.Client = w.client.ID
	w.was = w.rec.clone()
}

// put has an entry there and right.
func (w *work) put(e Entry, t Task) Change {
	if e.Over != "" {
		w.makeWay(e)
	}
	v := w.verdict(e)
	c := Change{Profile: e.Profile, Name: v.name, Action: Leave}
	if c.Err = w.allowed(e, v); c.Err != nil {
		return c
	}
	if v.state == Missing && t.Auto && w.staysOut(e, v) {
		return c
	}
	text, doc, rec, was := w.text, w.doc, w.rec.clone(), w.asJSON(v.name)
	c.Action, c.Err = w.correct(e, v, t.Force)
	if c.Err == nil && c.Action != Keep {
		c.Err = w.right(v.name, v.want)
	}
	if c.Err != nil {
		w.text, w.doc, w.rec, c.Action = text, doc, rec, Leave
		return c
	}
	if c.Action != Keep {
		w.touch(c, was)
	}
	o := w.remember(e.Profile, v.name, v.want)
	o.Bridge = o.Bridge || e.Bridge
	switch {
	case c.Action == Add, c.Action == Replace:
		o.Asked = t.Asked
		o.Again = t.Auto && v.known != nil && v.known.Risky
		o.Risky = w.running
	case !t.Auto && !t.Asked:
		o.Asked = false
	}
	if c.Action == Keep && !w.running {
		o.Risky = false // it outlived the client
	}
	return c
}

// makeWay takes out what the app put in by itself for a profile that is to take the place
// of another entry.
func (w *work) makeWay(e Entry) {
	if o := w.rec.Entries[e.Profile]; o != nil && o.Asked && o.Name != e.Name {
		w.changes = append(w.changes, w.take(Entry{Profile: e.Profile}, false))
	}
}

// keep puts right what is there, and takes out what is there for nobody any more.
func (w *work) keep(t Task) {
	known := func(e Entry) *owned {
		if o := w.rec.Entries[e.Profile]; o != nil && !o.Refused {
			return o
		}
		return nil
	}
	for _, entry := range t.Keep {
		if known(entry) != nil {
			w.changes = append(w.changes, w.put(entry, t))
		}
	}
	for _, entry := range t.Unasked {
		switch o := known(entry); {
		case o == nil:
		case o.Asked:
			w.changes = append(w.changes, w.take(entry, false))
		default:
			w.changes = append(w.changes, w.put(entry, t))
		}
	}
}

// correct does to an entry what its state calls for.
func (w *work) correct(e Entry, v verdict, force bool) (Action, error) {
	whole := slices.Concat(v.want.own, v.want.first)
	switch {
	case v.state == Outdated:
		return Update, w.update(v.name, v.want)
	case v.state == Missing && e.Over == "":
		return Add, w.add(e.Profile, v.name, whole)
	case v.state == Foreign && e.Over == "" && !force:
		return Leave, w.foreign(v)
	case v.state == Foreign && e.Over == "":
		if err := w.remove(v.name, ""); err != nil {
			return Leave, err
		}
		w.cover(v.name, whole)
		return Replace, w.add(e.Profile, v.name, whole)
	case v.state != Current && markOf(v.now) != e.Over:
		return Leave, changed(fmt.Sprintf("the server %q in %s", v.name, w.file))
	case v.state != Current:
		w.cover(v.name, v.want.own)
		return Replace, w.swap(v.name, v.want)
	}
	return Keep, nil
}

// staysOut reports that a missing entry is not put in when no person asks for it: one
// took it out, the client may have and still runs, or the client has no folder yet.
func (w *work) staysOut(e Entry, v verdict) bool {
	before := w.rec.Entries[e.Profile]
	switch {
	case !w.before.exists() && len(missingFolders(w.file)) > 0:
		return true
	case before == nil || before.Pending:
		return false
	case before.Refused || !before.lost():
		w.rec.Entries[e.Profile] = &owned{Name: v.name, Refused: true}
		return true
	}
	return w.running
}

// lost reports that an entry may have gone because the client saved its settings from
// memory, and not because a person took it out. That is put right once, when the client
// has ended.
func (o *owned) lost() bool { return o.Risky && !o.Again }

// allowed refuses names that the client does not take and second entries of a profile.
func (w *work) allowed(e Entry, v verdict) error {
	if v.now == nil {
		if err := w.client.checkName(v.name); err != nil {
			return err
		}
	}
	if v.known != nil && v.known.Name != v.name && e.Name != "" && w.doc.servers()[v.known.Name] != nil {
		return &Error{Summary: fmt.Sprintf("profile %s is in the config of %s already, as %q", e.Profile, w.client.Name, v.known.Name),
			Hint: fmt.Sprintf("mcpauth-tray clients remove %s --profile %s takes that out first", w.client.ID, e.Profile), Err: ErrName}
	}
	if other := w.rec.profileOf(v.name); other != "" && other != e.Profile {
		return &Error{Summary: fmt.Sprintf("%q in the config of %s belongs to profile %s", v.name, w.client.Name, other),
			Hint: "choose another with --name", Err: ErrName}
	}
	return nil
}

func (w *work) foreign(v verdict) error {
	return &Error{Summary: fmt.Sprintf("%s has a server %q that is not ours (%s); it was left as it is: %s", w.client.Name, v.name, v.why, w.file),
		Hint: "--name writes ours under another name, --force replaces it", Err: ErrForeign}
}

// drop takes entries out.
func (w *work) drop(t Task) {
	for _, entry := range t.Drop {
		w.changes = append(w.changes, w.take(entry, true))
	}
	if t.Gone == nil {
		return
	}
	for _, profile := range slices.Sorted(maps.Keys(w.rec.Entries)) {
		switch {
		case !t.Gone(profile):
		case w.rec.Entries[profile].Refused:
			delete(w.rec.Entries, profile)
		default:
			w.changes = append(w.changes, w.take(Entry{Profile: profile}, false))
		}
	}
}

// take takes one entry out. An entry that became somebody else's stays; that is an
// error when a person asked for it. asked also keeps the entry out from then on.
func (w *work) take(e Entry, asked bool) Change {
	v := w.verdict(e)
	c := Change{Profile: e.Profile, Name: v.name, Action: Leave}
	ours := v.state == Current || v.state == Outdated
	switch {
	case ours:
		gap := ""
		if v.known != nil {
			gap = v.known.Gap
		}
		was := w.asJSON(v.name)
		if c.Err = w.remove(v.name, gap); c.Err != nil {
			return c
		}
		c.Action = Remove
		w.touch(c, was)
	case v.state == Foreign && v.known != nil && asked:
		c.Err = w.foreign(v)
	}
	delete(w.rec.Entries, e.Profile)
	if asked {
		w.rec.Entries[e.Profile] = &owned{Name: v.name, Refused: true}
	}
	return c
}
