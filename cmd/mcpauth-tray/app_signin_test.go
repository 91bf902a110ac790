package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

const onRequest = ", sign_in: {start: on_request}"

func profileFor(name string, box *sandbox.Sandbox, more string) string {
	return fmt.Sprintf("  %s: {target: %q%s}\n", name, box.MCPURL(), more)
}

func TestACallMayStartASignIn(t *testing.T) {
	t.Parallel()
	box, person := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	a := newApp(t, inMemory+profileFor("one", box, onRequest), person.env())
	a.start()
	url := a.waitPhase("one", status.SignInNeeded).URL
	person.opened(0)

	// Several clients at once: each is held, and the browser opens once.
	const clients = 4
	answers := make(chan string, clients)
	for range clients {
		go func() {
			session, err := connectDemo(soon.Context(t), url)
			if err != nil {
				answers <- err.Error()
				return
			}
			defer session.Close()
			answer, err := callTool(soon.Context(t), session, "whoami", nil)
			if err != nil {
				answer = err.Error()
			}
			answers <- answer
		}()
	}
	for range clients {
		hears(t, answers, "alice")
	}
	person.opened(1)
	a.waitPhase("one", status.Ready)
}

func TestASignInThatACallStartedFails(t *testing.T) {
	t.Parallel()
	box, person := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-deny")
	a := newApp(t, inMemory+profileFor("one", box, onRequest), person.env())
	a.start()
	url := a.waitPhase("one", status.SignInNeeded).URL
	began := time.Now()
	for range 2 { // the second comes while nobody's call may open another browser
		told := post(t, url, "tools/list")
		if told.status != 200 || told.rpc.ID != "one" || told.rpc.Error == nil {
			t.Fatalf("the client is told %d %s", told.status, told.body)
		}
		if e := told.rpc.Error; !strings.Contains(e.Message, "declined") || !strings.Contains(e.Message, "one (") || e.Data.Action == "" {
			t.Errorf("the client is told %+v", e)
		}
	}
	if took := time.Since(began); took > promptly {
		t.Errorf("it took %v to tell them", took)
	}
	person.opened(1)
	row := a.waitPhase("one", status.SignInNeeded)
	if !strings.Contains(row.Summary+row.Detail, "declined") {
		t.Errorf("the row is %+v", row)
	}
}

// Without start: on_request nobody's call opens a browser.
func TestACallStartsNoSignInByDefault(t *testing.T) {
	t.Parallel()
	box, person := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	a := newApp(t, inMemory+profileFor("one", box, ""), person.env())
	a.start()
	url := a.waitPhase("one", status.SignInNeeded).URL
	if told := post(t, url, "tools/list"); told.rpc.Error == nil || told.rpc.Error.Code != status.NotSignedIn.RPC() {
		t.Errorf("the client is told %d %s", told.status, told.body)
	}
	if row := a.profile("one"); row.Phase != status.SignInNeeded {
		t.Errorf("the row is %+v", row)
	}
	person.opened(0)
	if n := box.Count(sandbox.KindAuthorize) + box.Count(sandbox.KindRegister); n != 0 {
		t.Errorf("%d requests for a sign-in", n)
	}
}

func TestASignInWithoutABrowser(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, more string
		args       []string
	}{
		{"no-browser", "", []string{"--no-browser"}},
		{"link only", ", sign_in: {open_browser: false}", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			box, nobody := newBox(t, sandbox.Options{}), newBrowser(t, "true")
			a := newApp(t, inMemory+profileFor("one", box, c.more), nobody.env())
			a.start()
			a.waitPhase("one", status.SignInNeeded)
			cmd := a.command(append([]string{"signin", "one", "--wait"}, c.args...)...)
			var stdout, stderr transcript
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			a.eventually("the link", func() bool { return strings.HasSuffix(stdout.String(), "\n") })
			link, more, _ := strings.Cut(stdout.String(), "\n")
			if more != "" || !strings.HasPrefix(link, "http://localhost:") || strings.ContainsAny(link, " ?") {
				t.Errorf("stdout is %q, want one link", stdout.String())
			}
			var person sandbox.Person
			page, err := person.Visit(soon.Context(t), link)
			if err != nil {
				t.Fatal(err)
			}
			if page.Status != 200 || !strings.Contains(page.Body, "<title>") {
				t.Errorf("the person ends up on %d %s", page.Status, page.Body)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("signin ended with %v: %s", err, &stderr)
			}
			if !strings.Contains(stderr.String(), "one: ready") || stdout.String() != link+"\n" {
				t.Errorf("signin said %q and %q", stdout.String(), stderr.String())
			}
			echoes(t, a.waitPhase("one", status.Ready).URL)
			nobody.opened(0)
			if again, err := person.Visit(soon.Context(t), link); err == nil && bytes.Contains([]byte(again.Body), []byte("Signed in")) {
				t.Error("the link works twice")
			}
		})
	}
}

// link starts a sign-in and returns where a person has to go.
func (a *app) link(profile string) string {
	a.t.Helper()
	out, err := a.command("signin", profile, "--no-browser").Output()
	if err != nil {
		a.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// An answer that is not for the sign-in under way, or from another browser than the one
// that was sent, changes nothing: the right one may still come.
func TestAStrangersAnswerDoesNotCount(t *testing.T) {
	t.Parallel()
	box := newBox(t, sandbox.Options{})
	a := newApp(t, inMemory+profileFor("one", box, ""))
	a.start()
	a.waitPhase("one", status.SignInNeeded)
	var person sandbox.Person

	box.Switch("state-wrong")
	page, err := person.Visit(soon.Context(t), a.link("one"))
	if err != nil || page.Status < 400 || strings.Contains(page.Body, "somebody-else") {
		t.Errorf("the person ends up on %+v, %v", page, err)
	}
	a.untilRow("one", "to tell of the answer and to go on", func(p *status.Profile) bool {
		return p.Phase == status.SigningIn && p.Prompt != nil && strings.Contains(p.Detail, "does not belong to this sign-in") && strings.Contains(p.Action, "signin one")
	})
	box.Behave()

	victim := sandbox.Person{Stop: func(u *url.URL) bool { return "http://"+u.Host == box.Issuer() }}
	sent, err := victim.Visit(soon.Context(t), a.link("one"))
	if err != nil {
		t.Fatal(err)
	}
	page, err = person.Visit(soon.Context(t), sent.URL.String())
	if err != nil || page.Status < 400 {
		t.Errorf("another browser ends up on %+v, %v", page, err)
	}
	row := a.untilRow("one", "to tell of the answer", func(p *status.Profile) bool { return p.Phase == status.SigningIn && p.Detail != "" })
	if err := goodWords(row.Detail, box); err != nil || row.Prompt == nil || !strings.Contains(row.Detail, "ignored") {
		t.Errorf("the row is %+v: %v", row, err)
	}
	if n := box.Count(sandbox.KindToken); n != 0 {
		t.Errorf("the token endpoint was asked %d times", n)
	}

	if _, err := person.Visit(soon.Context(t), a.link("one")); err != nil {
		t.Fatal(err)
	}
	echoes(t, a.waitPhase("one", status.Ready).URL)
}

// What a person began can be given up, and begun again.
func TestASignInIsGivenUp(t *testing.T) {
	t.Parallel()
	box, nobody := newBox(t, sandbox.Options{}), newBrowser(t, "true")
	a := newApp(t, inMemory+profileFor("one", box, ""), nobody.env())
	a.start()
	a.waitPhase("one", status.SignInNeeded)
	a.run("signin", "one")
	first := a.untilRow("one", "to have a link", func(p *status.Profile) bool { return p.Prompt != nil })
	held := make(chan answered, 1)
	go func() { held <- post(t, first.URL, "tools/list") }()
	if err := a.control().Do(soon.Context(t), supervisor.Action{Verb: supervisor.Cancel, Profile: "one"}); err != nil {
		t.Fatal(err)
	}
	if row := a.waitPhase("one", status.SignInNeeded); row.Prompt != nil || row.Action == "" {
		t.Errorf("the row is %+v", row)
	}
	if told := soon.Receive(t, held, "the client's answer"); told.rpc.Error == nil || told.rpc.Error.Code != status.NotSignedIn.RPC() {
		t.Errorf("a client is told %d %s", told.status, told.body)
	}
	if page, err := new(sandbox.Person).Visit(soon.Context(t), first.Prompt.URL); err == nil && page.Status == http.StatusOK {
		t.Errorf("the old link still leads to %s", page.URL.Host)
	}
	a.run("signin", "one")
	second := a.untilRow("one", "to have a link", func(p *status.Profile) bool { return p.Prompt != nil })
	if _, err := new(sandbox.Person).Visit(soon.Context(t), second.Prompt.URL); err != nil {
		t.Fatal(err)
	}
	a.waitPhase("one", status.Ready)
	nobody.opened(2)
}

// The call that would have a browser opened is told at once that there is none, and the
// sign-in is over: nobody is going to finish it.
func TestABrowserThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	box, broken := newBox(t, sandbox.Options{}), newBrowser(t, "exit 1")
	a := newApp(t, inMemory+profileFor("one", box, onRequest), broken.env())
	a.start()
	url := a.waitPhase("one", status.SignInNeeded).URL
	began := time.Now()
	for range 2 { // the second comes while nobody's call may open another browser
		told := post(t, url, "tools/list")
		e := told.rpc.Error
		if e == nil || e.Code != status.NotSignedIn.RPC() || !strings.Contains(e.Message, "the browser did not open") ||
			!strings.Contains(e.Data.Action, "mcpauth-tray signin one --no-browser") || goodWords(e.Message, box) != nil {
			t.Errorf("a client is told %d %s", told.status, told.body)
		}
	}
	if took := time.Since(began); took > promptly {
		t.Errorf("it took %v to tell them", took)
	}
	row := a.waitPhase("one", status.SignInNeeded)
	if row.Code != status.SignInFailed || !strings.Contains(row.Detail, "the browser did not open") ||
		!strings.Contains(row.Action, "mcpauth-tray signin one --no-browser") || goodWords(row.Detail, box) != nil {
		t.Errorf("the row is %+v", row)
	}
	broken.opened(1)

	// A person at a terminal is given the link instead.
	out, err := a.command("signin", "one").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\nhttp://localhost:") {
		t.Errorf("signin says %q, %v", out, err)
	}
	broken.opened(2)
}
