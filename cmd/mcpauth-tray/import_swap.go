package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/clientconfig"
	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// swapEntries has the entries that profiles were made of use the profiles.
func swapEntries(c *cobra.Command, all []*translation, o importOptions) error {
	running, err := takenUp(c, all)
	if err != nil {
		return err
	}
	s, err := openSession(c)
	if err != nil {
		return err
	}
	var ids []string
	tasks := map[string][]clientconfig.Task{}
	for _, t := range all {
		if t.waits(c, o) {
			continue
		}
		p, err := s.profile(t.profile)
		if err != nil {
			return err
		}
		ours, err := s.lasting(c.Context(), p, running)
		if err != nil {
			return err
		}
		for _, e := range t.entries {
			id := e.Client.ID
			ours.Name, ours.Over, ours.Bridge = e.Name, e.Mark, t.bridge
			changed, why := intoTask(tasks[id], e, ours, o.force)
			if why != nil {
				fmt.Fprintf(c.ErrOrStderr(), "%s: %s: not swapped: %s\n", id, printable(e.Name), printable(why.Error()))
				continue
			}
			tasks[id] = changed
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	defer lookAgain(c)
	err = s.all(c, ids, func(s *session, id string) error {
		for _, task := range tasks[id] {
			if err := s.carryOut(c, id, task, o.yes); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, context.Canceled) {
		return err
	}
	return errors.Join(err, s.afterSwap(c, all, ids))
}

// waits reports that the entries stay for now, and says so: without what is missing in the
// profile their server may be out of reach, and nobody is there to be asked.
func (t *translation) waits(c *cobra.Command, o importOptions) bool {
	if len(t.missing) == 0 || o.yes || onTerminal(c.InOrStdin()) {
		return false
	}
	missing := printable(strings.Join(slices.Compact(slices.Sorted(slices.Values(t.missing))), ", "))
	for _, e := range t.entries {
		fmt.Fprintf(c.ErrOrStderr(), "%s: %s: not swapped: the server may want what %s gives it, which profile %s does not; put that into the profile and import again, or swap the entry as it is with --yes\n",
			e.Client.ID, printable(e.Name), missing, t.profile)
	}
	return true
}

// intoTask puts an entry into the task of its file, or says why not.
func intoTask(tasks []clientconfig.Task, e entry, ours clientconfig.Entry, force bool) ([]clientconfig.Task, error) {
	if e.Err != nil {
		return nil, e.Err
	}
	i := slices.IndexFunc(tasks, func(t clientconfig.Task) bool { return t.File == e.File })
	if i < 0 {
		return append(tasks, clientconfig.Task{File: e.File, Set: []clientconfig.Entry{ours}, Force: force}), nil
	}
	for _, other := range tasks[i].Set {
		if other.Profile == ours.Profile {
			return nil, fmt.Errorf("%q is the same server; take one of the two out", other.Name)
		}
	}
	tasks[i].Set = append(tasks[i].Set, ours)
	return tasks, nil
}

// takeUpTime is how long a running app may take to serve new profiles.
const takeUpTime = 5 * time.Second

// takenUp has a running app serve new profiles, so that they have their ports.
func takenUp(c *cobra.Command, all []*translation) (running bool, err error) {
	app, err := dialApp(c)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(c.Context(), takeUpTime)
	defer cancel()
	err = app.Do(ctx, supervisor.Action{Verb: supervisor.Reload})
	if errors.Is(err, control.ErrNotRunning) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for s := range app.Watch(ctx) {
		served := func(t *translation) bool {
			row := s.Profile(t.profile)
			return row != nil && row.URL != ""
		}
		if !slices.ContainsFunc(all, func(t *translation) bool { return !served(t) }) {
			break
		}
	}
	return true, nil
}

// lasting is a profile as clients are to see it. A running app has the say about its port,
// and writes it down a moment after it serves the profile.
func (s *session) lasting(ctx context.Context, p profile.Profile, running bool) (clientconfig.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for running && p.Listen == "" {
		entry, err := s.entry(p, portKnown)
		if err != nil || entry.URL != "" {
			return entry, err
		}
		select {
		case <-ctx.Done():
			running = false
		case <-time.After(saveAfter):
		}
	}
	return s.entry(p, portChosen)
}

// afterSwap says what is left to do, for the entries that use our profiles now.
func (s *session) afterSwap(c *cobra.Command, all []*translation, ids []string) error {
	said := c.ErrOrStderr()
	used, undos := map[string]bool{}, []string{}
	for _, id := range ids {
		entries, err := s.editor.Servers(id)
		if err != nil {
			return err
		}
		swapped := false
		for _, t := range all {
			if slices.ContainsFunc(entries, func(e clientconfig.Server) bool { return e.Profile == t.profile }) {
				used[t.profile], swapped = true, true
			}
		}
		if swapped {
			undos = append(undos, "mcpauth-tray clients undo "+id)
		}
	}
	if len(undos) == 0 {
		return nil
	}
	app, err := dialApp(c)
	if err != nil {
		return err
	}
	now, err := app.Snapshot(c.Context())
	if err != nil {
		fmt.Fprintln(said, "Next: start the app, with mcpauth-tray")
	}
	for _, p := range s.config.Profiles {
		if used[p.Name] && needsSignIn(p, now) {
			fmt.Fprintln(said, "Next: sign in, with mcpauth-tray signin "+p.Name)
		}
	}
	for _, line := range undos {
		fmt.Fprintln(said, "To take it back: "+line)
	}
	return nil
}

// needsSignIn reports that a profile is not signed in, as far as is known. now is nil
// when the app does not run.
func needsSignIn(p profile.Profile, now *status.Snapshot) bool {
	if !slices.Contains([]string{profile.MethodAuto, profile.MethodBrowser}, p.SignIn.Method) {
		return false
	}
	if now == nil {
		return true
	}
	row := now.Profile(p.Name)
	return row == nil || row.Phase != status.Ready
}
