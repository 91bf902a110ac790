package clientconfig

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// PlanUndo works out how the last write to a client's config is taken back. A config
// that nobody else changed since becomes what it was, to the byte. Otherwise only our
// entries become what they were. force writes although the client runs.
func (e *Editor) PlanUndo(id string, force bool) ([]*Plan, error) {
	c, s, err := e.recall(id)
	if err != nil {
		return nil, err
	}
	var plans []*Plan
	for _, path := range slices.Sorted(maps.Keys(s.Files)) {
		if r := s.Files[path]; r.Client == c.ID && len(r.Steps) > 0 {
			p, err := e.planUndo(c, path, force)
			if errors.Is(err, ErrNoUndo) {
				continue
			}
			if err != nil {
				return nil, err
			}
			plans = append(plans, p)
		}
	}
	if len(plans) == 0 {
		return nil, noUndo(c)
	}
	return plans, nil
}

func noUndo(c *Client) error {
	return &Error{Summary: "nothing was written to the config of " + c.Name + " that could be undone",
		Hint: "mcpauth-tray clients list shows what is there", Err: ErrNoUndo}
}

func (e *Editor) planUndo(c *Client, file string, force bool) (*Plan, error) {
	w, s, err := e.start(c, file)
	if err != nil {
		return nil, err
	}
	n := len(w.rec.Steps) - 1
	if n < 0 {
		return nil, noUndo(c)
	}
	last := w.rec.Steps[n]
	w.rec.Steps = w.rec.Steps[:n]
	var p *Plan
	if w.before.sum() == last.After || w.before.sum() == last.Before {
		p, err = e.restore(w, last)
	} else {
		for _, change := range slices.Backward(last.Changes) {
			w.changes = append(w.changes, w.takeBack(change, last.Record))
		}
		p, err = w.plan()
	}
	if err != nil {
		return nil, err
	}
	p.known = canonical(s.file(file))
	p.undoes, p.dirty, p.anyway = true, true, force
	p.Running = w.running
	p.again = func() (*Plan, error) { return e.planUndo(c, file, force) }
	return p, nil
}

// restore is the plan that puts a file back as it was.
func (e *Editor) restore(w *work, last step) (*Plan, error) {
	p := &Plan{Client: w.client, File: w.file, before: w.before, was: w.was, rec: w.rec, gone: last.Before == "", folders: w.rec.Folders, cut: w.cut}
	text := ""
	if last.Before != "" {
		data, err := e.readBackup(last.Before)
		if err != nil {
			return nil, err
		}
		p.after, text = data, string(data)
	}
	doc, err := parse(w.client, []byte(text))
	if err != nil {
		return nil, malformed(w.client, w.file, err)
	}
	for _, c := range last.Changes {
		w.touched = append(w.touched, c.Name)
		if c.Whole {
			w.cover(c.Name, nil)
		}
		w.setBack(c, last.Record)
		p.Changes = append(p.Changes, Change{Profile: c.Profile, Name: c.Name, Action: undone(c, w.doc, doc)})
	}
	w.text, w.doc = text, doc
	w.rec.Created, w.rec.Made, w.rec.Folders = last.Record.Created, last.Record.Made, last.Record.Folders
	p.digest, p.diff = digestOf(p.after), func() string { return w.diff(p.gone) }
	return p, nil
}

// undone is what undoing does to an entry, given the config as it is and as it becomes.
func undone(c stepChange, is, becomes document) Action {
	if _, there := becomes.servers()[c.Name]; !there {
		return Remove
	}
	if _, there := is.servers()[c.Name]; !there {
		return Add
	}
	return Update
}

// setBack remembers of an entry what was remembered before the write. One that was not
// there is out because a person wants it so.
func (w *work) setBack(c stepChange, before *record) {
	old := before.Entries[c.Profile]
	switch {
	case c.Was == nil:
		w.rec.Entries[c.Profile] = &owned{Name: c.Name, Refused: true}
	case old != nil:
		same := *old
		w.rec.Entries[c.Profile] = &same
	default:
		delete(w.rec.Entries, c.Profile)
	}
}

// takeBack makes one entry what it was, in a file that somebody else has changed since.
func (w *work) takeBack(c stepChange, before *record) Change {
	now, there := w.doc.servers()[c.Name]
	known := w.rec.Entries[c.Profile]
	done := Change{Profile: c.Profile, Name: c.Name, Action: Leave}
	ours := known != nil && !known.Refused && known.Name == c.Name && linkOf(now) == known.Link
	was := w.asJSON(c.Name)
	switch {
	case there && !ours:
		done.Err = w.foreign(verdict{name: c.Name, why: "somebody changed it since"})
		return done
	case there && c.Was == nil:
		done.Action, done.Err = Remove, w.remove(c.Name, known.Gap)
	case there && c.Whole:
		w.cover(c.Name, nil)
		done.Action, done.Err = Update, w.replaceWith(c)
	case there:
		done.Action, done.Err = Update, w.pointBack(c)
	case c.Was != nil && (known == nil || known.Refused): // we took it out
		done.Action, done.Err = Add, w.replaceWith(c)
	}
	if done.Err != nil {
		done.Action = Leave
		return done
	}
	if done.Action != Leave {
		w.touch(done, was)
	}
	w.setBack(c, before)
	return done
}

// pointBack has an entry point where it did before, and leaves the rest of it.
func (w *work) pointBack(c stepChange) error {
	value, err := fromJSON(c.Was)
	if err != nil {
		return w.broken(err)
	}
	value = slices.DeleteFunc(value, func(f field) bool {
		return !slices.Contains(linkKeys, f.key) && f.key != "type" && f.key != "transport"
	})
	return w.update(c.Name, shape{own: value})
}

// replaceWith puts an entry that was kept in the place of the one of that name.
func (w *work) replaceWith(c stepChange) error {
	value, err := fromJSON(c.Was)
	if err != nil {
		return w.broken(fmt.Errorf("the entry %q was not one of keys", c.Name))
	}
	if _, there := w.doc.servers()[c.Name]; there {
		if err := w.remove(c.Name, ""); err != nil {
			return err
		}
	}
	return w.add(c.Profile, c.Name, value)
}
