package clientconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// state is what we remember of clients' configs, in one file of ours.
type state struct {
	Version int                `json:"version"`
	Files   map[string]*record `json:"files"` // path, as the client knows it → what is ours there
	Orders  []Order            `json:"orders,omitempty"`
}

const stateVersion = 1

// record is what we remember of one config file.
type record struct {
	Client  string            `json:"client"`
	Created bool              `json:"created,omitempty"` // the file itself is ours
	Folders []string          `json:"folders,omitempty"` // and these, outermost first
	Made    bool              `json:"made,omitempty"`    // the map of servers is ours
	Entries map[string]*owned `json:"entries"`           // profile → its entry
	First   string            `json:"first,omitempty"`   // backup of the file before we ever touched it
	Steps   []step            `json:"steps,omitempty"`   // oldest first
	Undo    *undo             `json:"undo,omitempty"`    // about to be done; it may not have been
	Found   []string          `json:"found,omitempty"`   // backups of what others wrote while a write was cut off
}

// owned is what we remember of an entry.
type owned struct {
	Name string `json:"name"`
	Link string `json:"link"`          // where it pointed when we wrote it
	Hash string `json:"hash"`          // of the part that is ours, as we wrote it
	Gap  string `json:"gap,omitempty"` // see document.add

	Asked   bool `json:"asked,omitempty"`   // the profiles asked for it, not a person for the entry itself
	Pending bool `json:"pending,omitempty"` // about to be written; it may not be there
	Refused bool `json:"refused,omitempty"` // taken out by a person: it stays out until they ask for it
	Risky   bool `json:"risky,omitempty"`   // written while the client ran, which may lose it
	Again   bool `json:"again,omitempty"`   // put back once after it was lost so
	Bridge  bool `json:"bridge,omitempty"`  // see Entry
}

// step is one write that can be undone.
type step struct {
	Before  string       `json:"before"` // sum of the content; empty: there was no file
	After   string       `json:"after"`
	Changes []stepChange `json:"changes"`
	Record  *record      `json:"record"`            // as it was, without steps
	Pending bool         `json:"pending,omitempty"` // it may not have come to the write
}

// stepChange is what a write did to one entry.
type stepChange struct {
	Profile string          `json:"profile"`
	Name    string          `json:"name"`
	Was     json.RawMessage `json:"was,omitempty"`   // the entry before; nil: there was none
	Whole   bool            `json:"whole,omitempty"` // it was somebody else's
}

// undo is what will be so once the last step is undone.
type undo struct {
	After   string   `json:"after"` // sum of the content; empty: there is no file
	Record  *record  `json:"record"`
	Folders []string `json:"folders,omitempty"` // that go with the file
}

// maxSteps is how many writes to a file can be undone.
const maxSteps = 10

// file is a copy of the record of a file, empty when there is none.
func (s *state) file(path string) *record {
	r := &record{Entries: map[string]*owned{}}
	if old := s.Files[path]; old != nil {
		r = old.clone()
	}
	return r
}

// filesOf lists the files of a client with something of ours.
func (s *state) filesOf(id string) []string { return s.othersOf(id, nil) }

// othersOf lists them without those known.
func (s *state) othersOf(id string, known []string) []string {
	var files []string
	for _, path := range slices.Sorted(maps.Keys(s.Files)) {
		if f := s.Files[path]; f.Client == id && len(f.owned()) > 0 && !slices.Contains(known, path) {
			files = append(files, path)
		}
	}
	return files
}

func (r *record) clone() *record {
	c := *r
	c.Entries = make(map[string]*owned, len(r.Entries))
	for profile, o := range r.Entries {
		same := *o
		c.Entries[profile] = &same
	}
	c.Steps = slices.Clone(r.Steps)
	c.Folders = slices.Clone(r.Folders)
	c.Found = slices.Clone(r.Found)
	return &c
}

// owned lists the profiles with an entry that should be in the file.
func (r *record) owned() []string {
	var profiles []string
	for _, profile := range slices.Sorted(maps.Keys(r.Entries)) {
		if !r.Entries[profile].Refused {
			profiles = append(profiles, profile)
		}
	}
	return profiles
}

// profileOf is whose entry a name is, "" for nobody's.
func (r *record) profileOf(name string) string {
	for profile, o := range r.Entries {
		if o.Name == name && !o.Refused {
			return profile
		}
	}
	return ""
}

func (e *Editor) stateFile() string { return filepath.Join(e.dir, "owned.json") }

// loadState reads what we remember. A file that cannot be read is an error: without it
// our entries would look like somebody else's.
func (e *Editor) loadState() (*state, error) {
	data, err := os.ReadFile(e.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return &state{Version: stateVersion, Files: map[string]*record{}}, nil
	}
	var s *state
	if err == nil {
		s, err = decodeState(data)
	}
	if err != nil {
		hint := "repair that file, or move it away: entries that point at this app are found again then, but nothing can be undone"
		if errors.Is(err, errNewer) {
			hint = "use the newer mcpauth-tray"
		}
		return nil, &Error{Summary: fmt.Sprintf("cannot read which entries of clients are ours, so no config is touched: %s: %v", e.stateFile(), err),
			Hint: hint, Err: err}
	}
	return s, nil
}

var errNewer = errors.New("a newer mcpauth-tray wrote it")

func decodeState(data []byte) (*state, error) {
	var head struct{ Version int }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	switch {
	case head.Version > stateVersion:
		return nil, errNewer
	case head.Version != stateVersion:
		return nil, errors.New("it does not say its version")
	}
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, err
	}
	if s.Files == nil {
		s.Files = map[string]*record{}
	}
	for path, r := range s.Files {
		if !r.whole() {
			return nil, fmt.Errorf("what it says about %s is not complete", path)
		}
	}
	return s, nil
}

// whole reports that nothing is missing that we always write.
func (r *record) whole() bool {
	if r == nil || r.Entries == nil {
		return false
	}
	for _, o := range r.Entries {
		if o == nil {
			return false
		}
	}
	for _, step := range r.Steps {
		if !step.Record.whole() {
			return false
		}
	}
	return r.Undo == nil || r.Undo.Record.whole()
}

// saveState makes what we remember last, and lets go of backups nobody needs.
func (e *Editor) saveState(s *state) error {
	for path, r := range s.Files {
		if len(r.Entries) == 0 && len(r.Steps) == 0 && r.First == "" && !r.Created && !r.Made && len(r.Found) == 0 {
			delete(s.Files, path)
		}
	}
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	if err := e.writeOwn(e.stateFile(), append(data, '\n')); err != nil {
		return noMemory(err)
	}
	return e.pruneBackups(s)
}

// noMemory is the failure to remember something.
func noMemory(err error) error {
	return &Error{Summary: fmt.Sprintf("cannot remember which entries of clients are ours: %v", err),
		Hint: "see that the folder of the app's state can be written and its disk is not full", Err: err}
}

// ownTemp is what names of files that are about to become ours begin with.
const ownTemp = ".new-"

// writeOwn replaces a file of our own whole and makes it last. We have the lock.
func (e *Editor) writeOwn(name string, data []byte) error {
	sweep(filepath.Dir(name), ownTemp)
	f, err := os.CreateTemp(filepath.Dir(name), ownTemp+"*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	e.step("our own created")
	_, err = f.Write(data)
	e.step("our own written")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	e.step("our own synced")
	if err := move(f.Name(), name); err != nil {
		return err
	}
	e.step("our own renamed")
	return syncFolder(filepath.Dir(name))
}

func (e *Editor) backup(sum string) string { return filepath.Join(e.dir, "backups", sum) }

// saveBackup keeps a config file as it was found.
func (e *Editor) saveBackup(sum string, data []byte) error {
	if sum == "" { // there was no file
		return nil
	}
	if _, err := e.readBackup(sum); err == nil {
		return nil
	}
	if err := os.MkdirAll(e.backup(""), 0o700); err != nil {
		return err
	}
	return e.writeOwn(e.backup(sum), data)
}

// readBackup returns a kept config file, whole.
func (e *Editor) readBackup(sum string) ([]byte, error) {
	data, err := os.ReadFile(e.backup(sum))
	if err == nil && hash(data) != sum {
		err = errors.New("it is damaged")
	}
	if err != nil {
		return nil, &Error{Summary: fmt.Sprintf("the backup %s cannot be used: %v", e.backup(sum), err),
			Hint: "take the entry out with mcpauth-tray clients remove", Err: ErrNoUndo}
	}
	return data, nil
}

func (e *Editor) pruneBackups(s *state) error {
	needed := map[string]bool{}
	for _, r := range s.Files {
		needed[r.First] = true
		for _, sum := range r.Found {
			needed[sum] = true
		}
		for _, step := range r.Steps {
			needed[step.Before] = true
		}
	}
	entries, err := os.ReadDir(e.backup(""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, b := range entries {
		if !needed[b.Name()] {
			err = errors.Join(err, os.Remove(e.backup(b.Name())))
		}
	}
	return err
}
