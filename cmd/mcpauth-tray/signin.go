package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/desktop"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

func newSignInCmd() *cobra.Command {
	var noBrowser, wait bool
	c := &cobra.Command{
		Use:   "signin PROFILE",
		Short: "Sign in to a profile's server",
		Long: `Starts a sign-in in the running app and opens the page for it, with the command in
BROWSER if that is set. With --no-browser, and for a profile with open_browser: false,
the page's address is printed instead.

It returns once the page is open. With --wait it returns when the sign-in is done: exit
code 0 when it worked, 1 when it failed, 4 when it ended without one.`,
		Args:              oneProfile,
		ValidArgsFunction: completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			app, err := dialApp(c)
			if err != nil {
				return err
			}
			s := signIn{profile: args[0], wait: wait, said: c.ErrOrStderr()}
			s.open = func(p *status.Prompt) error {
				if noBrowser || p.LinkOnly {
					_, err := fmt.Fprintln(c.OutOrStdout(), p.URL)
					return err
				}
				return desktop.OpenURL(p.URL)
			}
			return s.run(c.Context(), app)
		},
	}
	c.Flags().BoolVar(&noBrowser, "no-browser", false, "print the address instead of opening it")
	c.Flags().BoolVar(&wait, "wait", false, "return when the sign-in is done")
	return c
}

const (
	// freshTime is how long a sign-in that was under way already may take to show its new page.
	freshTime = 2 * time.Second
	// startTime is how long nothing at all may happen before that is taken for the outcome.
	startTime = time.Minute
)

// signIn is one sign-in as this face follows it.
type signIn struct {
	profile string
	wait    bool
	open    func(*status.Prompt) error // shows the page, at most once
	said    io.Writer                  // for the person

	before *status.Profile // the row before the sign-in was asked for
	opened bool
}

// engine is the app as a command sees it: in another process, or in this one.
type engine interface {
	// Stream yields the newest Snapshot at once and after each change, and why it ends.
	Stream(ctx context.Context) iter.Seq2[*status.Snapshot, error]
	Do(ctx context.Context, a supervisor.Action) error
}

// run asks for the sign-in and follows its row until there is nothing left to do.
func (s *signIn) run(ctx context.Context, app engine) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var err error
	if s.before, err = s.now(ctx, app); err != nil {
		return err
	}
	if err := app.Do(ctx, supervisor.Action{Verb: supervisor.SignIn, Profile: s.profile}); err != nil {
		return err
	}
	settle := time.NewTimer(startTime)
	if s.before.Prompt != nil {
		settle.Reset(freshTime)
	}
	defer settle.Stop()
	// Only now: what changed between the first look and Do is no outcome.
	rows, ended := s.follow(ctx, app)
	row := s.before
	for settled := false; ; {
		if done, err := s.look(row, settled); done {
			return err
		}
		select {
		case row = <-rows:
		case <-settle.C:
			settled = true
		case err := <-ended:
			if errors.Is(err, context.Canceled) {
				return errors.New("interrupted; the sign-in goes on in the app")
			}
			return err
		}
	}
}

// now is the profile's row.
func (s *signIn) now(ctx context.Context, app engine) (*status.Profile, error) {
	for snap, err := range app.Stream(ctx) {
		if err == nil {
			snap, err = only(snap, s.profile)
		}
		if err != nil {
			return nil, err
		}
		return &snap.Profiles[0], nil
	}
	return nil, ctx.Err()
}

// follow sends the profile's row, and again after each change, then why there are no more.
func (s *signIn) follow(ctx context.Context, app engine) (<-chan *status.Profile, <-chan error) {
	rows, ended := make(chan *status.Profile), make(chan error, 1)
	go func() {
		for snap, err := range app.Stream(ctx) {
			if err == nil {
				snap, err = only(snap, s.profile)
			}
			if err != nil {
				ended <- err
				return
			}
			select {
			case rows <- &snap.Profiles[0]:
			case <-ctx.Done():
				ended <- ctx.Err()
				return
			}
		}
	}()
	return rows, ended
}

// look does what a row asks for and says whether that was the end. The row may be one of
// before the sign-in: then it counts only once settled.
func (s *signIn) look(row *status.Profile, settled bool) (done bool, err error) {
	switch {
	case row.Phase == status.Starting:
		return false, nil
	case row.Phase != status.SigningIn:
		if s.opened || settled || !s.sameAsBefore(row) {
			return true, s.outcome(row)
		}
		return false, nil
	case s.opened || row.Prompt == nil:
		return false, nil
	case s.before.Prompt != nil && s.before.Prompt.URL == row.Prompt.URL && !settled:
		return false, nil
	}
	s.opened = true
	s.show(row.Prompt)
	return !s.wait, nil
}

func (s *signIn) sameAsBefore(row *status.Profile) bool {
	b := s.before
	return row.Phase == b.Phase && row.Since.Equal(b.Since) && row.Code == b.Code &&
		row.Summary == b.Summary && row.Detail == b.Detail
}

// show opens the page, or has the person do it.
func (s *signIn) show(p *status.Prompt) {
	if err := s.open(p); err != nil {
		fmt.Fprintf(s.said, "%s\nOpen this page to sign in to %s:\n%s\n", printable(err.Error()), s.profile, printable(p.URL))
	}
	if p.UserCode != "" {
		fmt.Fprintf(s.said, "Code to enter there: %s\n", printable(p.UserCode))
	}
	fmt.Fprintf(s.said, "Continue in the browser to sign in to %s.\n", s.profile)
}

// outcome is how the sign-in ended. Its errors carry code and next step of the row.
func (s *signIn) outcome(row *status.Profile) error {
	if row.Phase == status.Ready {
		fmt.Fprintf(s.said, "%s: %s.\n", s.profile, printable(row.Summary))
		return nil
	}
	f := &supervisor.Fault{Code: row.Code, Detail: s.profile + ": " + row.Summary, Action: row.Action}
	if row.Detail != "" {
		f.Detail += ": " + row.Detail
	}
	if row.Phase == status.SignInNeeded && row.Code == status.NotSignedIn {
		f.Err = errSignInNeeded
	}
	return f
}
