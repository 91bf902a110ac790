package tray

import (
	"fmt"
	"os"
	"path"
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
	rights.Detail, rights.Action = "the server asks for more rights: admin:read", "Sign in again to grant the rights the server asks for"
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
	unreadable := client("goose", "Goose", entry("github", status.ClientUnreadable))
	nowhere := client("kiro", "Kiro", entry("github", status.ClientUnreadable))
	nowhere.File = ""
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
		{"odd texts", withClients(snapshot(evil), client("odd", "O\x1bdd & _"+strings.Repeat("y", 60), entry(evil.Name, status.ClientCurrent)))},
		{"clients", withClients(snapshot(signedIn("github"), profile("new", status.Starting)),
			client("cursor", "Cursor", entry("github", status.ClientMissing)),
			client("claude-code", "Claude Code", entry("github", status.ClientCurrent), entry("new", status.ClientCurrent)),
			client("vscode", "VS Code", entry("github", status.ClientOutdated)),
			client("zed", "Zed", entry("github", status.ClientForeign)),
			client("gemini-cli", "Gemini CLI", wanted("github")),
			unreadable, nowhere,
			client("windsurf", "Windsurf", entry("github", status.ClientCurrent), entry("new", status.ClientMissing)),
			client("windsurf", "Windsurf", entry("github", status.ClientOutdated), entry("new", status.ClientForeign)))},
		{"a client to be quit", withClients(snapshot(signedIn("a"), signedIn("b"), signedIn("c"), signedIn("d"), signedIn("e")),
			waiting(client("claude-desktop", "Claude Desktop", wanted("a"), entry("b", status.ClientOutdated),
				entry("c", status.ClientCurrent), entry("d", status.ClientMissing), entry("e", status.ClientForeign))))},
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
			{"edit", edits(it.Click.Edit)},
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

// edits is a change of a client as the command of the command line that makes it.
func edits(e ClientEdit) string {
	if e == (ClientEdit{}) {
		return ""
	}
	verb, force := "write ", ""
	if e.Remove {
		verb = "remove "
	}
	if e.Force {
		force = " --force"
	}
	return verb + e.Client + " --profile " + e.Profile + force
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
		s := withClients(snapshot(p("github"), signedIn("linear")), client("cursor", "Cursor"))
		menus = append(menus, Menu(s))
		s.Paused, s.Config.Error = true, &status.Problem{Message: "x"}
		menus = append(menus, Menu(s))
	}
	for _, state := range []status.ClientState{status.ClientCurrent, status.ClientOutdated, status.ClientMissing, status.ClientForeign, status.ClientUnreadable} {
		c := client("cursor", "Cursor", entry("github", state))
		menus = append(menus, Menu(withClients(snapshot(signedIn("github"), signedIn("linear")), c)),
			Menu(withClients(snapshot(signedIn("github"), signedIn("linear")), waiting(c))))
	}
	for i, m := range menus {
		if !sameKeys(m, menus[0]) {
			t.Errorf("menu %d has other lines", i)
		}
	}
	both := func() *status.Snapshot { return snapshot(signedIn("github"), signedIn("linear")) }
	for name, s := range map[string]*status.Snapshot{
		"no client": both(), "another client": withClients(both(), client("zed", "Zed")),
		"one more": withClients(both(), client("cursor", "Cursor"), client("zed", "Zed")),
		"another":  snapshot(signedIn("github"), signedIn("jira")), "fewer": snapshot(signedIn("github")),
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
		if n := depth(Menu(g.s)); n > 3 {
			t.Errorf("%s: the menu has %d levels", g.name, n)
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

func depth(items []Item) (n int) {
	for _, it := range items {
		n = max(n, depth(it.Items))
	}
	if len(items) > 0 {
		n++
	}
	return n
}

// One line that can be seen says how a profile stands in a client, and a click on it is
// for that profile and client alone.
func TestOneLineForEachClient(t *testing.T) {
	for _, g := range gallery() {
		if g.s == nil {
			continue
		}
		for i := range g.s.Profiles {
			name := g.s.Profiles[i].Name
			seen := map[string]int{}
			for _, it := range clientsItem(g.s, name).Items {
				if it.Hidden {
					continue
				}
				if e := it.Click.Edit; e != (ClientEdit{}) && (e.Profile != name || !strings.Contains(it.Key, "/"+e.Client+"/")) {
					t.Errorf("%s: %s leads to %+v", g.name, it.Key, e)
				}
				if !strings.HasSuffix(it.Key, "/remove") {
					seen[strings.TrimSuffix(it.Key, path.Base(it.Key))]++
				}
			}
			for key, n := range seen {
				if n != 1 {
					t.Errorf("%s: %s has %d lines", g.name, key, n)
				}
			}
			clients := map[string]bool{}
			for _, c := range g.s.Clients {
				clients[c.ID] = true
			}
			if len(seen) != len(clients) {
				t.Errorf("%s: %d of %d clients have a line", g.name, len(seen), len(clients))
			}
		}
	}
}

// Clients are quiet: what they need stands in their submenu alone.
func TestClientsChangeNothingElse(t *testing.T) {
	without := snapshot(signedIn("github"))
	with := withClients(snapshot(signedIn("github")), waiting(client("zed", "Zed", wanted("github"))), client("goose", "Goose", entry("github", status.ClientUnreadable)))
	if worstIcon(with) != worstIcon(without) || tooltip(with) != tooltip(without) || statusLine(with) != statusLine(without) {
		t.Errorf("icon %s, tooltip %q, first line %q", worstIcon(with), tooltip(with), statusLine(with))
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
