package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/desktop"
	"github.com/mcpauth-tray/mcpauth-tray/internal/guard"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
	"github.com/mcpauth-tray/mcpauth-tray/internal/tray"
)

// application is the running app: every long-lived part, joined.
type application struct {
	options appOptions
	log     *slog.Logger
	world   *world
	sup     *supervisor.Supervisor
	watcher *profile.Watcher // nil: there is no file
	quit    context.CancelFunc
}

func newApplication(o appOptions, log *slog.Logger, level *slog.LevelVar) (*application, error) {
	w, err := newWorld(log, o.State)
	if err != nil {
		return nil, err
	}
	w.action = o.signIn
	if o.level == "" {
		w.level = level
	}
	a := &application{options: o, log: log, world: w}
	if o.config == nil {
		a.watcher = profile.NewWatcher(o.Profiles, profile.WatchOptions{Logger: log}, a.applied)
	}
	effects := w.effects(a.reload, func() { a.quit() })
	if err := lastingProgram(); err != nil && o.keepClients {
		a.notice("The configs of MCP clients are left alone: " + err.Error() + ".")
		o.keepClients = false
	}
	if o.keepClients {
		k, err := newKeeper(o.paths, log)
		if err != nil {
			return nil, err
		}
		effects.WriteClients = k.keep
	}
	a.sup = supervisor.New(supervisor.Options{File: o.Profiles, Logger: log, Effects: effects})
	return a, nil
}

// run serves until ctx ends or somebody quits, then ends everything: no new requests, those
// in flight drained, and meanwhile renewals in flight saved.
func (a *application) run(ctx context.Context) error {
	ctx, a.quit = context.WithCancel(ctx)
	defer a.quit()
	if a.options.readyFile != "" {
		_ = os.Remove(a.options.readyFile) // an earlier start's says nothing of this one
	}
	if err := a.load(); err != nil {
		return err
	}
	if note := guard.PeerNote(); note != "" {
		a.notice(note)
	}
	socket, err := control.Listen(a.options.Socket)
	if err != nil {
		return err
	}
	defer socket.Close()
	parts, ctx := errgroup.WithContext(ctx)
	saved := make(chan error, 1)
	context.AfterFunc(ctx, func() { saved <- a.save() })
	parts.Go(func() error { return a.sup.Run(ctx) })
	if a.watcher != nil {
		parts.Go(func() error { return a.watcher.Run(ctx) })
	}
	parts.Go(func() error { return a.serveControl(ctx, socket) })
	parts.Go(func() error { return a.writeReady(ctx) })
	if a.options.with != nil {
		parts.Go(func() error { defer a.quit(); return a.options.with(ctx, a) })
	}
	a.showTray(ctx)
	err = parts.Wait()
	a.world.background.Wait()
	if unsaved := <-saved; unsaved != nil {
		a.log.Error("the app ended before everything was finished", "error", unsaved)
	}
	return err
}

// silence is how long an end may take without a word.
const silence = 500 * time.Millisecond

// save closes the world, and says so when that takes a while.
func (a *application) save() error {
	timer := time.AfterFunc(silence, func() {
		if hosts := a.world.awaited(); len(hosts) > 0 {
			a.notice(fmt.Sprintf("Waiting for %s to answer, for %s at most, so that no sign-in is lost. Interrupt again to end at once.",
				strings.Join(hosts, ", "), saveTime))
		}
	})
	defer timer.Stop()
	return a.world.close()
}

func (a *application) serveControl(ctx context.Context, socket net.Listener) error {
	return control.NewServer(a.sup, a.log).Serve(ctx, socket)
}

// showTray shows the tray on this, the main, goroutine until ctx ends.
func (a *application) showTray(ctx context.Context) {
	if a.options.noTray {
		return
	}
	err := tray.Run(ctx, a.sup, tray.Desktop{
		OpenURL:  desktop.OpenURL,
		OpenFile: desktop.OpenFile,
		Copy:     desktop.Copy,
		Notify:   a.notify,

		EditClient: a.editClient,
	}, tray.Options{Notice: a.notice, Logger: a.log, SessionEnd: a.sessionEnd})
	if err != nil {
		a.notice(fmt.Sprintf("%v. The app runs on; use mcpauth-tray status, signin and quit.", err))
	}
}

// notice tells the person at the terminal, once each, what they would otherwise look for in vain.
func (a *application) notice(text string) { fmt.Fprintln(a.options.stderr, text) }

func (a *application) notify(title, body string) {
	if err := desktop.Notify(title, body); err != nil {
		a.log.Warn("no notification could be shown", "title", title, "error", err)
	}
}

// sessionEnd has little time: what matters is that no renewal is cut off.
func (a *application) sessionEnd() {
	a.quit()
	if err := a.world.close(); err != nil {
		a.log.Error("the session ended before everything was saved", "error", err)
	}
}

// writeStarter writes a commented profiles.yaml at the very first start.
func (a *application) writeStarter() error {
	file := a.options.Profiles
	if a.options.ownProfiles {
		return nil
	}
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("cannot create the folder of profiles.yaml: %w", err)
	}
	if err := writeAtomic(filepath.Join(filepath.Dir(file), schemaFile), profile.Schema()); err != nil {
		return fmt.Errorf("cannot write the schema of profiles.yaml: %w", err)
	}
	if err := writeAtomic(file, profile.Starter(schemaFile)); err != nil {
		return fmt.Errorf("cannot write the first profiles.yaml: %w", err)
	}
	a.notice("Wrote a commented " + file + "; add your servers there.")
	return nil
}

// load puts the first profiles in force. With a tray an invalid file is shown there.
func (a *application) load() error {
	if a.watcher == nil {
		a.sup.Apply(a.options.config)
		return nil
	}
	sweep(a.options.Profiles)
	if err := a.writeStarter(); err != nil {
		return err
	}
	if _, err := a.watcher.Reload(); err != nil && a.options.noTray {
		return err
	}
	return nil
}

// reload is the person's "now"; the outcome reaches the supervisor through applied.
func (a *application) reload(context.Context) error {
	if a.watcher == nil {
		return nil
	}
	if _, err := a.watcher.Reload(); err != nil {
		return fmt.Errorf("%w: %w", supervisor.ErrInvalidConfig, err)
	}
	return nil
}

// applied hands each new content of profiles.yaml to the supervisor.
func (a *application) applied(c *profile.Config, err error) {
	if err != nil {
		problems := describe(a.options.Profiles, err)
		a.log.Error("profiles.yaml was not applied", "problem", problems[0].Message, "line", problems[0].Line, "column", problems[0].Column)
		a.sup.Reject(problems)
		return
	}
	for _, w := range c.Warnings {
		a.log.Warn("profiles.yaml: " + w.Error())
	}
	a.log.Info("profiles.yaml applied", "profiles", len(c.Profiles))
	a.sup.Apply(c)
}

// describe turns complaints about profiles.yaml into what a Snapshot shows.
func describe(file string, err error) []status.Problem {
	var complaints profile.Errors
	if !errors.As(err, &complaints) {
		return []status.Problem{{Message: err.Error(), File: file}}
	}
	problems := make([]status.Problem, len(complaints))
	for i, c := range complaints {
		problems[i] = status.Problem{Message: c.Message, File: c.File, Line: c.Line, Column: c.Column}
		if c.Hint != "" {
			problems[i].Message += "; " + c.Hint
		}
	}
	return problems
}

// writeReady writes the ready file once every listener that can be up is up.
func (a *application) writeReady(ctx context.Context) error {
	if a.options.readyFile == "" {
		return nil
	}
	for snap := range a.sup.Watch(ctx) {
		if !listening(snap) {
			continue
		}
		data, err := json.MarshalIndent(snap, "", "  ")
		if err != nil {
			return err
		}
		if err := writeAtomic(a.options.readyFile, append(data, '\n')); err != nil {
			return fmt.Errorf("cannot write the ready file: %w", err)
		}
		return nil
	}
	return nil
}

// listening reports that the first reconciliation is over: each enabled profile has
// its socket, or an error that says why not.
func listening(snap *status.Snapshot) bool {
	if snap.Config.LoadedAt.IsZero() {
		return snap.Config.Error != nil
	}
	for _, p := range snap.Profiles {
		if p.URL == "" && p.Phase != status.Stopped && p.Phase != status.Backoff {
			return false
		}
	}
	return true
}
