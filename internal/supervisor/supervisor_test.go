package supervisor

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

func config(ps ...profile.Profile) *profile.Config {
	return &profile.Config{File: "profiles.yaml", Profiles: ps}
}

func at(name, listen string) profile.Profile {
	return profile.Profile{Name: name, Listen: listen, Path: "/mcp", Enabled: true, Target: "https://" + name + ".example/mcp",
		SignIn: profile.SignIn{Method: profile.MethodAuto, Start: profile.StartManual, OpenBrowser: true}}
}

func TestServesEveryProfile(t *testing.T) {
	play(t, func(w *world) {
		w.sup.Apply(config(at("a", "127.0.0.1:7801"), at("b", "127.0.0.1:7802")))
		w.expect("a", status.Ready, "http://127.0.0.1:7801/mcp")
		w.expect("b", status.Ready, "http://127.0.0.1:7802/mcp")
	})
}

func TestReloadLeavesUnchangedProfilesAlone(t *testing.T) {
	play(t, func(w *world) {
		a, b := at("a", "127.0.0.1:7801"), at("b", "127.0.0.1:7802")
		w.sup.Apply(config(a, b))
		w.expect("b", status.Ready, "")
		serviceA, serviceB, since := w.serving("127.0.0.1:7801"), w.serving("127.0.0.1:7802"), w.row("a").Since
		time.Sleep(time.Minute)
		b.Target = "https://other.example/mcp"
		w.sup.Apply(config(a, b))
		w.expect("b", status.Ready, "")
		if w.serving("127.0.0.1:7801") != serviceA || serviceA.closed || !w.row("a").Since.Equal(since) {
			t.Error("the unchanged profile was touched")
		}
		if w.serving("127.0.0.1:7802") == serviceB || !serviceB.closed {
			t.Error("the changed profile was not swapped")
		}
		if got := w.listens; !slices.Equal(got, []string{"127.0.0.1:7801", "127.0.0.1:7802"}) {
			t.Errorf("sockets were opened %v: a changed profile keeps its own", got)
		}
	})
}

func TestTwoProfilesSwapPorts(t *testing.T) {
	play(t, func(w *world) {
		w.sup.Apply(config(at("a", "127.0.0.1:7801"), at("b", "127.0.0.1:7802")))
		w.expect("b", status.Ready, "")
		w.sup.Apply(config(at("a", "127.0.0.1:7802"), at("b", "127.0.0.1:7801")))
		w.expect("a", status.Ready, "http://127.0.0.1:7802/mcp")
		w.expect("b", status.Ready, "http://127.0.0.1:7801/mcp")
		if w.serving("127.0.0.1:7801").profile.Name != "b" || w.serving("127.0.0.1:7802").profile.Name != "a" {
			t.Error("the handlers were not swapped")
		}
		if len(w.listens) != 2 {
			t.Errorf("sockets were reopened: %v", w.listens)
		}
	})
}

func TestABadListenerHurtsNobodyElseAndRecovers(t *testing.T) {
	play(t, func(w *world) {
		w.set(func() { w.busy["127.0.0.1:7801"] = true })
		w.sup.Apply(config(at("a", "127.0.0.1:7801"), at("b", "127.0.0.1:7802")))
		w.expect("a", status.Backoff, "")
		w.expect("b", status.Ready, "")
		row := w.row("a")
		if row.Code != status.ListenFailed || row.RetryAt == nil {
			t.Errorf("row = %+v", row)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.set(func() { delete(w.busy, "127.0.0.1:7801") })
		time.Sleep(6 * time.Second)
		w.expect("a", status.Ready, "http://127.0.0.1:7801/mcp")
	})
}

func TestAProfileThatCannotBeBuiltIsQuarantined(t *testing.T) {
	play(t, func(w *world) {
		w.broken["a"] = &Fault{Code: status.ProfileError, Detail: "cannot read ca.pem", Action: "Check tls.ca_file"}
		w.sup.Apply(config(at("a", "127.0.0.1:7801"), at("b", "127.0.0.1:7802")))
		w.expect("a", status.Backoff, "")
		w.expect("b", status.Ready, "")
		if row := w.row("a"); row.Code != status.ProfileError || row.Detail != "cannot read ca.pem" || row.Action != "Check tls.ca_file" {
			t.Errorf("row = %+v", row)
		}
		w.set(func() { delete(w.broken, "a") })
		time.Sleep(6 * time.Second)
		w.expect("a", status.Ready, "")
	})
}

func TestAWholeFileErrorKeepsTheLastGood(t *testing.T) {
	play(t, func(w *world) {
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		w.expect("a", status.Ready, "")
		service := w.serving("127.0.0.1:7801")
		w.sup.Reject([]status.Problem{{Message: "unknown key", File: "profiles.yaml", Line: 3, Column: 5}})
		synctest.Wait()
		snap := w.snapshot()
		if snap.Config.Error == nil || snap.Config.Error.Line != 3 || snap.Profiles[0].Phase != status.Ready || service.closed {
			t.Errorf("snapshot = %+v", snap)
		}
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		synctest.Wait()
		if w.snapshot().Config.Error != nil || service.closed {
			t.Error("the good file did not clear the error, or touched the profile")
		}
	})
}

func TestRemovedDisabledAndPausedProfilesAreStopped(t *testing.T) {
	play(t, func(w *world) {
		a, b, c := at("a", "127.0.0.1:7801"), at("b", "127.0.0.1:7802"), at("c", "")
		w.sup.Apply(config(a, b, c))
		w.expect("c", status.Ready, "http://127.0.0.1:40000/mcp")
		b.Enabled = false
		w.sup.Apply(config(b, c))
		w.expect("b", status.Stopped, "")
		if w.row("a") != nil || w.open("127.0.0.1:7801") || w.open("127.0.0.1:7802") {
			t.Error("sockets of stopped profiles stay open")
		}
		w.do(Action{Verb: Pause})
		w.expect("c", status.Stopped, "")
		if w.row("c").Code != status.PausedByUser || !w.snapshot().Paused {
			t.Error("a pause does not show")
		}
		w.do(Action{Verb: Resume})
		w.expect("c", status.Ready, "http://127.0.0.1:40000/mcp")
		w.expect("b", status.Stopped, "")
	})
}

func TestChecksThatFailAreTriedAgainWithGrowingWaits(t *testing.T) {
	play(t, func(w *world) {
		w.check = func(*service) status.Report {
			return status.Report{Phase: status.Backoff, Failed: true, Code: status.IDPUnavailable}
		}
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		synctest.Wait()
		s := w.serving("127.0.0.1:7801")
		want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}
		for i, d := range want {
			row := w.row("a")
			if row.Phase != status.Backoff || row.RetryAt == nil {
				t.Fatalf("row = %+v", row)
			}
			wait := time.Until(*row.RetryAt)
			if wait < d*8/10 || wait > d*12/10 {
				t.Errorf("wait %d is %v, want about %v", i, wait, d)
			}
			if int(s.checks.Load()) != i+1 {
				t.Errorf("%d checks, want %d", s.checks.Load(), i+1)
			}
			time.Sleep(wait)
			synctest.Wait()
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if wait := time.Until(*w.row("a").RetryAt); wait > 5*time.Minute {
			t.Errorf("the longest wait is %v", wait)
		}
	})
}

func TestAProvidersWishToWaitIsKept(t *testing.T) {
	play(t, func(w *world) {
		w.check = func(*service) status.Report {
			return status.Report{Phase: status.Backoff, Failed: true, RetryAfter: 10 * time.Hour}
		}
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		synctest.Wait()
		if wait := time.Until(*w.row("a").RetryAt); wait != maxRetryAfter {
			t.Errorf("wait = %v, want the cap %v", wait, maxRetryAfter)
		}
	})
}

func TestRenewsWhenDue(t *testing.T) {
	play(t, func(w *world) {
		w.check = func(s *service) status.Report {
			return status.Report{Phase: status.Ready, RenewAt: time.Now().Add(time.Hour)}
		}
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		synctest.Wait()
		s := w.serving("127.0.0.1:7801")
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if int(s.checks.Load()) != 1 {
			t.Errorf("%d checks before the time", s.checks.Load())
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if int(s.checks.Load()) != 2 {
			t.Errorf("%d checks after the time, want 2", s.checks.Load())
		}
	})
}

func TestRenewalTroubleStaysReadyWhileTheTokenLives(t *testing.T) {
	play(t, func(w *world) {
		w.check = func(s *service) status.Report {
			return status.Report{Phase: status.Ready, Failed: true, Summary: "ready, renewal failed"}
		}
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		w.expect("a", status.Ready, "")
		if w.row("a").RetryAt == nil {
			t.Error("the next try is not shown")
		}
	})
}

// The provider wants no request for an hour, and the token ends before: the row says so.
func TestRenewalTroubleIsSeenWhenTheTokenEnds(t *testing.T) {
	play(t, func(w *world) {
		end := time.Now().Add(time.Minute)
		w.check = func(*service) status.Report {
			rep := status.Report{Phase: status.Backoff, Failed: true, RetryAfter: time.Hour}
			if time.Now().Before(end) {
				rep.Phase, rep.RenewAt = status.Ready, end
			}
			return rep
		}
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		w.expect("a", status.Ready, "")
		next := *w.row("a").RetryAt
		time.Sleep(59 * time.Second)
		w.expect("a", status.Ready, "")
		time.Sleep(time.Second)
		w.expect("a", status.Backoff, "")
		if row := w.row("a"); row.RetryAt == nil || !row.RetryAt.Equal(next) {
			t.Errorf("the next try was at %v, and is now at %v", next, row.RetryAt)
		}
		if n := w.serving("127.0.0.1:7801").checks.Load(); n != 2 {
			t.Errorf("%d checks, want 2", n)
		}
	})
}

func TestSignIn(t *testing.T) {
	play(t, func(w *world) {
		w.check = func(*service) status.Report { return status.Report{Phase: status.SignInNeeded} }
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		w.expect("a", status.SignInNeeded, "")
		w.do(Action{Verb: SignIn, Profile: "a"})
		w.expect("a", status.SigningIn, "")
		if w.row("a").Prompt.URL != "http://localhost:8666/start/1" || len(w.browser()) != 0 {
			t.Errorf("prompt %+v, opened %v: the face that asked opens the browser", w.row("a").Prompt, w.browser())
		}
		w.do(Action{Verb: SignIn, Profile: "a"})
		synctest.Wait()
		if w.row("a").Prompt.URL != "http://localhost:8666/start/2" {
			t.Error("a second sign-in did not renew the link")
		}
		w.serving("127.0.0.1:7801").approve()
		w.expect("a", status.Ready, "")
	})
}

func TestCancelSignInFromAProfileThatSharesIt(t *testing.T) {
	play(t, func(w *world) {
		w.check = func(*service) status.Report { return status.Report{Phase: status.SignInNeeded} }
		w.sup.Apply(config(at("a", "127.0.0.1:7801"), at("b", "127.0.0.1:7802")))
		w.expect("b", status.SignInNeeded, "")
		if err := w.sup.Do(w.t.Context(), Action{Verb: Cancel, Profile: "b"}); !errors.Is(err, ErrNotNow) {
			t.Errorf("cancel of nothing: %v", err)
		}
		w.do(Action{Verb: SignIn, Profile: "a"})
		synctest.Wait()
		w.serving("127.0.0.1:7802").hooks.Report(w.serving("127.0.0.1:7801").report)
		synctest.Wait()
		w.do(Action{Verb: Cancel, Profile: "b"})
		w.expect("a", status.SignInNeeded, "")
	})
}

func TestARequestStartsASignInOnlyWhereAllowedAndOnce(t *testing.T) {
	play(t, func(w *world) {
		w.check = func(*service) status.Report { return status.Report{Phase: status.SignInNeeded} }
		manual, auto := at("manual", "127.0.0.1:7801"), at("auto", "127.0.0.1:7802")
		auto.SignIn.Start = profile.StartOnRequest
		w.sup.Apply(config(manual, auto))
		w.expect("auto", status.SignInNeeded, "")
		for range 100 {
			w.serving("127.0.0.1:7801").hooks.SignIn()
			w.serving("127.0.0.1:7802").hooks.SignIn()
		}
		synctest.Wait()
		if len(w.browser()) != 1 || w.row("manual").Phase != status.SignInNeeded {
			t.Fatalf("opened %v, manual is %s", w.browser(), w.row("manual").Phase)
		}
		w.do(Action{Verb: Cancel, Profile: "auto"})
		synctest.Wait()
		w.serving("127.0.0.1:7802").hooks.SignIn()
		synctest.Wait()
		if len(w.browser()) != 1 {
			t.Errorf("a failed sign-in was started again at once: %v", w.browser())
		}
		time.Sleep(autoPause + time.Second)
		w.serving("127.0.0.1:7802").hooks.SignIn()
		synctest.Wait()
		if len(w.browser()) != 2 {
			t.Errorf("no sign-in after the pause: %v", w.browser())
		}
	})
}

// Nobody finishes a sign-in whose page did not open, unless a person asked for it meanwhile.
func TestARequestsSignInEndsWithoutABrowser(t *testing.T) {
	for _, joined := range []bool{false, true} {
		play(t, func(w *world) {
			auto := at("auto", "127.0.0.1:7801")
			auto.SignIn.Start = profile.StartOnRequest
			w.check = func(*service) status.Report { return status.Report{Phase: status.SignInNeeded} }
			opening := make(chan struct{})
			w.unopened, w.opening = errors.New("no browser here"), opening
			w.sup.Apply(config(auto))
			w.expect("auto", status.SignInNeeded, "")
			service := w.serving("127.0.0.1:7801")
			service.hooks.SignIn()
			w.expect("auto", status.SigningIn, "")
			if joined {
				w.do(Action{Verb: SignIn, Profile: "auto"})
			}
			close(opening)
			if joined {
				w.expect("auto", status.SigningIn, "")
				return
			}
			w.expect("auto", status.SignInNeeded, "")
			if row := w.row("auto"); row.Detail != "no browser here" {
				t.Errorf("%+v", row)
			}
			service.hooks.SignIn()
			w.expect("auto", status.SignInNeeded, "")
			if n := len(w.browser()); n != 1 {
				t.Errorf("the browser was opened %d times", n)
			}
		})
	}
}

func TestAPersonWhoJoinsARequestsSignInOpensThePageAlone(t *testing.T) {
	play(t, func(w *world) {
		w.check = func(*service) status.Report { return status.Report{Phase: status.SignInNeeded} }
		auto := at("auto", "127.0.0.1:7801")
		auto.SignIn.Start = profile.StartOnRequest
		w.sup.Apply(config(auto))
		w.expect("auto", status.SignInNeeded, "")
		w.serving("127.0.0.1:7801").hooks.SignIn()
		synctest.Wait()
		w.do(Action{Verb: SignIn, Profile: "auto"})
		synctest.Wait()
		if got := w.browser(); len(got) != 1 || w.row("auto").Prompt.URL == got[0] {
			t.Errorf("opened %v, prompt %v", got, w.row("auto").Prompt)
		}
	})
}

func TestWhatAnActionChangedShowsWhenItReturns(t *testing.T) {
	play(t, func(w *world) {
		w.check = func(*service) status.Report { return status.Report{Phase: status.SignInNeeded} }
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		w.expect("a", status.SignInNeeded, "")
		w.do(Action{Verb: SignIn, Profile: "a"})
		if got := w.row("a").Phase; got != status.SigningIn {
			t.Errorf("after sign-in: %s", got)
		}
		w.do(Action{Verb: Pause})
		if got := w.row("a").Phase; got != status.Stopped {
			t.Errorf("after pause: %s", got)
		}
	})
}

func TestRestartRebuildsAndRetriesAtOnce(t *testing.T) {
	play(t, func(w *world) {
		w.sup.Apply(config(at("a", "127.0.0.1:7801"), at("b", "127.0.0.1:7802")))
		w.expect("b", status.Ready, "")
		a, b := w.serving("127.0.0.1:7801"), w.serving("127.0.0.1:7802")
		w.do(Action{Verb: Restart, Profile: "a"})
		synctest.Wait()
		if !a.closed || b.closed || len(w.listens) != 2 {
			t.Error("restart of one profile")
		}
		w.do(Action{Verb: Restart})
		synctest.Wait()
		if !b.closed || w.row("b").Phase != status.Ready {
			t.Error("restart of all profiles")
		}
	})
}

func TestActionsThatCannotBe(t *testing.T) {
	play(t, func(w *world) {
		token := at("token", "127.0.0.1:7801")
		token.SignIn.Method = profile.MethodToken
		off := at("off", "127.0.0.1:7802")
		off.Enabled = false
		w.sup.Apply(config(token, off))
		synctest.Wait()
		for _, c := range []struct {
			action Action
			want   error
		}{
			{Action{Verb: "dance"}, ErrUnknownVerb},
			{Action{Verb: SignIn, Profile: "x"}, ErrUnknownProfile},
			{Action{Verb: SignIn}, ErrUnknownProfile},
			{Action{Verb: Restart, Profile: "x"}, ErrUnknownProfile},
			{Action{Verb: SignIn, Profile: "token"}, ErrNotNow},
			{Action{Verb: SignIn, Profile: "off"}, ErrNotNow},
			{Action{Verb: SignOut, Profile: "off"}, ErrNotNow},
			{Action{Verb: Cancel, Profile: "token"}, ErrNotNow},
		} {
			if err := w.sup.Do(w.t.Context(), c.action); !errors.Is(err, c.want) {
				t.Errorf("%v: %v, want %v", c.action, err, c.want)
			}
		}
	})
}

func TestSettingsAreConfiguredBeforeProfilesAreServed(t *testing.T) {
	play(t, func(w *world) {
		c := config(at("a", "127.0.0.1:7801"))
		c.Settings.RedirectPort = 8666
		w.sup.Apply(c)
		w.expect("a", status.Ready, "")
		first := w.serving("127.0.0.1:7801")
		quieter := *c
		quieter.Settings.LogLevel = "error"
		w.sup.Apply(&quieter)
		synctest.Wait()
		if first.closed || len(w.configured) != 2 {
			t.Error("a log level is put in force without touching profiles")
		}
		moved := quieter
		moved.Settings.TokenStore = "memory"
		w.sup.Apply(&moved)
		synctest.Wait()
		if !first.closed || len(w.configured) != 3 {
			t.Error("another token store holds other sign-ins")
		}
	})
}

func TestAPanicInOneCheckIsContained(t *testing.T) {
	play(t, func(w *world) {
		w.check = func(s *service) status.Report {
			if s.profile.Name == "a" {
				panic("boom")
			}
			return status.Report{Phase: status.Ready}
		}
		w.sup.Apply(config(at("a", "127.0.0.1:7801"), at("b", "127.0.0.1:7802")))
		w.expect("a", status.Backoff, "")
		w.expect("b", status.Ready, "")
	})
}

func TestLateEventsOfAnOldServiceAreDropped(t *testing.T) {
	play(t, func(w *world) {
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		w.expect("a", status.Ready, "")
		old := w.serving("127.0.0.1:7801")
		w.do(Action{Verb: Restart, Profile: "a"})
		synctest.Wait()
		old.hooks.Report(status.Report{Phase: status.SignInNeeded})
		old.hooks.Requests(status.Requests{Total: 99})
		synctest.Wait()
		if row := w.row("a"); row.Phase != status.Ready || row.Requests.Total != 0 {
			t.Errorf("row = %+v", row)
		}
	})
}

func TestStopEndsEverything(t *testing.T) {
	var w *world
	play(t, func(running *world) {
		w = running
		w.check = func(*service) status.Report { return status.Report{Phase: status.SignInNeeded} }
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		w.expect("a", status.SignInNeeded, "")
		w.do(Action{Verb: SignIn, Profile: "a"})
		w.expect("a", status.SigningIn, "")
	})
	if len(w.sockets) != 0 || !w.services[0].closed {
		t.Error("something was left behind")
	}
	if err := w.sup.Do(context.Background(), Action{Verb: Pause}); !errors.Is(err, ErrStopped) {
		t.Errorf("Do after the end: %v", err)
	}
}

func TestSnapshotsArePublishedOnlyOnChange(t *testing.T) {
	play(t, func(w *world) {
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		w.expect("a", status.Ready, "")
		serial := w.snapshot().Serial
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := w.snapshot().Serial; got != serial {
			t.Errorf("serial went from %d to %d in an idle hour", serial, got)
		}
	})
}
