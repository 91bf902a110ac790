package tray

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// stage is everything around a face: it plays the engine, the desktop and the screen,
// and writes down what the face does to them.
type stage struct {
	feed status.Feed
	face *face

	mu   sync.Mutex
	did  []string
	fail map[string]error
	slow map[string]chan struct{} // deeds that wait
}

func (s *stage) note(what string) error {
	s.mu.Lock()
	s.did = append(s.did, what)
	err, wait := s.fail[what], s.slow[what]
	s.mu.Unlock()
	if wait != nil {
		<-wait
	}
	return err
}

// make a deed fail, or wait until a channel is closed.
func (s *stage) make(deed string, err error, wait chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[deed], s.slow[deed] = err, wait
}

// took returns what was done since it was last called.
func (s *stage) took() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	did := s.did
	s.did = nil
	return did
}

func (s *stage) Watch(ctx context.Context) iter.Seq[*status.Snapshot] { return s.feed.Watch(ctx) }

func (s *stage) Do(ctx context.Context, a supervisor.Action) error { return s.note("do " + a.String()) }

func (s *stage) build(items []Item)  { _ = s.note(fmt.Sprintf("build %d", len(items))) }
func (s *stage) nest(items []Item)   { _ = s.note("nest") }
func (s *stage) update(items []Item) { _ = s.note("update") }
func (s *stage) icon(i icon)         { _ = s.note("icon " + string(i)) }
func (s *stage) tooltip(text string) { _ = s.note("tooltip") }
func (s *stage) redraw()             { _ = s.note("redraw") }

// play runs a face in a bubble of its own time.
func play(t *testing.T, first *status.Snapshot, act func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{fail: map[string]error{}, slow: map[string]chan struct{}{}}
		if first != nil {
			s.feed.Publish(first)
		}
		s.face = newFace(s, Desktop{
			OpenURL:    func(url string) error { return s.note("open " + url) },
			OpenFile:   func(path string) error { return s.note("file") },
			Copy:       func(text string) error { return s.note("copy " + text) },
			Notify:     func(title, body string) { _ = s.note("notify " + title) },
			EditClient: func(e ClientEdit) error { return s.note("edit " + edits(e)) },
		}, slog.New(slog.DiscardHandler), time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.face.run(ctx, s, func() { _ = s.note("drawn") })
		}()
		synctest.Wait()
		time.Sleep(2 * time.Second)
		act(s)
		cancel()
		<-done
	})
}

// until publishes a state and returns what the face then does but draw.
func (s *stage) until(snap *status.Snapshot) []string {
	s.feed.Publish(snap)
	return s.deeds()
}

func (s *stage) click(key string) []string {
	s.face.clicks <- key
	return s.deeds()
}

func (s *stage) deeds() []string {
	return slices.DeleteFunc(s.took(), func(d string) bool {
		return !strings.HasPrefix(d, "do ") && !strings.HasPrefix(d, "open ") && !strings.HasPrefix(d, "copy ") &&
			!strings.HasPrefix(d, "notify ") && !strings.HasPrefix(d, "edit ") && d != "file"
	})
}

func check(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the tray did %q, want %q", got, want)
	}
}

func TestFirstMenuHasTheFirstSnapshot(t *testing.T) {
	play(t, snapshot(signedIn("github")), func(s *stage) {
		check(t, s.took(), "build 12", "icon ok", "tooltip", "drawn", "nest", "redraw")
	})
}

func TestFirstMenuDoesNotWaitForLong(t *testing.T) {
	play(t, nil, func(s *stage) {
		check(t, s.took(), "build 7", "icon busy", "tooltip", "drawn", "nest", "redraw")
		s.feed.Publish(snapshot(signedIn("github")))
		check(t, s.took(), "icon ok", "tooltip")
		time.Sleep(settle)
		check(t, s.took(), "build 12")
	})
}

func TestDrawsOnlyWhatChanges(t *testing.T) {
	play(t, snapshot(signedIn("github")), func(s *stage) {
		s.took()
		s.feed.Publish(snapshot(signedIn("github")))
		check(t, s.took(), "update")
		s.feed.Publish(snapshot(signedOut("github")))
		check(t, s.took(), "update", "icon sign-in", "tooltip")
	})
}

func TestRebuildWaitsForFurtherChanges(t *testing.T) {
	play(t, snapshot(signedIn("a")), func(s *stage) {
		s.took()
		for i := range 5 {
			s.feed.Publish(snapshot(signedIn("a"), signedIn(fmt.Sprintf("b%d", i))))
			synctest.Wait()
			time.Sleep(settle / 6)
		}
		if did := s.took(); slices.Contains(did, "build 14") {
			t.Errorf("built at once: %q", did)
		}
		time.Sleep(settle)
		check(t, s.took(), "build 14")
		// There and back again needs no new menu.
		s.feed.Publish(snapshot(signedIn("c")))
		synctest.Wait()
		s.feed.Publish(snapshot(signedIn("a"), signedIn("b4")))
		time.Sleep(2 * settle)
		check(t, slices.DeleteFunc(s.took(), func(d string) bool { return d == "tooltip" }), "update")
	})
}

// Whenever there is another menu, or somebody else to show it to, it is built one level
// after the other.
func TestSubmenusOfSubmenusComeLater(t *testing.T) {
	play(t, snapshot(signedIn("a")), func(s *stage) {
		s.took()
		s.feed.Publish(withClients(snapshot(signedIn("a")), client("zed", "Zed")))
		time.Sleep(settle)
		check(t, s.took(), "build 12")
		time.Sleep(nestAfter / 2)
		s.feed.Publish(withClients(snapshot(signedIn("b")), client("zed", "Zed")))
		time.Sleep(settle)
		check(t, s.took(), "build 12")
		time.Sleep(nestAfter - 1)
		check(t, s.took())
		time.Sleep(1)
		check(t, s.took(), "nest")
		s.face.panels <- struct{}{}
		s.face.panels <- struct{}{}
		time.Sleep(settle)
		check(t, s.took(), "build 12")
		time.Sleep(nestAfter)
		check(t, s.took(), "nest")
		time.Sleep(time.Hour)
		check(t, s.took())
	})
}

func TestBrowserOpensOnceForAClick(t *testing.T) {
	play(t, snapshot(signedOut("a"), signedOut("b")), func(s *stage) {
		check(t, s.click("need/a"), "do sign-in a")
		check(t, s.click("need/a"))
		check(t, s.click("profile/a/sign-in"))
		check(t, s.until(snapshot(signingIn("a", ""), signedOut("b"))))
		check(t, s.until(snapshot(signingIn("a", "https://one/"), signedOut("b"))), "open https://one/")
		check(t, s.until(snapshot(signingIn("a", "https://one/"), signedIn("b"))))
		check(t, s.until(snapshot(signingIn("a", "https://two/"), signedIn("b"))))
		check(t, s.until(snapshot(signedIn("a"), signedIn("b"))))
		time.Sleep(gather)
		check(t, s.deeds(), "notify Signed in to a")
		// The next one is somebody else's.
		check(t, s.until(snapshot(signingIn("a", "https://three/"), signedIn("b"))))
	})
}

// A link is good for one use, so another use needs another link.
func TestFreshLinks(t *testing.T) {
	play(t, snapshot(signingIn("a", "https://others/")), func(s *stage) {
		check(t, s.click("profile/a/link"), "do sign-in a")
		check(t, s.until(snapshot(signingIn("a", "https://others/"))))
		check(t, s.until(snapshot(signingIn("a", "https://mine/"))), "copy https://mine/")
		check(t, s.click("profile/a/open"), "do sign-in a")
		check(t, s.click("profile/a/open")) // a double click
		check(t, s.until(snapshot(signingIn("a", "https://mine/"))))
		check(t, s.until(snapshot(signingIn("a", "https://again/"))), "open https://again/")
		check(t, s.until(snapshot(signingIn("a", "https://others-again/"))))
		time.Sleep(again)
		check(t, s.click("profile/a/open"), "do sign-in a")
		s.make("open https://last/", errors.New("no"), nil)
		check(t, s.until(snapshot(signingIn("a", "https://last/"))), "open https://last/", "notify The browser did not open")
	})
}

func TestBrowserStaysClosedForOthers(t *testing.T) {
	play(t, snapshot(signedOut("a"), signedOut("b")), func(s *stage) {
		check(t, s.until(snapshot(signingIn("a", "https://one/"), signedOut("b"))))
		// One account shared by two profiles: the link shows in both rows.
		check(t, s.click("need/b"), "do sign-in b")
		check(t, s.until(snapshot(signingIn("a", "https://one/"), signingIn("b", "https://one/"))), "open https://one/")
	})
}

// An errand ends with its sign-in, however that ends: the next prompt is not ours.
func TestErrandsEnd(t *testing.T) {
	unlocked := signedIn("a")
	for name, end := range map[string]func(s *stage){
		"failed before it showed": func(s *stage) { s.until(snapshot(failed("a"))) },
		"ready at once":           func(s *stage) { s.until(snapshot(unlocked)) },
		"cancelled": func(s *stage) {
			s.until(snapshot(signingIn("a", "")))
			s.until(snapshot(signedOut("a")))
		},
		"nothing happened": func(s *stage) {
			time.Sleep(startWait + time.Second)
			s.until(snapshot(signedOut("a"), signedIn("b")))
		},
		"profile removed": func(s *stage) { s.until(snapshot()) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, snapshot(signedOut("a")), func(s *stage) {
				check(t, s.click("need/a"), "do sign-in a")
				end(s)
				if did := s.until(snapshot(signingIn("a", "https://other/"))); slices.Contains(did, "open https://other/") {
					t.Error("the browser was opened for somebody else's sign-in")
				}
			})
		})
	}
}

func TestRefusedSignIn(t *testing.T) {
	play(t, snapshot(signedOut("a")), func(s *stage) {
		s.make("do sign-in a", errors.New("no"), nil)
		check(t, s.click("need/a"), "do sign-in a", "notify The sign-in to a did not start")
		check(t, s.click("need/a"), "do sign-in a", "notify The sign-in to a did not start")
		check(t, s.until(snapshot(signingIn("a", "https://other/"))))
	})
}

func TestClicksIgnored(t *testing.T) {
	play(t, snapshot(signedOut("a")), func(s *stage) {
		for _, key := range []string{"", "status", "end", "profile/a", "profile/a/detail", "profile/a/cancel",
			"profile/a/link", "profile/a/sign-out", "profile/a/clients", "profile/a/clients/zed/write", "resume", "config-error", "need/nobody", "profile/nobody/url"} {
			check(t, s.click(key))
		}
	})
}

// Each line of a client is for one deed, whatever the client has become meanwhile.
func TestClientsAreEdited(t *testing.T) {
	play(t, withClients(snapshot(signedIn("a")), client("zed", "Zed", entry("a", status.ClientForeign))), func(s *stage) {
		check(t, s.click("profile/a/clients/zed/write"))
		check(t, s.click("profile/a/clients/zed/remove"))
		check(t, s.click("profile/a/clients/zed/force"), "edit write zed --profile a --force")
		check(t, s.until(withClients(snapshot(signedIn("a")), client("zed", "Zed", entry("a", status.ClientCurrent)))))
		check(t, s.click("profile/a/clients/zed/force"))
		check(t, s.click("profile/a/clients/zed/write"))
		check(t, s.click("profile/a/clients/zed/remove"), "edit remove zed --profile a")
		check(t, s.until(withClients(snapshot(signedIn("a")), client("zed", "Zed", entry("a", status.ClientUnreadable)))))
		check(t, s.click("profile/a/clients/zed/file"), "file")
		check(t, s.until(withClients(snapshot(signedIn("a")), client("zed", "Zed"))))
		s.make("edit write zed --profile a", errors.New("no"), nil)
		check(t, s.click("profile/a/clients/zed/write"), "edit write zed --profile a", "notify No window opened")
	})
}

// What is to be quit is told after the noise of the start, if nothing else happens too.
func TestAClientToBeQuitIsTold(t *testing.T) {
	play(t, withClients(snapshot(signedIn("a")), waiting(client("zed", "Zed", wanted("a")))), func(s *stage) {
		check(t, s.deeds())
		time.Sleep(quiet)
		check(t, s.deeds(), "notify Quit Zed fully, and a is added")
		time.Sleep(time.Hour)
		check(t, s.deeds())
	})
}

func TestDeedsDoNotPileUp(t *testing.T) {
	play(t, snapshot(signedIn("a")), func(s *stage) {
		wait := make(chan struct{})
		s.make("do restart a", nil, wait)
		check(t, s.click("profile/a/restart"), "do restart a")
		check(t, s.click("profile/a/restart"))
		check(t, s.click("reload"), "do reload") // nothing else waits for it
		close(wait)
		synctest.Wait()
		check(t, s.click("profile/a/restart"), "do restart a")
	})
}

func TestFailures(t *testing.T) {
	broken := snapshot(signingIn("a", "https://one/"))
	broken.Config.Error = &status.Problem{Message: "x"}
	for key, want := range map[string][]string{
		"profile/a/url":    {"copy http://127.0.0.1:7801/mcp", "notify Nothing was copied"},
		"profile/a/cancel": {"do cancel a", "notify The sign-in to a was not cancelled"},
		"config-error":     {"file", "notify The file did not open"},
		"reload":           {"do reload", "notify profiles.yaml was not reloaded"},
		"pause":            {"do pause", "notify Not paused"},
		"quit":             {"do quit", "notify mcpauth-tray does not quit"},
	} {
		play(t, broken, func(s *stage) {
			s.make(want[0], errors.New("no"), nil)
			check(t, s.click(key), want...)
		})
	}
}

// Nothing is told of what fails because the app ends.
func TestQuitting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{fail: map[string]error{}, slow: map[string]chan struct{}{}}
		s.feed.Publish(snapshot(signedIn("a")))
		s.face = newFace(s, Desktop{Notify: func(title, _ string) { _ = s.note("notify " + title) }}, slog.New(slog.DiscardHandler), time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		wait := make(chan struct{})
		s.make("do quit", context.Canceled, wait)
		done := make(chan struct{})
		go func() { s.face.run(ctx, s, func() {}); close(done) }()
		synctest.Wait()
		s.face.clicks <- "quit"
		synctest.Wait()
		cancel()
		synctest.Wait()
		select {
		case <-done:
			t.Error("run left a deed behind")
		default:
		}
		close(wait)
		<-done
		if did := s.deeds(); slices.ContainsFunc(did, func(d string) bool { return strings.HasPrefix(d, "notify") }) {
			t.Errorf("did %q", did)
		}
	})
}
