package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// scripted is an app behind a real control socket; each Action runs the script.
type scripted struct {
	feed   status.Feed
	serial uint64
	script func(a *scripted)
}

func (a *scripted) Watch(ctx context.Context) iter.Seq[*status.Snapshot] { return a.feed.Watch(ctx) }

func (a *scripted) Do(context.Context, supervisor.Action) error {
	a.script(a)
	return nil
}

func (a *scripted) show(p status.Profile) {
	a.serial++
	p.Name = "github"
	a.feed.Publish(&status.Snapshot{Serial: a.serial, Profiles: []status.Profile{p}})
}

func startScripted(t *testing.T, first status.Profile, script func(*scripted)) *control.Client {
	t.Helper()
	a := &scripted{script: script}
	a.show(first)
	path, err := control.Path(filepath.Join(t.TempDir(), "s"), "")
	if err != nil {
		t.Fatal(err)
	}
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- control.NewServer(a, nil).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := soon.Receive(t, ended, "the control socket to end"); err != nil {
			t.Error(err)
		}
	})
	return control.Dial(path)
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	needed := status.Profile{Phase: status.SignInNeeded, Code: status.NotSignedIn, Summary: "signed out", Since: at}
	signing := func(url string) status.Profile {
		return status.Profile{Phase: status.SigningIn, Summary: "signing in", Since: at.Add(1), Prompt: &status.Prompt{URL: url}}
	}
	preparing := status.Profile{Phase: status.SigningIn, Summary: "signing in", Since: at.Add(1)}
	ready := status.Profile{Phase: status.Ready, Summary: "ready until 14:05", Since: at.Add(2)}
	ended := func(code status.Code, phase status.Phase) status.Profile {
		return status.Profile{Phase: phase, Code: code, Summary: "it ended", Detail: "so", Action: "Do this", Since: at.Add(2)}
	}
	play := func(rows ...status.Profile) func(*scripted) {
		return func(a *scripted) {
			for _, r := range rows {
				a.show(r)
			}
		}
	}
	stopAtPrompt := func(a *scripted) { play(preparing, signing("u"))(a) }
	for _, c := range []struct {
		name   string
		first  status.Profile
		script func(*scripted)
		wait   bool
		opened string
		code   int
	}{
		{"returns once the page is open", needed, stopAtPrompt, false, "u", exitDone},
		{"a sign-in under way has its new page opened", signing("old"), play(signing("new")), false, "new", exitDone},
		{"or the old one, if there is no new one", signing("old"), play(), false, "old", exitDone},
		{"needless after all", needed, play(preparing, ready), false, "", exitDone},
		{"fails before there is a page", needed, play(preparing, ended(status.IDPUnavailable, status.Backoff)), false, "", exitFailed},
		{"fails at once, in the same phase", needed, play(ended(status.SignInFailed, status.SignInNeeded)), true, "", exitFailed},
		{"the keyring stays locked", needed, play(ended(status.SecretStoreLocked, status.SignInNeeded)), true, "", exitSecretStore},
		{"nobody came", needed, play(preparing, ended(status.NotSignedIn, status.SignInNeeded)), true, "", exitSignInNeeded},
		{"renewed while ready", ready, play(preparing, status.Profile{Phase: status.Ready, Summary: "ready until 15:05", Since: at.Add(9)}), true, "", exitDone},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			app := startScripted(t, c.first, c.script)
			var said strings.Builder
			opened := ""
			s := signIn{profile: "github", wait: c.wait, said: &said, open: func(p *status.Prompt) error {
				opened += p.URL
				return nil
			}}
			code := report(&said, s.run(soon.Context(t), app))
			if code != c.code || opened != c.opened {
				t.Errorf("exit code %d, opened %q, want %d, %q\n%s", code, opened, c.code, c.opened, &said)
			}
		})
	}
}

// looks are what an app shows of its profile each time that somebody begins to watch it.
type looks [][]status.Profile

func (l *looks) Do(context.Context, supervisor.Action) error { return nil }

func (l *looks) Stream(ctx context.Context) iter.Seq2[*status.Snapshot, error] {
	rows := (*l)[0]
	*l = (*l)[1:]
	return func(yield func(*status.Snapshot, error) bool) {
		for _, r := range rows {
			r.Name = "github"
			if !yield(&status.Snapshot{Profiles: []status.Profile{r}}, nil) {
				return
			}
		}
		<-ctx.Done()
		yield(nil, ctx.Err())
	}
}

// TestSignInRightAfterTheStart: that the app finds out that a sign-in is needed is not
// how the one that is asked for meanwhile ended.
func TestSignInRightAfterTheStart(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	app := &looks{
		{{Phase: status.Starting, Since: at}, {Phase: status.SignInNeeded, Since: at.Add(1), Code: status.NotSignedIn}},
		{{Phase: status.SigningIn, Since: at.Add(2)}, {Phase: status.Ready, Since: at.Add(3)}},
	}
	s := signIn{profile: "github", wait: true, said: io.Discard}
	if err := s.run(soon.Context(t), app); err != nil {
		t.Error(err)
	}
}

func TestSignInWaitsThroughItsPage(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	var app *scripted
	client := startScripted(t, status.Profile{Phase: status.SignInNeeded, Since: at}, func(a *scripted) {
		app = a
		a.show(status.Profile{Phase: status.SigningIn, Since: at.Add(1), Prompt: &status.Prompt{URL: "u", UserCode: "ABCD"}})
	})
	var said strings.Builder
	opened := 0
	s := signIn{profile: "github", wait: true, said: &said, open: func(*status.Prompt) error {
		opened++
		// Another face had a page made too; this one was opened already.
		app.show(status.Profile{Phase: status.SigningIn, Since: at.Add(1), Prompt: &status.Prompt{URL: "v"}})
		app.show(status.Profile{Phase: status.Ready, Since: at.Add(2), Summary: "ready"})
		return errors.New("no browser here")
	}}
	if err := s.run(soon.Context(t), client); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"no browser here", "\nu\n", "ABCD", "ready"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q was not said:\n%s", want, &said)
		}
	}
	if opened != 1 {
		t.Errorf("opened %d times", opened)
	}
}

func TestSignInEndsWithTheApp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(soon.Context(t))
	defer cancel()
	client := startScripted(t, status.Profile{Phase: status.SignInNeeded}, func(*scripted) { cancel() })
	s := signIn{profile: "github", wait: true, said: &strings.Builder{}}
	if err := s.run(ctx, client); err == nil {
		t.Error("no error")
	}
	s.profile = "gitlab"
	if err := s.run(soon.Context(t), client); !errors.Is(err, supervisor.ErrUnknownProfile) {
		t.Errorf("an unknown profile: %v", err)
	}
}
