package tray

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

func failed(name string) status.Profile {
	p := signedOut(name)
	p.Code, p.Summary = status.SignInFailed, "the provider said no"
	return p
}

func later(p status.Profile) status.Profile {
	until := p.Account.ExpiresAt.Add(time.Hour)
	account := *p.Account
	account.ExpiresAt = &until
	p.Account = &account
	return p
}

func coded(p status.Profile, c status.Code) status.Profile {
	p.Code = c
	return p
}

func TestNews(t *testing.T) {
	nobody, me := func(string) bool { return false }, func(string) bool { return true }
	starting, renewing := profile("github", status.Starting), profile("github", status.Backoff)
	type step struct {
		after time.Duration
		see   status.Profile
		asked func(string) bool
		want  string
	}
	for name, steps := range map[string][]step{
		"a lost sign-in is told": {
			{time.Minute, signedIn("github"), nobody, ""},
			{time.Minute, signedOut("github"), nobody, "github needs you to sign in"},
			{time.Minute, signedOut("github"), nobody, ""},
		},
		"also by way of other phases": {
			{time.Minute, signedIn("github"), nobody, ""},
			{time.Minute, down("github"), nobody, ""},
			{time.Minute, renewing, nobody, ""},
			{time.Minute, starting, nobody, ""},
			{time.Minute, signedOut("github"), nobody, "github needs you to sign in"},
		},
		"how a start ends is not": {
			{time.Minute, starting, nobody, ""},
			{time.Second, signedOut("github"), nobody, ""},
		},
		"a finished sign-in is": {
			{time.Minute, signedOut("github"), nobody, ""},
			{time.Second, signingIn("github", ""), nobody, ""},
			{time.Second, signedIn("github"), nobody, "Signed in to github"},
		},
		"a failed one too": {
			{time.Minute, signingIn("github", ""), nobody, ""},
			{time.Second, failed("github"), nobody, "The sign-in to github failed"},
		},
		"a cancelled one is not": {
			{time.Minute, signingIn("github", ""), nobody, ""},
			{time.Second, signedOut("github"), nobody, ""},
		},
		"one that was not needed too": {
			{time.Minute, signedIn("github"), nobody, ""},
			{time.Second, signingIn("github", ""), nobody, ""},
			{time.Second, later(signedIn("github")), nobody, "Signed in to github"},
		},
		"but not when it was cancelled": {
			{time.Minute, signedIn("github"), nobody, ""},
			{time.Second, signingIn("github", ""), nobody, ""},
			{time.Second, signedIn("github"), nobody, ""},
		},
		"and truly when it failed": {
			{time.Minute, signedIn("github"), nobody, ""},
			{time.Second, signingIn("github", ""), nobody, ""},
			{time.Second, coded(signedIn("github"), status.SignInFailed), nobody, "The sign-in to github failed"},
		},
		"or could not be saved": {
			{time.Minute, signingIn("github", ""), nobody, ""},
			{time.Second, coded(signedIn("github"), status.SignInUnsaved), nobody, "Signed in to github, but not for long"},
		},
		"it may end in trouble": {
			{time.Minute, signingIn("github", ""), nobody, ""},
			{time.Second, renewing, nobody, ""},
			{time.Second, down("github"), nobody, "The sign-in to github failed"},
		},
		"renewing a token is not": {
			{time.Minute, signedIn("github"), nobody, ""},
			{time.Hour, signedIn("github"), nobody, ""},
		},
		"once in five minutes": {
			{time.Minute, signedIn("github"), nobody, ""},
			{time.Minute, signedOut("github"), nobody, "github needs you to sign in"},
			{time.Minute, signedIn("github"), nobody, ""},
			{time.Minute, signedOut("github"), nobody, ""},
			{time.Minute, signedIn("github"), nobody, ""},
			{3 * time.Minute, signedOut("github"), nobody, "github needs you to sign in"},
		},
		"but what was asked for here is always told": {
			{time.Second, signedIn("github"), nobody, ""},
			{time.Second, signingIn("github", ""), me, ""},
			{time.Second, failed("github"), me, "The sign-in to github failed"},
			{time.Second, signingIn("github", ""), me, ""},
			{time.Second, failed("github"), me, "The sign-in to github failed"},
		},
		"quiet at first": {
			{time.Second, signedIn("github"), nobody, ""},
			{time.Second, signedOut("github"), nobody, ""},
			{time.Minute, signedOut("github"), nobody, ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := day
			n := newNews(now)
			for i, st := range steps {
				now = now.Add(st.after)
				n.see(snapshot(st.see), now, st.asked)
				m, _ := n.take()
				if m.title != st.want {
					t.Errorf("step %d: told %q, want %q", i, m.title, st.want)
				}
			}
		})
	}
}

func TestNewsOfSignOut(t *testing.T) {
	now := day.Add(time.Hour)
	nobody := func(string) bool { return false }
	n := newNews(day)
	n.see(snapshot(signedIn("github")), now, nobody)
	n.signOut("github")
	n.see(snapshot(signedOut("github")), now, nobody)
	if m, ok := n.take(); ok {
		t.Errorf("the person was told what they did: %q", m)
	}
	n.see(snapshot(signedIn("github")), now, nobody)
	n.see(snapshot(signedOut("github")), now, nobody)
	if _, ok := n.take(); !ok {
		t.Error("the next loss was not told")
	}
}

// A sign-in may fail before any Snapshot shows it under way.
func TestNewsOfAQuickFailure(t *testing.T) {
	now := day.Add(time.Hour)
	me := func(string) bool { return true }
	n := newNews(day)
	before := failed("github")
	n.see(snapshot(before), now, me)
	n.signIn(&before)
	n.see(snapshot(before), now, me)
	if m, ok := n.take(); ok {
		t.Errorf("an old failure was told: %q", m)
	}
	again := failed("github")
	again.Since = day.Add(time.Minute)
	n.see(snapshot(again), now, me)
	if m, _ := n.take(); m.title != "The sign-in to github failed" {
		t.Errorf("told %q", m)
	}
	n.signIn(&again)
	n.refused("github")
	n.see(snapshot(signedOut("github")), now, me)
	if m, ok := n.take(); ok {
		t.Errorf("a sign-in that never started was told: %q", m)
	}
}

func TestNewsOfAClientToBeQuit(t *testing.T) {
	const claude = "claude-desktop"
	running := func(entries ...status.ClientEntry) *status.Snapshot {
		return withClients(snapshot(), waiting(client(claude, "Claude Desktop", entries...)))
	}
	ended := func(entries ...status.ClientEntry) *status.Snapshot {
		return withClients(snapshot(), client(claude, "Claude Desktop", entries...))
	}
	type step struct {
		after time.Duration
		see   *status.Snapshot
		want  string
	}
	const added = "Quit Claude Desktop fully, and github is added"
	for name, steps := range map[string][]step{
		"once": {
			{time.Minute, running(wanted("github")), added},
			{time.Hour, running(wanted("github")), ""},
			{time.Hour, ended(wanted("github")), ""},
			{time.Second, running(wanted("github")), ""},
			{time.Second, ended(entry("github", status.ClientCurrent)), ""},
		},
		"again when it was written meanwhile": {
			{time.Minute, running(wanted("github")), added},
			{time.Hour, ended(entry("github", status.ClientCurrent)), ""},
			{time.Hour, running(entry("github", status.ClientCurrent)), ""},
			{time.Hour, running(entry("github", status.ClientOutdated)), "Quit Claude Desktop fully, and github is updated"},
		},
		"not what nobody asked for": {
			{time.Minute, running(entry("github", status.ClientMissing), entry("linear", status.ClientForeign)), ""},
		},
		"not when it does not run": {
			{time.Minute, ended(wanted("github")), ""},
		},
		"several at once": {
			{time.Minute, running(wanted("github"), wanted("linear")), "Quit Claude Desktop fully, and 2 profiles are added"},
			{time.Minute, running(wanted("github"), wanted("linear"), wanted("jira")), "Quit Claude Desktop fully, and jira is added"},
		},
		"not at the start, but after it": {
			{time.Second, running(wanted("github")), ""},
			{time.Minute, running(wanted("github")), added},
		},
		"a client that was away is another": {
			{time.Minute, running(wanted("github")), added},
			{time.Minute, snapshot(), ""},
			{time.Minute, running(wanted("github")), added},
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := day
			n := newNews(now)
			for i, st := range steps {
				now = now.Add(st.after)
				n.see(st.see, now, func(string) bool { return false })
				m, _ := n.take()
				if m.title != st.want {
					t.Errorf("step %d: told %q, want %q", i, m.title, st.want)
				}
			}
		})
	}
}

func TestNewsAreGathered(t *testing.T) {
	nobody := func(string) bool { return false }
	names := strings.Fields("a b c d e f g")
	all := func(p func(string) status.Profile) *status.Snapshot {
		s := snapshot()
		for _, name := range names {
			s.Profiles = append(s.Profiles, p(name))
		}
		return s
	}
	n := newNews(day)
	n.see(all(signedIn), day.Add(time.Hour), nobody)
	n.see(all(signedOut), day.Add(time.Hour), nobody)
	m, _ := n.take()
	want := message{app, "a needs you to sign in\nb needs you to sign in\nc needs you to sign in\n" +
		"d needs you to sign in\ne needs you to sign in\nand 2 more"}
	if d := cmp.Diff(want, m, cmp.AllowUnexported(message{})); d != "" {
		t.Error(d)
	}
	if m, ok := n.take(); ok {
		t.Errorf("told twice: %q", m)
	}
	n.see(snapshot(), day.Add(time.Hour), nobody)
	if len(n.told)+len(n.settled)+len(n.signing) != 0 {
		t.Error("profiles that are no more are remembered")
	}
}
