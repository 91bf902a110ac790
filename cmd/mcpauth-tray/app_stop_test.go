package main

import (
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

const passphraseForTests = "MCPAUTH_PASSPHRASE=correct horse battery staple"

// signedInTo starts an app and a sign-in that is kept in sealed files. The sandbox hands
// out tokens that are renewed within a second, and meets the first renewal with first.
func signedInTo(t *testing.T, box *sandbox.Sandbox, first sandbox.Answer) (*app, *browser) {
	t.Helper()
	person := newBrowser(t, "visit-and-approve")
	a := newApp(t, storeInFile+"  one: {target: \""+box.MCPURL()+"\"}\n", passphraseForTests, person.env())
	a.start()
	a.waitPhase("one", status.SignInNeeded)
	box.Set(func(f *sandbox.Faults) {
		f.TokenTTL = 2 * time.Second
		f.Answer(sandbox.KindToken, first.After(1).Times(1))
	})
	a.run("signin", "one")
	return a, person
}

// closesPorts waits until nobody listens there any more: the app is ending.
func (a *app) closesPorts(address string) {
	a.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		a.t.Fatal(err)
	}
	a.eventually("the port to close", func() bool {
		conn, err := net.DialTimeout("tcp", u.Host, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
}

// The old refresh token is dead once the renewal was asked for: were its answer not
// saved, the sign-in would be lost.
func TestARenewalInFlightIsSavedAtTheEnd(t *testing.T) {
	t.Parallel()
	box, gate := newBox(t, sandbox.Options{}), make(chan struct{})
	a, person := signedInTo(t, box, sandbox.Answer{Hold: gate})
	got(t, box, sandbox.KindToken, "the renewal", isRenewal)
	address := a.profile("one").URL
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	a.closesPorts(address)
	box.Set(func(f *sandbox.Faults) { f.TokenTTL = 0 })
	close(gate)
	a.ends()
	a.cmd = nil

	a.start()
	row := a.waitPhase("one", status.Ready)
	if left := time.Until(*row.Account.ExpiresAt); left < time.Minute {
		t.Errorf("the renewed token was not kept: it lasts %v", left)
	}
	echoes(t, row.URL)
	if n := box.Count(sandbox.KindToken); n != 2 {
		t.Errorf("the token endpoint was asked %d times, want 2", n)
	}
	person.opened(1)
	if env := person.read("env"); strings.Contains(env, "MCPAUTH_") {
		t.Errorf("the browser was given %s", env)
	}
}

// A code works once: its tokens are saved although the app was told to end meanwhile.
func TestACodeInFlightIsRedeemedAtTheEnd(t *testing.T) {
	t.Parallel()
	box, person := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	a := newApp(t, storeInFile+profileFor("one", box, ""), passphraseForTests, person.env())
	a.start()
	address := a.waitPhase("one", status.SignInNeeded).URL
	release := hold(t, box, sandbox.KindToken)
	a.run("signin", "one")
	got(t, box, sandbox.KindToken, "the code", func(sandbox.Request) bool { return true })
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	a.closesPorts(address)
	release()
	a.ends()
	a.start()
	echoes(t, a.waitPhase("one", status.Ready).URL)
	person.opened(1)
}

// A provider that does not answer keeps nobody from ending the app: it is given a few
// seconds, and a person who insists gives it none.
func TestAnEndWhileTheProviderHangs(t *testing.T) {
	t.Parallel()
	for _, impatient := range []bool{false, true} {
		t.Run(map[bool]string{false: "asked once", true: "asked twice"}[impatient], func(t *testing.T) {
			t.Parallel()
			box := newBox(t, sandbox.Options{})
			a, _ := signedInTo(t, box, sandbox.Hang())
			got(t, box, sandbox.KindToken, "the renewal", isRenewal)
			began := time.Now()
			if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			host := strings.TrimPrefix(box.Issuer(), "http://")
			a.eventually("word of what is awaited", func() bool { return strings.Contains(a.log.String(), "Waiting for "+host) })
			if !impatient {
				a.ends()
				if took := time.Since(began); took > saveTime+promptly {
					t.Errorf("it took %v to end", took)
				}
				return
			}
			if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			err := soon.Receive(t, a.ended, "the end")
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.Exited() {
				t.Errorf("not the second signal ended the app: %v", err)
			}
			a.cmd = nil
		})
	}
}

func TestACallInFlightIsAnsweredAtTheEnd(t *testing.T) {
	t.Parallel()
	box := newBox(t, sandbox.Options{Open: true})
	a := newApp(t, inMemory+openProfile("one", box, ""))
	a.start()
	address := a.waitPhase("one", status.Ready).URL
	session := connect(t, address, nil)
	got(t, box, sandbox.KindMCP, "the client's stream", isStream)
	release := hold(t, box, sandbox.KindMCP)
	answer := say(t, session, "just in time")
	got(t, box, sandbox.KindMCP, "the call", isToolCall)
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	a.closesPorts(address)
	release()
	hears(t, answer, "just in time")
	a.ends()
	a.cmd = nil
}

// A power cut while renewing: whether the provider had acted is found out with one try.
func TestARenewalCutShort(t *testing.T) {
	t.Parallel()
	t.Run("before the provider acted", func(t *testing.T) {
		t.Parallel()
		box, gate := newBox(t, sandbox.Options{}), make(chan struct{})
		a, person := signedInTo(t, box, sandbox.Answer{Hold: gate})
		got(t, box, sandbox.KindToken, "the renewal", isRenewal)
		a.kill()
		got(t, box, sandbox.KindToken, "the app to be gone", func(r sandbox.Request) bool { return isRenewal(r) && r.Done })
		box.Behave()
		a.start()
		echoes(t, a.waitPhase("one", status.Ready).URL)
		if n := box.Count(sandbox.KindToken); n != 3 {
			t.Errorf("the token endpoint was asked %d times, want 3", n)
		}
		person.opened(1)
	})
	t.Run("after the provider acted", func(t *testing.T) {
		t.Parallel()
		box := newBox(t, sandbox.Options{})
		a, person := signedInTo(t, box, sandbox.Answer{Drip: time.Hour})
		renewal := got(t, box, sandbox.KindToken, "the renewal", isRenewal)
		a.eventually("the old token to be used up", func() bool { return !box.Live(renewal.Form.Get("refresh_token")) })
		a.kill()
		box.Behave()
		a.start()
		row := a.untilRow("one", "to say what happened", func(p *status.Profile) bool { return p.Phase == status.SignInNeeded })
		if row.Code != status.NotSignedIn || !strings.Contains(row.Detail, "interrupted") || !strings.Contains(row.Action, "signin one") {
			t.Errorf("the row is %+v", row)
		}
		for range 3 { // what asks for a token again
			if got := post(t, row.URL, "tools/list"); got.rpc.Error == nil || got.rpc.Error.Code != status.NotSignedIn.RPC() ||
				!strings.Contains(got.rpc.Error.Message, "interrupted") {
				t.Errorf("a client is told %d %s", got.status, got.body)
			}
			a.run("restart", "one")
			a.waitPhase("one", status.SignInNeeded)
		}
		if n := box.Count(sandbox.KindToken); n != 3 {
			t.Errorf("the token endpoint was asked %d times, want 3", n)
		}
		person.opened(1)
		a.signIn("one")
		person.opened(2)
	})
}

func TestOneAppForAStateDirectory(t *testing.T) {
	t.Parallel()
	box := newBox(t, sandbox.Options{Open: true})
	a := newApp(t, inMemory+openProfile("one", box, ""))
	a.start()
	before := a.waitPhase("one", status.Ready)
	if said := a.fails(exitOtherInstance, "run", "--no-tray"); !strings.HasPrefix(said, "error: ") || !strings.Contains(said, "hint: ") {
		t.Errorf("the second start says %q", said)
	}
	if row := a.profile("one"); !row.Since.Equal(before.Since) {
		t.Errorf("the first was disturbed: %+v", row)
	}

	beside := newApp(t, inMemory+openProfile("one", box, ""))
	beside.start()
	if row := beside.waitPhase("one", status.Ready); row.URL == before.URL {
		t.Errorf("two apps are at %s", row.URL)
	}

	a.kill() // leaves lock, socket and ready file behind
	a.fails(exitNotRunning, "status")
	a.start()
	if row := a.waitPhase("one", status.Ready); row.URL != before.URL {
		t.Errorf("the port moved from %s to %s", before.URL, row.URL)
	}
	a.run("quit")
	a.ends()
	a.cmd = nil
	for _, left := range []string{"control.sock"} {
		if files, _ := filepath.Glob(filepath.Join(a.dir, "state", left)); len(files) > 0 {
			t.Errorf("%s is left behind", left)
		}
	}
}

// A terminal that is closed says so once or twice: from the shell and from the system.
func TestAClosedTerminalLosesNoSignIn(t *testing.T) {
	t.Parallel()
	// Whoever runs the tests may ignore hangups, and the app would inherit that.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
	box, gate := newBox(t, sandbox.Options{}), make(chan struct{})
	a, person := signedInTo(t, box, sandbox.Answer{Hold: gate})
	got(t, box, sandbox.KindToken, "the renewal", isRenewal)
	address := a.profile("one").URL
	if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	a.closesPorts(address)
	if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	box.Set(func(f *sandbox.Faults) { f.TokenTTL = 0 })
	close(gate)
	a.ends()
	a.cmd = nil

	a.start()
	echoes(t, a.waitPhase("one", status.Ready).URL)
	person.opened(1)
}
