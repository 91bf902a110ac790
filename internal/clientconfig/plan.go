package clientconfig

import (
	"bytes"
	"errors"
	"fmt"
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

// gains reports that an entry becomes ours.
func (a Action) gains() bool { return a == Add || a == Replace }

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
	Notes   []string // what a person should know
	Running bool     // the client runs and would overwrite the file: without Force Apply refuses

	again   func() (*Plan, error) // makes the same plan anew
	anyway  bool                  // although the client runs
	before  content
	after   []byte
	digest  func() string // of after
	diff    func() string
	gone    bool     // the file is to be deleted
	folders []string // and these, where nothing else is in them
	known   string   // what is remembered, as it was found
	was     *record  // and settled
	rec     *record  // and is to be then
	dirty   bool     // rec differs from what is remembered, or an order is done with
	done    []string // profiles whose orders are then
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
func (p *Plan) Writes() bool {
	switch {
	case p.gone:
		return p.before.exists()
	case !p.before.exists():
		return len(p.after) > 0
	}
	return !bytes.Equal(p.after, p.before.data)
}

// Diff is unified, and empty when the file stays as it is. Values that are not ours are
// covered.
func (p *Plan) Diff() string {
	if !p.Writes() {
		return ""
	}
	return p.diff()
}

func (p *Plan) sumAfter() string {
	if p.gone || !p.before.exists() && len(p.after) == 0 {
		return ""
	}
	return p.digest()
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
		files, err = keep(files, func(path string) bool { return exists(path) || s.ordered(c.ID, profilesOf(t.Drop)...) }), nil
	}
	if err != nil {
		return nil, err
	}
	var plans []*Plan
	more := e.system.more(c)
	for _, file := range files {
		if t.File != "" && t.File != file {
			continue
		}
		switch p, err := e.plan(c, file, t); {
		case err == nil:
			plans = append(plans, p)
		case len(plans) > 0 && slices.Contains(more, file) && (len(t.Set) > 0 || len(s.file(file).owned()) == 0):
			// it does not keep the first from being written
			plans[0].Notes = append(plans[0].Notes, err.Error())
		default:
			return nil, err
		}
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

func profilesOf(entries []Entry) (profiles []string) {
	for _, e := range entries {
		profiles = append(profiles, e.Profile)
	}
	return profiles
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
	w, s, err := e.start(c, file)
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
	if !t.Auto {
		p.done = profilesOf(slices.Concat(t.Set, t.Drop))
	}
	p.dirty = canonical(p.rec) != p.known && (s.Files[file] != nil || len(p.rec.Entries) > 0) || s.ordered(c.ID, p.done...)
	p.again = func() (*Plan, error) { return e.plan(c, file, t) }
	if !w.before.exists() && p.Writes() && !e.system.installed(c) {
		p.Notes = append(p.Notes, fmt.Sprintf("%s does not seem to be installed here; %s is a new file", c.Name, file))
	}
	return p, nil
}

// plan is the outcome of the work.
func (w *work) plan() (*Plan, error) {
	if w.text != string(w.before.data) {
		if err := w.verify(); err != nil {
			return nil, err
		}
	}
	p := &Plan{Client: w.client, File: w.file, Changes: w.changes, before: w.before, was: w.was, rec: w.rec, steps: w.steps, cut: w.cut}
	p.after = []byte(w.text)
	p.digest = digestOf(p.after)
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
	p.diff = func() string { return w.diff(p.gone) }
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
