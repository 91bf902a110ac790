package clientconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
)

// lockPatience is how long another process of ours, or the client, may hold its lock.
const lockPatience = 10 * time.Second

// Apply carries out a plan. It returns an error that is ErrChanged, and changes nothing,
// when the plan would not be the same any more, and ErrRunning when the client runs and
// would overwrite the file. At every moment the file has its old content or its new one.
func (e *Editor) Apply(ctx context.Context, p *Plan) error {
	if !p.Writes() && !p.dirty {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	release, err := e.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	unlock := func() {}
	if p.Writes() || p.cut != nil {
		if unlock, err = lockClient(ctx, p); err != nil {
			return err
		}
	}
	defer unlock()
	e.step("locked")
	return e.applyLocked(p, unlock)
}

// Write plans a task and applies it, again if a config changes in between. It returns
// what was planned last; the error is about what could not be done at all.
func (e *Editor) Write(ctx context.Context, id string, t Task) ([]*Plan, error) {
	const tries = 3
	for try := 1; ; try++ {
		plans, err := e.Plan(id, t)
		if err != nil {
			return nil, err
		}
		for _, p := range plans {
			if err = e.Apply(ctx, p); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrChanged) || try == tries {
			return plans, err
		}
	}
}

// lock keeps other goroutines and processes of ours out.
func (e *Editor) lock(ctx context.Context) (release func(), err error) {
	e.mu.Lock()
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		e.mu.Unlock()
		return nil, noMemory(err)
	}
	l := flock.New(filepath.Join(e.dir, "lock"), flock.SetPermissions(0o600))
	if _, err := l.TryLockContext(ctx, 25*time.Millisecond); err != nil {
		e.mu.Unlock()
		if ctx.Err() == nil {
			return nil, noMemory(err)
		}
		return nil, &Error{Summary: "another mcpauth-tray is writing clients' configs", Hint: "try again in a moment", Err: err}
	}
	return func() { _ = l.Close(); e.mu.Unlock() }, nil
}

// still is the plan as it would be made now: the same, if neither the file nor what is
// remembered of it has changed.
func (e *Editor) still(shown *Plan, s *state) (*Plan, error) {
	now, err := readFile(shown.File)
	if err != nil {
		return nil, err
	}
	if now.real != shown.before.real {
		return nil, changed(shown.File)
	}
	if now.sum() != shown.before.sum() || canonical(s.file(shown.File)) != shown.known {
		return shown.again()
	}
	p := *shown
	p.before, p.rec, p.was = now, shown.rec.clone(), shown.was.clone()
	p.Running = p.Client.Quit && e.running(p.Client.ID)
	return &p, nil
}

// applyLocked compares the plan with one made now, and carries it out: backup, what is
// about to be ours, the file, what is ours. unlock ends the client's own lock.
func (e *Editor) applyLocked(shown *Plan, unlock func()) error {
	s, err := e.loadState()
	if err != nil {
		return err
	}
	p, err := e.still(shown, s)
	if err != nil {
		return err
	}
	switch {
	case p.before.sum() != shown.before.sum() || p.sumAfter() != shown.sumAfter():
		return changed(p.File)
	case p.Running && p.Writes() && !p.anyway:
		return &Error{Summary: p.Client.Name + " is running and would overwrite its config with what it has in memory; nothing was written",
			Hint: "quit it fully and try again; --force writes now, and the entry may get lost", Err: ErrRunning}
	}
	if !p.Writes() {
		if p.cut != nil {
			if err := e.clear(p); err != nil {
				return err
			}
			shown.Notes = p.Notes
			unlock()
			removeEmpty(p.folders)
		}
		return e.remember(s, p)
	}
	if !p.before.exists() {
		p.rec.Folders = slices.Concat(p.rec.Folders, missingFolders(p.File))
	}
	if !p.undoes {
		if err := e.saveBackup(p.before.sum(), p.before.data); err != nil {
			return noBackup(p, err)
		}
		e.step("backed up")
	}
	if err := e.announce(s, p); err != nil {
		return err
	}
	e.step("announced")
	written, err := e.replace(p)
	shown.Notes = p.Notes
	unlock()
	if !written || p.gone {
		removeEmpty(slices.Concat(p.folders, p.rec.Folders))
	}
	if !written {
		return errors.Join(err, e.retract(p))
	}
	e.step("replaced")
	if e.Running(p.Client.ID) { // it may have started in between
		p.risk()
	}
	e.log.Info("a client's config was changed", "client", p.Client.ID, "file", p.File, "changes", p.String())
	return errors.Join(err, e.remember(s, p))
}

// risk notes that the client may lose what became ours.
func (p *Plan) risk() {
	for _, c := range p.Changes {
		if o := p.rec.Entries[c.Profile]; o != nil && c.Action.gains() {
			o.Risky = true
		}
	}
}

func noBackup(p *Plan, err error) error {
	return &Error{Summary: fmt.Sprintf("no backup of %s could be made, so it was left as it is: %v", p.File, err),
		Hint: "see that the folder of the app's state can be written and its disk is not full", Err: err}
}

func changed(what string) error {
	return &Error{Summary: what + " was changed by another program in the meantime; nothing was written", Hint: "try again", Err: ErrChanged}
}

// announce remembers what is about to be ours, so that an entry which gets into the file
// is known whatever happens then, and how the write is undone.
func (e *Editor) announce(s *state, p *Plan) error {
	if p.undoes {
		r := p.was.clone()
		r.Undo = &undo{After: p.sumAfter(), Record: p.rec, Folders: p.folders}
		s.Files[p.File] = r
		return e.saveState(s)
	}
	bare := p.was.clone()
	bare.Steps, bare.Found = nil, nil
	next := step{Before: p.before.sum(), After: p.sumAfter(), Changes: p.steps, Record: bare}
	p.rec.Steps = append(slices.Clone(p.rec.Steps[max(0, len(p.rec.Steps)+1-maxSteps):]), next)
	if p.rec.First == "" {
		p.rec.First = p.before.sum()
	}
	r := p.rec.clone()
	r.Steps[len(r.Steps)-1].Pending = true
	if p.gone { // until they are removed, they are ours
		r.Folders = p.folders
	}
	for _, c := range p.steps {
		switch o := r.Entries[c.Profile]; {
		case o != nil && !o.Refused:
			o.Pending = c.Was == nil
		case p.was.Entries[c.Profile] != nil: // until it is out of the file, it is ours
			r.Entries[c.Profile] = p.was.Entries[c.Profile]
		}
	}
	s.Files[p.File] = r
	return e.saveState(s)
}

// retract forgets what was announced of a write that came to nothing.
func (e *Editor) retract(p *Plan) error {
	s, err := e.loadState()
	if err != nil {
		return err
	}
	s.Files[p.File] = p.was
	s.Files[p.File].Found = p.rec.Found
	return e.saveState(s)
}

func (e *Editor) remember(s *state, p *Plan) error {
	s.Files[p.File] = p.rec
	s.cancel(p.Client.ID, p.done)
	return e.saveState(s)
}

// removeEmpty removes folders that have nothing in them, innermost first.
func removeEmpty(folders []string) {
	for i := len(folders) - 1; i >= 0; i-- {
		if os.Remove(folders[i]) != nil {
			return
		}
	}
}
