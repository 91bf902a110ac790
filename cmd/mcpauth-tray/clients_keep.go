package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/clientconfig"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// How often a keeper looks whether a client that has to quit first has, how soon it looks
// after a write whether the client left it alone, and how often it looks at all. To look
// is to stat: files are opened only when they changed.
const (
	quitPoll  = 2 * time.Second
	afterPoll = 5 * time.Second
	slowPoll  = time.Minute
)

// keeper keeps the config files of MCP clients as the profiles want them. Its keep is
// called by one goroutine at a time.
type keeper struct {
	editor *clientconfig.Editor
	log    *slog.Logger

	wishes  []supervisor.Wish // carried out last
	waiting map[string]bool   // clients that have to quit before something is written
	risky   map[string]bool   // clients that may lose what was written while they ran
	failed  bool              // something is worth another try
	seen    map[string]stamp  // files, as they were when they were opened, and installed clients by id
	lookAt  time.Time         // when to look at them next
	shown   []status.Client
}

// stamp tells contents of a file apart without opening it.
type stamp struct {
	size, modified int64
	mode           os.FileMode
	there, folder  bool // the file is, and the folder for it
}

func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err == nil {
		return stamp{size: info.Size(), modified: info.ModTime().UnixNano(), mode: info.Mode(), there: true, folder: true}
	}
	_, err = os.Stat(filepath.Dir(file))
	return stamp{folder: err == nil}
}

func newKeeper(p paths, log *slog.Logger) (*keeper, error) {
	editor, err := openEditor(p, log)
	return &keeper{editor: editor, log: log}, err
}

// keep is supervisor.Effects.WriteClients.
func (k *keeper) keep(ctx context.Context, t supervisor.ClientTask) supervisor.ClientOutcome {
	out := supervisor.ClientOutcome{Answers: make([]error, len(t.Requests))}
	if len(t.Requests) > 0 || !reflect.DeepEqual(t.Wishes, k.wishes) || k.stirs() {
		k.wishes = t.Wishes
		k.pass(ctx, t.Requests, out.Answers)
	}
	out.Clients, out.Again = k.shown, max(time.Until(k.lookAt), time.Second)
	if len(k.waiting) > 0 {
		out.Again = quitPoll
	}
	return out
}

// stirs reports that something may have happened. It opens no file of a client.
func (k *keeper) stirs() bool {
	for id := range k.waiting {
		if !k.editor.Running(id) {
			return true
		}
	}
	if time.Now().Before(k.lookAt) {
		return false
	}
	k.lookAt = time.Now().Add(slowPoll)
	for id := range k.risky {
		if !k.editor.Running(id) {
			return true
		}
	}
	now := k.installed()
	for file := range k.seen {
		if filepath.IsAbs(file) {
			now[file] = stampOf(file)
		}
	}
	return k.failed || !maps.Equal(k.seen, now)
}

// installed is a stamp for each client that is installed, by its id.
func (k *keeper) installed() map[string]stamp {
	there := map[string]stamp{}
	for _, id := range clientIDs(func(c *clientconfig.Client) bool { return !c.ByHand && k.editor.Installed(c.ID) }) {
		there[id] = stamp{there: true}
	}
	return there
}

// pass does what people ask for, makes every config right, and notes how they stand.
func (k *keeper) pass(ctx context.Context, requests []supervisor.Action, answers []error) {
	before := k.shown
	k.waiting, k.risky, k.failed, k.shown = map[string]bool{}, map[string]bool{}, false, []status.Client{}
	k.seen, k.lookAt = k.installed(), time.Now().Add(slowPoll)
	k.resume(ctx)
	for i, a := range requests {
		if a.Verb == supervisor.WriteClients {
			answers[i] = k.order(ctx, a)
		}
	}
	written, _ := k.editor.Written() // an error is one of every write as well
	for _, c := range clientconfig.Clients() {
		if !c.ByHand {
			k.client(ctx, c, slices.Contains(written, c.ID))
		}
	}
	for _, c := range k.shown {
		if ctx.Err() == nil && c.Detail != "" && !slices.ContainsFunc(before, func(b status.Client) bool { return b.File == c.File && b.Detail == c.Detail }) {
			k.log.Warn("a client's config needs attention", "client", c.ID, "file", c.File, "detail", c.Detail)
		}
	}
}

// resume carries out what waited for a client to quit, if it has, unless the client or the
// profile is gone since.
func (k *keeper) resume(ctx context.Context) {
	orders, _ := k.editor.Orders() // an error is one of every write as well
	for _, o := range orders {
		var err error
		at := slices.IndexFunc(k.wishes, func(w supervisor.Wish) bool { return w.Profile == o.Profile })
		if at >= 0 && k.seen[o.Client].there {
			err = k.put(ctx, o.Client, clientconfig.Task{Set: []clientconfig.Entry{entryOf(k.wishes[at])}, Asked: o.Asked})
		}
		if errors.Is(err, clientconfig.ErrRunning) || ctx.Err() != nil {
			continue
		}
		if err = errors.Join(err, k.editor.Cancel(ctx, o.Client, o.Profile)); err != nil {
			k.log.Warn("a client's config could not be written", "client", o.Client, "profile", o.Profile, "error", err)
		}
	}
}

// order writes what a person asked for. What has to wait for the client to quit is
// remembered.
func (k *keeper) order(ctx context.Context, a supervisor.Action) error {
	t := clientconfig.Task{Anyway: a.Force, Asked: a.Profile == ""}
	for _, w := range k.wishes {
		if a.Profile == w.Profile || a.Profile == "" && !w.Idle && slices.Contains(w.Clients, a.Client) {
			t.Set = append(t.Set, entryOf(w))
		}
	}
	switch {
	case len(t.Set) > 0:
	case a.Profile == "":
		return &supervisor.Fault{Detail: "no profile asks for " + a.Client, Action: "Name a profile, or the client in profiles.yaml"}
	default:
		return nil // it is gone since
	}
	err := k.put(ctx, a.Client, t)
	if errors.Is(err, clientconfig.ErrRunning) {
		orders := make([]clientconfig.Order, len(t.Set))
		for i, e := range t.Set {
			orders[i] = clientconfig.Order{Client: a.Client, Profile: e.Profile, Asked: t.Asked}
		}
		err = k.editor.Order(ctx, orders...)
	}
	if own := (*clientconfig.Error)(nil); errors.As(err, &own) {
		return &supervisor.Fault{Detail: own.Summary, Action: own.Hint, Err: err}
	}
	return err
}

// put is write for what a person asked for.
func (k *keeper) put(ctx context.Context, id string, t clientconfig.Task) error {
	changes, err := k.write(ctx, id, t)
	for _, c := range changes {
		err = errors.Join(err, c.Err)
	}
	return err
}

// write carries a task out, and notes when to look what became of it.
func (k *keeper) write(ctx context.Context, id string, t clientconfig.Task) ([]clientconfig.Change, error) {
	plans, err := k.editor.Write(ctx, id, t)
	if errors.Is(err, clientconfig.ErrRunning) {
		k.waiting[id] = true
	}
	var changes []clientconfig.Change
	for _, p := range plans {
		changes = append(changes, p.Changes...)
		if err == nil && p.Client.Quit && p.Writes() {
			k.lookAt = time.Now().Add(afterPoll)
		}
	}
	return changes, err
}

func entryOf(w supervisor.Wish) clientconfig.Entry {
	return clientconfig.Entry{Profile: w.Profile, URL: w.URL}
}

// task is what is to become of a client's config. Nothing is written for a client that is
// gone, but what is ours is still taken out.
func (k *keeper) task(id string, installed bool) clientconfig.Task {
	t := clientconfig.Task{Asked: true, Auto: true, Gone: func(profile string) bool {
		return !slices.ContainsFunc(k.wishes, func(w supervisor.Wish) bool { return w.Profile == profile })
	}}
	for _, w := range k.wishes {
		switch asks := slices.Contains(w.Clients, id); {
		case !asks:
			t.Unasked = append(t.Unasked, entryOf(w))
		case !installed:
		case w.Idle:
			t.Keep = append(t.Keep, entryOf(w))
		default:
			t.Set = append(t.Set, entryOf(w))
		}
	}
	return t
}

// client makes the config of one client right, and notes how it stands. A config that
// nobody asks for and that has nothing of ours is not opened.
func (k *keeper) client(ctx context.Context, c *clientconfig.Client, written bool) {
	id, installed := c.ID, k.seen[c.ID].there
	view := &clientView{k: k, client: c}
	t := k.task(id, installed)
	if len(t.Set) == 0 && !written && !k.waiting[id] {
		if installed {
			k.shown = append(k.shown, view.unopened(k.editor.Files(id)))
		}
		return
	}
	var err error
	if view.changes, err = k.write(ctx, id, t); err != nil && !errors.Is(err, clientconfig.ErrRunning) {
		view.err = err
		k.failed = k.failed || !errors.Is(err, clientconfig.ErrUnreadable)
	}
	for _, file := range k.editor.Files(id) {
		k.seen[file] = stampOf(file)
	}
	if !installed {
		return
	}
	entries := make([]clientconfig.Entry, len(k.wishes))
	for i, w := range k.wishes {
		entries[i] = entryOf(w)
	}
	rows, err := k.editor.Look(id, entries)
	if err != nil {
		unread := view.unopened(k.editor.Files(id))
		unread.State, unread.Detail = status.ClientUnreadable, explained(err)
		k.shown = append(k.shown, unread)
	}
	for _, row := range rows {
		k.shown = append(k.shown, view.show(row))
	}
}
