package supervisor

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// A face without a desktop has the page opened here. That nothing opens is its to tell, and
// ends nothing.
func TestPage(t *testing.T) {
	play(t, func(w *world) {
		w.check = func(*service) status.Report { return status.Report{Phase: status.SignInNeeded} }
		hidden := at("hidden", "127.0.0.1:7802")
		hidden.SignIn.OpenBrowser = false
		w.sup.Apply(config(at("a", "127.0.0.1:7801"), hidden))
		w.expect("a", status.SignInNeeded, "")
		page := func(name string) error {
			return w.sup.Do(w.t.Context(), Action{Verb: Page, Profile: name})
		}
		if err := page("a"); !errors.Is(err, ErrNotNow) {
			t.Errorf("without a sign-in: %v", err)
		}
		for _, name := range []string{"a", "hidden"} {
			w.do(Action{Verb: SignIn, Profile: name})
			synctest.Wait()
		}
		if err := page("hidden"); !errors.Is(err, ErrNotNow) {
			t.Errorf("where only the link is shown: %v", err)
		}
		w.do(Action{Verb: Page, Profile: "a"})
		if got := w.browser(); !slices.Equal(got, []string{w.row("a").Prompt.URL}) {
			t.Errorf("opened %v", got)
		}
		w.set(func() { w.unopened = errors.New("no browser here") })
		if err := page("a"); err == nil || err.Error() != "no browser here" {
			t.Errorf("a page that does not open: %v", err)
		}
		w.expect("a", status.SigningIn, "")
		w.serving("127.0.0.1:7801").approve()
		w.expect("a", status.Ready, "")
	})
}

// Of faces that ask for a sign-in at one moment one opens the page. Who asks later gets a page
// too, and so does the next sign-in.
func TestClaim(t *testing.T) {
	play(t, func(w *world) {
		w.check = func(*service) status.Report { return status.Report{Phase: status.SignInNeeded} }
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		w.expect("a", status.SignInNeeded, "")
		claim := func() error { return w.sup.Do(w.t.Context(), Action{Verb: Claim, Profile: "a"}) }
		signIn := func() {
			w.do(Action{Verb: SignIn, Profile: "a"})
			synctest.Wait()
		}
		if err := claim(); !errors.Is(err, ErrNotNow) {
			t.Errorf("without a sign-in: %v", err)
		}
		signIn()
		if err := claim(); err != nil {
			t.Errorf("the first face: %v", err)
		}
		if err := claim(); !errors.Is(err, ErrNotNow) {
			t.Errorf("a second for the same link: %v", err)
		}
		signIn()
		if err := claim(); !errors.Is(err, ErrNotNow) {
			t.Errorf("a second with a fresh link: %v", err)
		}
		time.Sleep(claimPause)
		signIn()
		if err := claim(); err != nil {
			t.Errorf("a face that comes later: %v", err)
		}
		w.do(Action{Verb: Cancel, Profile: "a"})
		synctest.Wait()
		signIn()
		if err := claim(); err != nil {
			t.Errorf("the next sign-in: %v", err)
		}
	})
}
