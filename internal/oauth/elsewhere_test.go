package oauth

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// twin is another process on the same store.
func (w *world) twin() *world {
	w.t.Helper()
	other := &world{t: w.t, sb: w.sb, store: w.store, profile: w.profile, settings: w.settings, log: &logBook{}, news: make(chan struct{}, 1)}
	other.start()
	w.t.Cleanup(func() {
		other.stop()
		other.noLeaks()
	})
	return other
}

// waits returns once the sign-in waits for one of another process.
func (w *world) waits() {
	w.t.Helper()
	w.await("of waiting for another program", func(r status.Report) bool {
		return r.Phase == status.SigningIn && strings.Contains(r.Detail, "another program")
	})
}

// TestSignInIsSharedBetweenProcesses: who comes second asks the person nothing.
func TestSignInIsSharedBetweenProcesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Login: sandbox.LoginPages}, nil)
	other := w.twin()
	first := w.begin()
	prompt := w.prompt()
	second := other.begin()
	other.waits()
	if _, err := w.person().Visit(soon.Context(t), prompt.URL); err != nil {
		t.Fatal(err)
	}
	if err := w.end(first); err != nil {
		t.Fatal(err)
	}
	if err := other.end(second); err != nil {
		t.Fatal(err)
	}
	if w.mustToken().Value != other.mustToken().Value {
		t.Error("two tokens")
	}
	for _, r := range other.reports {
		if r.Prompt != nil {
			t.Errorf("it asked as well: %+v", r)
		}
	}
	if n := w.sb.Count(sandbox.KindAuthorize); n != 1 {
		t.Errorf("%d visits to the provider", n)
	}
}

// TestASlowDiskIsNoOtherProcess: a lock that takes its time is not one that somebody holds.
func TestASlowDiskIsNoOtherProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	w.store.slow = 300 * time.Millisecond
	w.mustSignIn()
	for _, r := range w.reports {
		if strings.Contains(r.Detail, "another program") {
			t.Errorf("it waits for nobody: %+v", r)
		}
	}
}

// TestAnUnfinishedSignInOfAnotherProcess ends for those who waited for it; none of them opens
// the next page.
func TestAnUnfinishedSignInOfAnotherProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Login: sandbox.LoginPages}, nil)
	other := w.twin()
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- w.account.SignIn(ctx) }()
	w.prompt()
	second := other.begin()
	other.waits()
	cancel()
	if got := code(t, w.end(first)); got != status.NotSignedIn {
		t.Errorf("the cancelled one ended with %s", got)
	}
	if err := other.end(second); code(t, err) != status.NotSignedIn || !strings.Contains(err.Error(), "not finished") {
		t.Errorf("the other ended with %v", err)
	}
	if r := other.account.Check(soon.Context(t)); r.Phase != status.SignInNeeded {
		t.Errorf("it is %+v", r)
	}
	other.mustSignIn() // a person asks again
	if r := w.account.Check(soon.Context(t)); r.Phase != status.Ready {
		t.Errorf("the first does not notice: %+v", r)
	}
	if w.mustToken().Value != other.mustToken().Value {
		t.Error("two tokens")
	}
}

// TestSignInAgain asks the person also when another process has renewed meanwhile.
func TestSignInAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	tok := w.mustSignIn()
	other := w.twin()
	if _, err := other.account.Refused(soon.Context(t), other.mustToken(), nil); err != nil {
		t.Fatal(err)
	}
	if again := w.mustSignIn(); again.Value == tok.Value || again.Value == other.mustToken().Value {
		t.Error("nobody was asked")
	}
}
