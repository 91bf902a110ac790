package clientconfig

import (
	"fmt"
	"maps"
	"slices"
)

// What a task does to the entries of one file.

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
	case c.Action.gains():
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
