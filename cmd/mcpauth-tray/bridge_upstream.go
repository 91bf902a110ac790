package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/desktop"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/stdio"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

const (
	// appInterval is how often a bridge looks for an app that does not run.
	appInterval = time.Second
	// signInTime is how long the sign-in tool waits for the person. Clients give a tool
	// a minute, some only half of that.
	signInTime = 25 * time.Second
	// openPause keeps a client that calls the tool again and again from opening as
	// many pages. Meanwhile it gets the link.
	openPause = 30 * time.Second
)

// bridgedApps are the places where the running app may listen. The environment of a
// client is often not that of the session in which the app runs.
func bridgedApps(c *cobra.Command) ([]engine, error) {
	folders, err := bridgeFolders(c)
	if err != nil {
		return nil, err
	}
	var apps []engine
	var before string
	for _, runtime := range []string{folders.Runtime, ""} {
		socket, err := control.Path(folders.State, runtime)
		if err != nil {
			return nil, err
		}
		if socket != before {
			apps = append(apps, control.Dial(socket))
		}
		before = socket
	}
	return apps, nil
}

// bareEnv is the environment, with what a client may have left out.
func bareEnv(name string) string {
	if value := environment(name); value != "" {
		return value
	}
	switch name {
	case "LocalAppData":
		return filepath.Join(home(), "AppData", "Local")
	case "AppData":
		return filepath.Join(home(), "AppData", "Roaming")
	case "XDG_RUNTIME_DIR":
		return filepath.Join("/run/user", strconv.Itoa(os.Getuid()))
	}
	return ""
}

// bridgeFolders are the usual folders, also in the bare environment of a client.
func bridgeFolders(c *cobra.Command) (desktop.Folders, error) {
	state, err := c.Flags().GetString(flagStateDir)
	if err != nil {
		return desktop.Folders{}, err
	}
	profiles, err := c.Flags().GetString(flagProfiles)
	if err != nil {
		return desktop.Folders{}, err
	}
	return desktop.Locate(bareEnv, profiles, state)
}

// inProcess is an app in this process.
type inProcess struct{ supervisor.Engine }

// Stream implements engine.
func (p inProcess) Stream(ctx context.Context) iter.Seq2[*status.Snapshot, error] {
	return func(yield func(*status.Snapshot, error) bool) {
		for snap := range p.Watch(ctx) {
			if !yield(snap, nil) {
				return
			}
		}
		yield(nil, cmp.Or(ctx.Err(), control.ErrNotRunning))
	}
}

// bridgedProfile is a profile of the app, as a bridge sees it.
type bridgedProfile struct {
	apps    []engine
	name    string
	starter *appStart // nil: the app is in this process
	said    io.Writer // gets the links of sign-ins; nil: nobody

	mu      sync.Mutex
	opened  time.Time      // when a page was last opened
	failing bool           // nothing came of the sign-in that it was for
	last    stdio.Endpoint // that was told
}

var _ stdio.Upstream = (*bridgedProfile)(nil)

// Watch implements stdio.Upstream. An app that is not there is looked for until it is.
func (p *bridgedProfile) Watch(ctx context.Context) iter.Seq[stdio.Endpoint] {
	return func(yield func(stdio.Endpoint) bool) {
		var last *stdio.Endpoint
		tell := func(e stdio.Endpoint) bool {
			if last != nil && *last == e {
				return true
			}
			last = &e
			p.note(e)
			return yield(e)
		}
		for ctx.Err() == nil {
			var lost error
			for _, app := range p.apps {
				for snap, err := range app.Stream(ctx) {
					if err != nil {
						lost = err
						break
					}
					if !tell(endpointOf(snap, p.name)) {
						return
					}
				}
			}
			if last == nil && errors.Is(lost, control.ErrNotRunning) {
				p.starter.begin() // one that ran and is gone was ended by somebody
			}
			if ctx.Err() != nil || !tell(p.starter.explain(absent(lost))) {
				return
			}
			select {
			case <-time.After(appInterval):
			case <-p.starter.over():
			case <-ctx.Done():
			}
		}
	}
}

func absent(err error) stdio.Endpoint {
	e := stdio.Endpoint{
		State: stdio.Absent, Says: "mcpauth-tray is not running", Action: "Start mcpauth-tray",
		Code: status.ShuttingDown.RPC(), Reason: "not_running",
	}
	if err != nil && !errors.Is(err, control.ErrNotRunning) {
		e.Says, e.Action = printable(err.Error()), ""
	}
	return e
}

// What the sign-in tool does where no sign-in is possible, and where one may be.
const (
	noHelp  = "Until that is changed no sign-in is possible, and this tool can only say so."
	perhaps = "This tool tries to sign in: if that can begin, a page opens in the browser of the person at this computer, who confirms there."
)

// helps says what the sign-in tool does about a code; about others, perhaps.
var helps = map[status.Code]string{
	status.NotSignedIn:   "", // as usual
	status.SignInRunning: "",
	status.SignInFailed:  "",
	status.Busy:          "",

	status.SecretStoreLocked: "This tool has the person at this computer asked to unlock it; a page for the sign-in opens only if it is needed after that.",
	status.SecretStoreAbsent: noHelp,
	status.PausedByUser:      noHelp,
	status.Disabled:          noHelp,
	status.ListenFailed:      noHelp,
	status.ProfileError:      noHelp,
}

// states says what a phase means for a bridge.
var states = map[status.Phase]stdio.State{
	status.Stopped:      stdio.SignedOut,
	status.Starting:     stdio.Settling,
	status.Ready:        stdio.Ready,
	status.SignInNeeded: stdio.SignedOut,
	status.SigningIn:    stdio.Shaky,
	status.Backoff:      stdio.Shaky,
}

// endpointOf is what a Snapshot says of the profile.
func endpointOf(s *status.Snapshot, name string) stdio.Endpoint {
	row := s.Profile(name)
	if row == nil {
		e := stdio.Endpoint{
			State: stdio.Unknown, Says: "mcpauth-tray has no profile of this name", Action: "Add it to profiles.yaml, or correct the name in the client",
			Code: status.ProfileError.RPC(), Reason: string(status.ProfileError), Helps: noHelp,
		}
		if s.Config.Error != nil {
			e.State, e.Says, e.Action = stdio.SignedOut, "profiles.yaml has an error: "+printable(s.Config.Error.Message), "Correct the file"
		}
		return e
	}
	if row.Phase == status.Ready && row.URL != "" {
		return stdio.Endpoint{State: stdio.Ready, URL: row.URL}
	}
	code := cmp.Or(row.Code, status.Busy)
	does, known := helps[code]
	if !known {
		does = perhaps
	}
	e := stdio.Endpoint{
		State: states[row.Phase], URL: row.URL, Says: row.Name + ": " + printable(row.Summary),
		Action: printable(row.Action), Code: code.RPC(), Reason: string(code), Helps: does,
	}
	if row.Detail != "" {
		e.Says += " (" + printable(row.Detail) + ")"
	}
	if row.URL == "" && e.State != stdio.Settling {
		e.State = stdio.SignedOut
	}
	return e
}

// SignIn implements stdio.Upstream. The page is opened here: the client that asked is a
// face like any other, and its person confirms on the page.
func (p *bridgedProfile) SignIn(ctx context.Context) (says string, done bool, err error) {
	within, cancel := context.WithTimeout(ctx, signInTime)
	defer cancel()
	for _, app := range p.apps {
		var prompt *status.Prompt
		shown := false
		s := signIn{profile: p.name, wait: true, said: io.Discard, open: func(at *status.Prompt) error {
			prompt = at
			if shown = p.show(within, app, at); !shown {
				cancel() // the link is all there is: it must not be late
			}
			return nil
		}}
		err = s.run(within, app)
		switch {
		case err == nil:
			p.finished(true)
			return fmt.Sprintf("Signed in to %s.", p.name), true, nil
		case prompt != nil && within.Err() != nil && ctx.Err() == nil:
			return howToGoOn(p.name, prompt, shown), false, nil
		case within.Err() != nil && ctx.Err() == nil:
			return fmt.Sprintf("The sign-in to %[1]s has begun, and there is no page for it yet. If another program on this computer "+
				"has opened one, finish it there. Afterwards the tools of %[1]s appear by themselves.", p.name), false, nil
		case !errors.Is(err, control.ErrNotRunning):
			p.finished(false)
			return "", false, p.failed(err)
		}
	}
	return "", false, p.failed(err)
}

// show opens the page and says whether one is open. Clients give their servers few
// variables: where that is not enough to reach the desktop, the app opens it.
func (p *bridgedProfile) show(ctx context.Context, app engine, at *status.Prompt) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	recently := !p.opened.IsZero() && time.Since(p.opened) < openPause
	if recently && !p.failing {
		return true
	}
	if p.said != nil {
		fmt.Fprintf(p.said, "Sign in to %s at\n%s\n", p.name, printable(at.URL))
	}
	if at.LinkOnly || recently {
		return false
	}
	if err := app.Do(ctx, supervisor.Action{Verb: supervisor.Claim, Profile: p.name}); errors.Is(err, supervisor.ErrNotNow) {
		return true
	}
	err := desktop.OpenURL(at.URL)
	if err != nil && p.starter != nil {
		err = app.Do(ctx, supervisor.Action{Verb: supervisor.Page, Profile: p.name})
	}
	if err != nil {
		return false
	}
	p.opened, p.failing = time.Now(), false
	return true
}

// finished notes that the page has done its work: the next sign-in needs one of its own, at
// once if this one worked.
func (p *bridgedProfile) finished(worked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failing = !worked
	if worked {
		p.opened = time.Time{}
	}
}

func howToGoOn(name string, at *status.Prompt, shown bool) string {
	how := "Open this page:"
	if shown {
		how = "Continue in the browser, or open this page:"
	}
	says := fmt.Sprintf("The sign-in to %s waits for the person at this computer. %s\n%s\n", name, how, at.URL)
	if at.UserCode != "" {
		says += "Code to enter there: " + at.UserCode + "\n"
	}
	return says + "Afterwards the tools of " + name + " appear by themselves."
}

// note remembers how the profile stands.
func (p *bridgedProfile) note(e stdio.Endpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = e
}

func (p *bridgedProfile) failed(err error) error {
	if errors.Is(err, control.ErrNotRunning) {
		e := p.starter.explain(absent(err))
		return fmt.Errorf("%s. %s; the tools appear by themselves then", e.Says, e.Action)
	}
	if errors.Is(err, supervisor.ErrNotNow) || errors.Is(err, supervisor.ErrUnknownProfile) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.last.Says != "" {
			return errors.New(joined(p.last.Says, p.last.Action))
		}
	}
	_, hint := described(err)
	return errors.New(joined(printable(err.Error()), hint))
}

// joined is what is wrong, and what to do about it if that is known.
func joined(says, hint string) string {
	if hint == "" {
		return says
	}
	return says + ". " + hint
}
