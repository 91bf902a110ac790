package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mcpauth-tray/mcpauth-tray/internal/clientconfig"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// clientView is how one client is shown after a keeper has been at its config.
type clientView struct {
	k       *keeper
	client  *clientconfig.Client
	err     error // why the config was not written
	changes []clientconfig.Change
}

// unopened is a client whose config nobody asks for.
func (v *clientView) unopened(files []string) status.Client {
	s := status.Client{ID: v.client.ID, Name: v.client.Name, State: status.ClientMissing, Profiles: []status.ClientEntry{}}
	if len(files) > 0 {
		s.File = files[0]
	}
	for _, w := range v.k.wishes {
		s.Profiles = append(s.Profiles, status.ClientEntry{Profile: w.Profile, State: status.ClientMissing})
	}
	return s
}

// show is one config file. Entries that nobody asked for do not count in its state.
func (v *clientView) show(row clientconfig.Row) status.Client {
	s := status.Client{ID: v.client.ID, Name: v.client.Name, File: row.File, Profiles: []status.ClientEntry{}}
	states := map[status.ClientState]string{} // of those that count → what to say
	lost := false
	for i, e := range row.Entries {
		w := v.k.wishes[i]
		entry := status.ClientEntry{Profile: w.Profile, State: status.ClientState(e.State), Detail: v.detail(w, e),
			Asked: !w.Idle && slices.Contains(w.Clients, v.client.ID) || e.Ours && !e.Asked || e.Waits}
		if e.Risky && (e.State == clientconfig.Missing || e.State == clientconfig.Current) {
			v.k.risky[v.client.ID] = true
			lost = lost || e.State == clientconfig.Missing
		}
		if entry.Asked || e.Ours {
			states[entry.State] = also(states[entry.State], w.Profile, entry.Detail)
		}
		s.Profiles = append(s.Profiles, entry)
	}
	if lost && v.k.editor.Running(v.client.ID) {
		v.k.waiting[v.client.ID] = true
	}
	s.Waiting = v.k.waiting[v.client.ID]
	s.State = status.ClientMissing
	for _, state := range status.ClientStates { // the worst comes last
		if _, counts := states[state]; counts {
			s.State, s.Detail = state, states[state]
		}
	}
	v.explain(&s, row, lost, len(states) > 0)
	return s
}

// also adds a profile to what is said of several: those with the same to say share a
// sentence, and otherwise the first one stands for all.
func also(said, profile, detail string) string {
	same := ": " + detail
	switch {
	case detail == "":
		return said
	case said == "":
		return profile + same
	case strings.HasSuffix(said, same):
		return strings.TrimSuffix(said, same) + ", " + profile + same
	}
	return said
}

// explain says of a whole file why it is not as it should be.
func (v *clientView) explain(s *status.Client, row clientconfig.Row, lost, counts bool) {
	err := errors.Join(row.Err, v.err)
	switch {
	case lost && s.Waiting:
		s.Detail = fmt.Sprintf("%s dropped our entry when it saved its settings; it is put back once %s has quit", v.client.Name, v.client.Name)
	case s.Waiting:
		s.Detail = fmt.Sprintf("waits until %s is quit, which would overwrite the change", v.client.Name)
	case err != nil:
		s.State, s.Detail = status.ClientUnreadable, explained(err)
	case counts && s.State == status.ClientMissing && s.Detail == "" && !hasFolder(row.File):
		s.Detail = fmt.Sprintf("there is no folder for its settings yet; start %s once", v.client.Name)
	}
}

func hasFolder(file string) bool {
	_, err := os.Stat(filepath.Dir(file))
	return err == nil
}

// explained is an error in one line, with what to do about it.
func explained(err error) string {
	if own := (*clientconfig.Error)(nil); errors.As(err, &own) {
		return own.Summary + "; " + own.Hint
	}
	return err.Error()
}

// detail is what a person should know of one entry.
func (v *clientView) detail(w supervisor.Wish, e clientconfig.EntryState) string {
	if e.State == clientconfig.Foreign {
		return fmt.Sprintf("the entry %q is left alone: %s; mcpauth-tray clients write %s --profile %s adds ours with --name, or replaces it with --force",
			e.Name, e.Detail, v.client.ID, w.Profile)
	}
	for _, c := range v.changes {
		if c.Profile == w.Profile && c.Err != nil {
			return explained(c.Err)
		}
	}
	return e.Detail
}
