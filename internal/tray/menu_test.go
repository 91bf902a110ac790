package tray

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// gallery is one Snapshot of each kind.
func gallery() []struct {
	name string
	s    *status.Snapshot
} {
	port := profile("notes", status.Backoff)
	port.URL, port.Code, port.Summary = "", status.ListenFailed, "cannot listen"
	port.Detail, port.Action = "127.0.0.1:7801 is in use by nginx (pid 812)", "Free the port or change listen in profiles.yaml"
	refused := signedOut("sales")
	refused.Code, refused.Summary, refused.Detail = status.ProviderRefused, "the provider refused", "redirect_uri_mismatch"
	refused.Action = "Register http://localhost:8666/callback with the provider"
	waitingLock := lockedOut("vault")
	waitingLock.Phase, waitingLock.RetryAt = status.Backoff, at("09:00:30")
	device := signingIn("tv", "https://auth.example.com/device")
	device.Prompt.UserCode = "WDJB-MJHT"
	open := profile("open-server", status.Ready)
	open.Summary = "no sign-in needed"
	long := signedIn("long-lived")
	rights := signedIn("wants-more")
	rights.Detail, rights.Action = "the server asks for more rights: admin:read", "To grant them, sign in again"
	renewing := profile("renewing", status.Backoff)
	renewing.Summary = "renewing the sign-in"
	far := day.AddDate(0, 0, 30)
	long.Account.ExpiresAt = &far
	disabled := profile("old", status.Stopped)
	disabled.URL, disabled.Code, disabled.Summary = "", status.Disabled, "disabled in profiles.yaml"
	paused := profile("github", status.Stopped)
	paused.URL, paused.Code, paused.Summary = "", status.PausedByUser, "paused"
	var many []status.Profile
	for i := range 8 {
		many = append(many, signedOut(fmt.Sprintf("p%d", i)))
	}
	evil := signedOut("ev\x1bil\u202e_name & " + strings.Repeat("x", 60))
	evil.Detail = "line one\r\nline two\x00\u2028three _ & " + strings.Repeat("long ", 40)

	broken := snapshot(signedIn("github"))
	broken.Config.Problems = []status.Problem{
		{Message: `unknown key "targt", did you mean "target"?`, File: broken.Config.File, Line: 12, Column: 5}, {Message: "x"}, {Message: "y"}}
	broken.Config.Error = &broken.Config.Problems[0]
	gone := snapshot()
	gone.Config.Error = &status.Problem{Message: "the file is missing", File: gone.Config.File}
	off := snapshot(paused)
	off.Paused = true
	return []struct {
		name string
		s    *status.Snapshot
	}{
		{"before the first snapshot", nil},
		{"no profiles", snapshot()},
		{"from the manual", snapshot(signedOut("github"), signedIn("linear"), disabled)},
		{"all kinds", snapshot(signedIn("ok"), long, rights, renewing, open, profile("new", status.Starting), signingIn("begun", ""),
			signingIn("browser", "https://auth.example.com/authorize?state=abc"), device, refused, lockedOut("safe"), waitingLock, down("jira"), port, disabled)},
		{"many need a person", snapshot(many...)},
		{"file not applied", broken},
		{"file missing", gone},
		{"paused", off},
		{"renewing", snapshot(signedIn("ok"), renewing)},
		{"odd texts", snapshot(evil)},
	}
}

func TestMenu(t *testing.T) {
	var b strings.Builder
	for _, g := range gallery() {
		fmt.Fprintf(&b, "=== %s\nicon: %s\ntooltip: %s\n\n", g.name, worstIcon(g.s), tooltip(g.s))
		dump(&b, "", Menu(g.s))
		b.WriteByte('\n')
	}
	golden := filepath.Join("testdata", "menu.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("the menu changed (-update rewrites it):\n%s", d)
	}
}

// dump writes a menu for reading. What cannot be seen is left out.
func dump(b *strings.Builder, indent string, items []Item) {
	for _, it := range items {
		click := ""
		for _, c := range []struct{ what, value string }{
			{"do", it.Click.Action.String()}, {"copy", map[bool]string{true: "the link"}[it.Click.CopyLink]}, {"open", it.Click.OpenURL}, {"file", it.Click.OpenFile}, {"copy", it.Click.Copy},
		} {
			if c.value != "" {
				click += " → " + c.what + " " + c.value
			}
		}
		switch {
		case it.Hidden:
			continue
		case it.Separator:
			b.WriteString(indent + "────────\n")
		case it.Disabled:
			b.WriteString(indent + "(" + it.Title + ")\n")
		default:
			b.WriteString(indent + it.Title + click + "\n")
		}
		dump(b, indent+"    ", it.Items)
	}
}

// Whatever happens to its profiles, a menu keeps its lines: all changes can be drawn
// in place.
func TestKeysDependOnlyOnTheSetOfProfiles(t *testing.T) {
	var menus [][]Item
	for _, p := range []func(string) status.Profile{signedIn, signedOut, lockedOut,
		func(n string) status.Profile { return signingIn(n, "https://a.example/") },
		func(n string) status.Profile { return profile(n, status.Backoff) },
		func(n string) status.Profile { return profile(n, status.Stopped) },
	} {
		s := snapshot(p("github"), signedIn("linear"))
		menus = append(menus, Menu(s))
		s.Paused, s.Config.Error = true, &status.Problem{Message: "x"}
		menus = append(menus, Menu(s))
	}
	for i, m := range menus {
		if !sameKeys(m, menus[0]) {
			t.Errorf("menu %d has other lines", i)
		}
	}
	for name, s := range map[string]*status.Snapshot{
		"another": snapshot(signedIn("github"), signedIn("jira")), "fewer": snapshot(signedIn("github")),
		"order": snapshot(signedIn("linear"), signedIn("github")), "none": snapshot(),
	} {
		if sameKeys(Menu(s), menus[0]) {
			t.Errorf("%s: the menu has the same lines", name)
		}
	}
}

func TestMenuRules(t *testing.T) {
	for _, g := range gallery() {
		seen := map[string]bool{}
		for _, top := range Menu(g.s) {
			for _, it := range top.Items {
				if len(it.Items) > 0 {
					t.Errorf("%s: %s has a submenu below a submenu", g.name, top.Title)
				}
			}
		}
		each(Menu(g.s), func(it *Item) {
			if seen[it.Key] {
				t.Errorf("%s: the key %q stands twice", g.name, it.Key)
			}
			seen[it.Key] = true
			if n := len([]rune(it.Title)); n > 100 {
				t.Errorf("%s: %q has %d characters", g.name, it.Title, n)
			}
			if it.Title != clean(it.Title) {
				t.Errorf("%s: %q is not clean", g.name, it.Title)
			}
			if it.Title == "" && !it.Hidden && !it.Separator {
				t.Errorf("%s: %s has no title", g.name, it.Key)
			}
		})
		if tip := tooltip(g.s); len(utf16.Encode([]rune(tip))) > 127 {
			t.Errorf("%s: the tooltip is too long: %q", g.name, tip)
		}
	}
}

// A tooltip is cut by Windows after 127 UTF-16 units; ours cannot get there.
func TestLongestTooltip(t *testing.T) {
	var profiles []status.Profile
	for range 1000 {
		profiles = append(profiles, signedIn("a"), signedOut("b"), down("c"), signingIn("d", ""))
	}
	s := snapshot(profiles...)
	s.Paused, s.Config.Error = true, &status.Problem{Message: "x"}
	if tip := tooltip(s); len(utf16.Encode([]rune(tip))) > 127 {
		t.Errorf("%q has %d units", tip, len(tip))
	}
}

func TestWorstIcon(t *testing.T) {
	all := []status.Profile{profile("a", status.Stopped), signedIn("b"), signingIn("c", ""), signedOut("d"), down("e")}
	for i, want := range icons {
		if got := worstIcon(snapshot(all[:i+1]...)); got != want {
			t.Errorf("%d profiles: %s, want %s", i+1, got, want)
		}
	}
	stopped := profile("a", status.Stopped)
	stopped.Code = status.ListenFailed
	if got := worstIcon(snapshot(stopped)); got != broken {
		t.Errorf("a profile that could not listen is %s", got)
	}
}

func FuzzClip(f *testing.F) {
	f.Add("plain", 40)
	f.Add("a\x00\u202eb \n\t c\xff", 3)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 1 || n > 200 {
			return
		}
		out := clip(s, n)
		if len([]rune(out)) > n {
			t.Errorf("%q has more than %d characters", out, n)
		}
		if out != clip(out, n) || strings.ContainsAny(out, "\x00\n\r\t\u202e\u2066\u2028") {
			t.Errorf("%q is not clean", out)
		}
	})
}

func TestCapital(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"sign-in needed": "Sign-in needed", "the last sign-in failed: x": "The last sign-in failed: x", "": "",
		"mcp.example.com refuses": "mcp.example.com refuses", "localhost:8666 is busy": "localhost:8666 is busy",
		"redirect_uri_mismatch": "redirect_uri_mismatch", "mcpauth-tray is shutting down": "mcpauth-tray is shutting down",
	} {
		if got := capital(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// Nobody is sent to the menu they are looking at.
func TestNoAdviceToOpenTheMenu(t *testing.T) {
	t.Parallel()
	p := signedOut("a")
	p.Code, p.Action = status.SignInFailed, "Sign in from the tray menu, or run: mcpauth-tray signin a"
	if got := adviceLine(&p); got != "" {
		t.Errorf("%q", got)
	}
	p.Action = "Set sign_in.client_id"
	if got := adviceLine(&p); got != p.Action {
		t.Errorf("%q", got)
	}
}
