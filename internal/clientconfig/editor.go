package clientconfig

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

// Options is what an Editor needs to know.
type Options struct {
	// StateDir is the app's folder for state. What we own, backups and a lock are kept
	// in its folder "clients".
	StateDir string
	// Exe is the absolute path of our program, as an entry that starts the bridge has
	// it, and BridgeArgs is what follows "bridge PROFILE" there.
	Exe        string
	BridgeArgs []string
	// Getenv is the environment by which clients' files are found; nil: os.Getenv.
	Getenv func(string) string
	// Running reports that the client of that id is running. It is asked only of
	// clients that overwrite their config while they run; nil: none does.
	Running func(id string) bool
	Logger  *slog.Logger // nil: discard
}

// Editor edits clients' configs. It is safe for use by several goroutines, and several
// processes may have one with the same state directory.
type Editor struct {
	dir     string // of our state
	program program
	system  system
	running func(id string) bool
	log     *slog.Logger
	mu      sync.Mutex        // one apply at a time
	step    func(name string) // told how far an apply has come; for tests
}

// New returns an Editor. It touches nothing.
func New(o Options) (*Editor, error) {
	if !filepath.IsAbs(o.StateDir) {
		return nil, errors.New("the state directory must be an absolute path")
	}
	if !filepath.IsAbs(o.Exe) {
		return nil, errors.New("the path of the program must be absolute")
	}
	e := &Editor{
		dir:     filepath.Join(o.StateDir, "clients"),
		program: program{exe: o.Exe, args: slices.Clone(o.BridgeArgs)},
		system:  system{goos: runtime.GOOS, getenv: o.Getenv},
		running: o.Running,
		log:     o.Logger,
		step:    func(string) {},
	}
	if e.system.getenv == nil {
		e.system.getenv = os.Getenv
	}
	if e.running == nil {
		e.running = func(string) bool { return false }
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	return e, nil
}

// Installed reports that there are traces of a client on this computer. It reads no file.
func (e *Editor) Installed(id string) bool {
	c, err := ClientByID(id)
	return err == nil && e.system.installed(c)
}

// Running reports that a client runs which overwrites its config while it does.
func (e *Editor) Running(id string) bool {
	c, err := ClientByID(id)
	return err == nil && c.Quit && e.running(id)
}

// Written lists the clients in whose configs something of ours should be, or waits to.
func (e *Editor) Written() ([]string, error) {
	s, err := e.loadState()
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, c := range table() {
		if len(s.filesOf(c.ID)) > 0 || slices.ContainsFunc(s.Orders, func(o Order) bool { return o.Client == c.ID }) {
			ids = append(ids, c.ID)
		}
	}
	return ids, nil
}

// State is how an entry of ours stands.
type State string

const (
	Current    State = "current"
	Outdated   State = "outdated" // ours, but not as it should be now
	Missing    State = "missing"
	Foreign    State = "foreign"    // an entry of that name is another's, or became so
	Unreadable State = "unreadable" // the whole file is
)

// Row is one config file of a client.
type Row struct {
	Client    *Client
	File      string
	Installed bool
	Err       error // why the file cannot be read; its entries are Unreadable then
	Entries   []EntryState
}

// EntryState is how the entry of one profile stands.
type EntryState struct {
	Profile string
	Name    string
	State   State
	Detail  string // more for a person, or empty

	Ours  bool // one of ours is there or should be
	Asked bool // and there because the profiles ask for it
	Risky bool // it was written while the client ran, which may lose it, or has
	Waits bool // a person asked for it, and the client has to quit first
}

// List reads the config files of all clients that can be written and says how entries
// stand there.
func (e *Editor) List(entries []Entry) ([]Row, error) {
	s, err := e.loadState()
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, c := range table() {
		if !c.ByHand {
			rows = append(rows, e.rows(c, s, entries)...)
		}
	}
	return rows, nil
}

// Look is List of one client.
func (e *Editor) Look(id string, entries []Entry) ([]Row, error) {
	c, s, err := e.recall(id)
	if err != nil {
		return nil, err
	}
	return e.rows(c, s, entries), nil
}

// recall returns a client that can be written, and what we remember of all.
func (e *Editor) recall(id string) (*Client, *state, error) {
	c, err := writable(id)
	if err != nil {
		return nil, nil, err
	}
	s, err := e.loadState()
	return c, s, err
}

// Files are the config files of a client, and others with something of ours. It reads
// none, and none need exist.
func (e *Editor) Files(id string) []string {
	c, err := writable(id)
	if err != nil {
		return nil
	}
	files, _ := e.system.files(c)
	if s, err := e.loadState(); err == nil {
		files = append(files, s.filesOf(id)...)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

func (e *Editor) rows(c *Client, s *state, entries []Entry) []Row {
	installed := e.system.installed(c)
	files, err := e.system.files(c)
	if err != nil {
		files = []string{""}
	}
	var rows []Row
	for _, file := range slices.Concat(files, s.othersOf(c.ID, files)) {
		row := Row{Client: c, File: file, Installed: installed, Err: err}
		rec := s.file(file)
		var w *work
		if file != "" {
			w, row.Err = e.open(c, file, rec)
		}
		if w != nil {
			rec = w.rec
		}
		for _, entry := range entries {
			now := stateOf(w, row.Err, entry, rec.Entries[entry.Profile])
			if now.State != Current && s.ordered(c.ID, entry.Profile) {
				now.Waits, now.Detail = true, "it waits until "+c.Name+" is quit"
			}
			row.Entries = append(row.Entries, now)
		}
		rows = append(rows, row)
	}
	return rows
}

func stateOf(w *work, err error, entry Entry, o *owned) EntryState {
	s := EntryState{Profile: entry.Profile, Name: entry.Profile, State: Unreadable}
	if err != nil {
		s.Detail = err.Error()
	} else {
		v := w.verdict(entry)
		s.Name, s.State, s.Detail = v.name, v.state, v.why
	}
	if o != nil && !o.Refused {
		s.Ours, s.Asked, s.Risky = true, o.Asked, o.lost()
	}
	return s
}
