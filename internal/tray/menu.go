package tray

import (
	"fmt"
	"path/filepath"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// Item is one line of the menu.
type Item struct {
	// Key names the line. The keys of a menu and their order depend only on the set of
	// profiles and clients, and a key always stands for the same deed: a click that was
	// meant for one thing can never do another.
	Key       string
	Title     string
	Separator bool
	Disabled  bool
	Hidden    bool
	Click     Click
	Items     []Item // a submenu; that of a profile has one more within
}

// Click is what a click asks for: one of its fields is set, or none.
type Click struct {
	Action   supervisor.Action
	CopyLink bool // with a sign-in: its link is copied instead of opened
	OpenURL  string
	OpenFile string
	Copy     string
	Edit     ClientEdit
}

// maxRows is how many profiles are named in the block of those that need a person.
const maxRows = 5

// Menu is what the tray shows of a Snapshot; nil is the time before the first one.
// Times are shown in the local time zone.
func Menu(s *status.Snapshot) []Item {
	if s == nil {
		s = &status.Snapshot{}
		return append([]Item{note("status", app+" — starting…"), separator("end")}, footer(s)...)
	}
	items := []Item{note("status", statusLine(s))}
	items = append(items, needs(s)...)
	items = append(items, configRow(s), separator("profiles"))
	for i := range s.Profiles {
		items = append(items, profileItem(s, &s.Profiles[i]))
	}
	if len(s.Profiles) == 0 {
		items = append(items, note("none", "No profiles yet: open profiles.yaml to add one"))
	}
	items = append(items, separator("end"))
	return append(items, footer(s)...)
}

// needs has a line for each profile, of which those show that need a person now.
func needs(s *status.Snapshot) []Item {
	var items []Item
	shown, more, unlock := 0, 0, false
	for i := range s.Profiles {
		p := &s.Profiles[i]
		row := Item{Key: "need/" + p.Name, Title: signInLabel(p, clip(p.Name, maxName)), Click: do(supervisor.SignIn, p.Name), Hidden: true}
		switch {
		case !needsPerson(p), locked(p) && unlock: // one unlocking serves all
		case shown == maxRows:
			more++
		default:
			row.Hidden = false
			shown++
		}
		unlock = unlock || locked(p)
		items = append(items, row)
	}
	rest := note("need-more", fmt.Sprintf("%d more below", more))
	rest.Hidden = more == 0
	return append(items, rest)
}

func configRow(s *status.Snapshot) Item {
	problem := s.Config.Error
	if problem == nil {
		return Item{Key: "config-error", Hidden: true}
	}
	file := problem.File
	if file == "" {
		file = s.Config.File
	}
	name := "profiles.yaml"
	if file != "" {
		name = filepath.Base(file)
	}
	text := name + " not applied: "
	if problem.Line > 0 {
		text += fmt.Sprintf("%d:%d ", problem.Line, problem.Column)
	}
	text = clip(text+problem.Message, maxText)
	if more := len(s.Config.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (+%d more)", more)
	}
	return Item{Key: "config-error", Title: text, Disabled: file == "", Click: Click{OpenFile: file}}
}

func profileItem(s *status.Snapshot, p *status.Profile) Item {
	key := func(k string) string { return "profile/" + p.Name + "/" + k }
	visible := func(when bool, k, title string, c Click) Item {
		return Item{Key: key(k), Title: title, Hidden: !when, Click: c}
	}
	detail, advice := note(key("detail"), clip(capital(detailLine(p)), maxText)), note(key("advice"), clip(adviceLine(p), maxText))
	detail.Hidden, advice.Hidden = detail.Title == "", advice.Title == ""
	signingIn := p.Phase == status.SigningIn
	// A link can be used once: to open or copy one, a fresh one is asked for.
	prompted, signIn, link := signingIn && p.Prompt != nil, do(supervisor.SignIn, p.Name), do(supervisor.SignIn, p.Name)
	link.CopyLink = true
	return Item{
		Key:   "profile/" + p.Name,
		Title: clip(p.Name, maxName) + " — " + clip(phaseWords(p), maxName),
		Items: []Item{
			detail,
			advice,
			visible(needsPerson(p) || wantsPerson(p), "sign-in", signInLabel(p, ""), signIn),
			visible(signingIn, "cancel", "Cancel sign-in", do(supervisor.Cancel, p.Name)),
			visible(prompted, "open", "Open sign-in page again", signIn),
			visible(prompted, "link", "Copy sign-in link", link),
			visible(p.URL != "", "url", "Copy URL", Click{Copy: p.URL}),
			clientsItem(s, p.Name),
			visible(p.Phase != status.Stopped, "restart", "Restart", do(supervisor.Restart, p.Name)),
			visible(p.Account != nil && !signingIn, "sign-out", "Sign out", do(supervisor.SignOut, p.Name)),
		},
	}
}

func footer(s *status.Snapshot) []Item {
	pause, resume := Item{Key: "pause", Title: "Pause", Click: do(supervisor.Pause, "")}, Item{Key: "resume", Title: "Resume", Click: do(supervisor.Resume, "")}
	pause.Hidden, resume.Hidden = s.Paused, !s.Paused
	return []Item{
		{Key: "open", Title: "Open profiles.yaml", Disabled: s.Config.File == "", Click: Click{OpenFile: s.Config.File}},
		{Key: "reload", Title: "Reload", Click: do(supervisor.Reload, "")},
		pause,
		resume,
		{Key: "quit", Title: "Quit (stops all proxies)", Click: do(supervisor.Quit, "")},
	}
}

func do(v supervisor.Verb, profile string) Click {
	return Click{Action: supervisor.Action{Verb: v, Profile: profile}}
}

func note(key, title string) Item { return Item{Key: key, Title: title, Disabled: true} }

func separator(key string) Item { return Item{Key: key, Separator: true} }

// each calls f for every item and every item below it.
func each(items []Item, f func(*Item)) {
	for i := range items {
		f(&items[i])
		each(items[i].Items, f)
	}
}

// sameKeys reports whether two menus have the same lines, whatever these say.
func sameKeys(a, b []Item) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key != b[i].Key || !sameKeys(a[i].Items, b[i].Items) {
			return false
		}
	}
	return true
}
