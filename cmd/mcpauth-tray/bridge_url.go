package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/stdio"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// envBackendURL is where authful-mcp-proxy finds the URL it is not told.
const envBackendURL = "MCP_BACKEND_URL"

// othersInterval is how often a bridge that is signed out looks whether another one to the
// same server has signed in.
const othersInterval = 2 * time.Second

// runBridgeURL is a bridge to a server that is in no profiles.yaml. The app for it is in this
// process: its one profile, a port that nobody else is told, and the sign-ins of all such
// bridges.
func runBridgeURL(c *cobra.Command, args []string, level string) error {
	at, err := translateBridge(c, args, level)
	if err != nil {
		return err
	}
	name, level := at.name, at.level
	o, err := newOneOff(c, at)
	if err != nil {
		return err
	}
	if c.Flags().Changed("oidc-client-secret") && level != "error" {
		fmt.Fprintln(c.ErrOrStderr(), "--oidc-client-secret: other programs can read it in the list of processes; OIDC_CLIENT_SECRET keeps it out of there")
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(c.Context()))
	ended := o.start(ctx)
	err = carry(c, stdio.Options{Name: name, Logger: o.log, Upstream: o, Wanted: o.first.request})
	stop()
	<-ended
	return err
}

// bridgedURL is a server that is in no profiles.yaml, with what the command line and the
// variables say of it.
type bridgedURL struct {
	*translation
	name  string // of the one profile
	level string // of the log
}

func translateBridge(c *cobra.Command, args []string, level string) (*bridgedURL, error) {
	t := newTranslation(authful())
	t.given(c.Flags())
	if len(args) == 1 {
		t.apply(t.system.find("URL"), args)
	} else {
		t.by["target"] = envBackendURL
	}
	b := &bridgedURL{translation: t, name: nameOf(t.target(), "server")}
	t.done(b.name)
	if lost := t.lost(); lost != nil {
		return nil, usageError{error: lost, command: c.CommandPath()}
	}
	var err error
	b.level, err = t.bridgeLevel(c, level)
	return b, err
}

// bridgeLevel is the level that authful-mcp-proxy's options ask for.
func (t *translation) bridgeLevel(c *cobra.Command, level string) (string, error) {
	silent, _ := c.Flags().GetBool(flagSilent)
	loud, _ := c.Flags().GetBool(flagDebug)
	switch {
	case silent && loud:
		return "", usageError{errors.New("--debug and --silent: give one of them"), c.CommandPath()}
	case c.Flags().Changed(flagLogLevel):
		return level, nil
	case silent:
		return "error", nil
	case t.debug:
		return "debug", nil
	}
	return level, nil
}

// inOptions says what is wrong with the draft of a profile in words of the options that it
// was made from: there is no profile that the person knows of.
func (t *translation) inOptions(name string, wrong error) error {
	var draft *profile.DraftError
	if !errors.As(wrong, &draft) {
		return wrong
	}
	var said []string
	for _, p := range draft.Problems {
		text := strings.TrimPrefix(p.Message, fmt.Sprintf("profile %q: ", name))
		key, rest, _ := strings.Cut(text, " ")
		if option := cmp.Or(t.by[key], t.by[key+"_file"]); option != "" {
			text = option + ": " + rest
		}
		said = append(said, text)
	}
	return errors.New(strings.Join(said, "; "))
}

// oneOff is the app of a bridge to a URL.
type oneOff struct {
	*bridgedProfile
	log   *slog.Logger
	world *world
	sup   *supervisor.Supervisor
	first firstRequest
	out   atomic.Bool // nobody is signed in
}

func newOneOff(c *cobra.Command, b *bridgedURL) (*oneOff, error) {
	log := bridgeLog(c, b.level)
	config, w, err := b.settle(c, log)
	if err != nil {
		return nil, err
	}
	w.action = "Call the sign-in tool of this server, or finish in the browser if a page is open"
	o := &oneOff{log: log, world: w}
	o.sup = supervisor.New(supervisor.Options{File: config.File, Logger: log,
		Effects: w.effects(func(context.Context) error { return nil }, func() {})})
	o.sup.Apply(config)
	o.bridgedProfile = &bridgedProfile{apps: []engine{inProcess{o.sup}}, name: b.name, said: c.ErrOrStderr()}
	return o, nil
}

// settle makes the one profile, and the world with the sign-ins of all such bridges.
func (b *bridgedURL) settle(c *cobra.Command, log *slog.Logger) (*profile.Config, *world, error) {
	folders, err := bridgeFolders(c)
	if err != nil {
		return nil, nil, err
	}
	// Whoever does not know the path cannot use the port, also where other users of the
	// computer cannot be told apart.
	b.draft["listen"], b.draft["path"] = "127.0.0.1:0", "/"+rand.Text()
	config, err := inMemoryProfile(folders.Profiles, b.name, b.translation, usualSettings(c, paths{Folders: folders}))
	var usage usageError
	if errors.As(err, &usage) {
		return nil, nil, usageError{b.inOptions(b.name, usage.error), c.CommandPath()}
	}
	if err != nil {
		return nil, nil, err
	}
	w, err := newWorld(log, filepath.Join(folders.State, "bridge"))
	return config, w, err
}

// start serves until ctx ends. The channel is closed when everything is finished and saved.
func (o *oneOff) start(ctx context.Context) <-chan struct{} {
	ended := make(chan struct{})
	var parts sync.WaitGroup
	o.first.start = func() { parts.Go(func() { o.signInOnRequest(ctx) }) }
	parts.Go(func() {
		if err := o.sup.Run(ctx); err != nil {
			o.log.Error("the server is not served any more", "error", err)
		}
	})
	parts.Go(func() { o.lookForOthers(ctx) })
	go func() {
		defer close(ended)
		<-ctx.Done()
		parts.Wait()
		if err := o.world.close(); err != nil {
			o.log.Error("the bridge ended before everything was saved", "error", err)
		}
	}()
	return ended
}

// Watch implements stdio.Upstream.
func (o *oneOff) Watch(ctx context.Context) iter.Seq[stdio.Endpoint] {
	return func(yield func(stdio.Endpoint) bool) {
		for e := range o.bridgedProfile.Watch(ctx) {
			o.out.Store(e.State == stdio.SignedOut)
			o.first.see(e)
			if !yield(e) {
				return
			}
		}
	}
}

// signInOnRequest has the person sign in because a request needs it.
func (o *oneOff) signInOnRequest(ctx context.Context) {
	if _, _, err := o.SignIn(ctx); err != nil && ctx.Err() == nil {
		o.log.Info("nobody signed in for a request", "error", err)
	}
}

// lookForOthers takes part in a sign-in that another bridge to the same server got.
func (o *oneOff) lookForOthers(ctx context.Context) {
	tick := time.NewTicker(othersInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if o.out.Load() {
			o.world.lookAgain(ctx)
		}
	}
}

// firstRequest opens the browser for the first request that needs a sign-in: one time for each
// time that the sign-in is gone. When nothing comes of it, further requests open no other page.
type firstRequest struct {
	start func() // must not wait

	mu     sync.Mutex
	wished bool // a request needs the server
	needed bool // a person has to sign in
	spent  bool
}

func (f *firstRequest) request() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wished = true
	f.look()
}

func (f *firstRequest) see(e stdio.Endpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.State == stdio.Ready {
		f.wished, f.spent = false, false
	}
	f.needed = e.State == stdio.SignedOut && e.Reason == string(status.NotSignedIn)
	f.look()
}

func (f *firstRequest) look() {
	if f.wished && f.needed && !f.spent {
		f.spent = true
		f.start()
	}
}
