package tray

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Lengths of texts in characters.
const (
	maxName = 40
	maxText = 80
)

// icon is what the icon shows: the name of a picture of package assets.
type icon string

const (
	idle    icon = "idle" // nothing is served
	ready   icon = "ok"
	busy    icon = "busy"
	wanting icon = "sign-in" // a person has to do something
	broken  icon = "error"
)

// icons are ordered from the mildest to the worst.
var icons = []icon{idle, ready, busy, wanting, broken}

// phases is what each phase says, and does to the icon, unless the row has an error code
// that says more.
var phases = map[status.Phase]struct {
	words string
	icon  icon
}{
	status.Stopped:      {"Stopped", idle},
	status.Starting:     {"Starting…", busy},
	status.Ready:        {"Ready", ready},
	status.SigningIn:    {"Signing in…", busy},
	status.SignInNeeded: {"Sign-in needed", wanting},
	status.Backoff:      {"Trying again…", busy},
}

func locked(p *status.Profile) bool { return p.Code == status.SecretStoreLocked }

// needsPerson reports whether a click on "Sign in" is what helps.
func needsPerson(p *status.Profile) bool {
	return p.Phase == status.SignInNeeded || (locked(p) && p.Phase == status.Backoff)
}

// wantsPerson reports whether all works, but a sign-in would make it better: the server
// asks for more rights, or the last sign-in could not be saved.
func wantsPerson(p *status.Profile) bool { return p.Phase == status.Ready && p.Action != "" }

// failing reports whether something is wrong that no sign-in cures.
func failing(p *status.Profile) bool {
	stopped := p.Phase == status.Stopped && p.Code != "" && p.Code != status.Disabled && p.Code != status.PausedByUser
	retrying := p.Phase == status.Backoff && p.Code != "" && p.Code != status.Busy && !locked(p)
	return stopped || retrying
}

func iconOf(p *status.Profile) icon {
	switch {
	case needsPerson(p):
		return wanting
	case failing(p):
		return broken
	}
	return phases[p.Phase].icon
}

// worstIcon is the icon of the profile that is worst off; a profiles.yaml that could
// not be applied is as bad as a failing profile.
func worstIcon(s *status.Snapshot) icon {
	switch {
	case s == nil:
		return busy
	case s.Config.Error != nil:
		return broken
	}
	worst := 0
	for i := range s.Profiles {
		worst = max(worst, slices.Index(icons, iconOf(&s.Profiles[i])))
	}
	return icons[worst]
}

// phaseWords says in words how a profile is; colour alone says nothing.
func phaseWords(p *status.Profile) string {
	words := phases[p.Phase].words
	switch {
	case locked(p) && needsPerson(p):
		return "Keyring locked"
	case failing(p):
		return "Error: " + p.Summary
	case p.Phase == status.Backoff && p.Summary != "":
		return capital(p.Summary)
	case p.Phase == status.Stopped && p.Code == status.Disabled:
		return "Disabled"
	case p.Phase == status.Stopped && p.Code == status.PausedByUser:
		return "Paused"
	case p.Phase == status.SigningIn && p.Prompt != nil && p.Prompt.UserCode != "":
		return "Enter code " + p.Prompt.UserCode
	case p.Phase == status.SigningIn && p.Prompt != nil:
		return "Waiting for the browser…"
	case p.Phase == status.Ready && p.Account != nil && p.Account.ExpiresAt != nil:
		return words + " (until " + clock(*p.Account.ExpiresAt, p.Since) + ")"
	}
	return words
}

// clock is a time of day, with the date when it is more than a day after from.
func clock(at, from time.Time) string {
	if at.Sub(from) > 20*time.Hour {
		return at.Local().Format("2 Jan 15:04")
	}
	return at.Local().Format("15:04")
}

// detailLine is what there is to say beyond the words of the phase.
func detailLine(p *status.Profile) string {
	text := p.Detail
	if text == "" && !(p.Phase == status.Ready && p.Account != nil) {
		text = p.Summary
	}
	plain := strings.NewReplacer("(", "", ")", "", "…", "")
	if strings.EqualFold(text, plain.Replace(phaseWords(p))) {
		text = ""
	}
	if p.RetryAt != nil && !locked(p) { // that one is tried every few seconds
		if text != "" {
			text += " · "
		}
		text += "next try at " + p.RetryAt.Local().Format("15:04:05")
	}
	return text
}

// adviceLine is what to do next, unless a line of the menu does just that.
func adviceLine(p *status.Profile) string {
	if strings.Contains(p.Action, "the tray menu") {
		return ""
	}
	if failing(p) || wantsPerson(p) || (needsPerson(p) && p.Code != "" && p.Code != status.NotSignedIn && !locked(p)) {
		return p.Action
	}
	return ""
}

// signInLabel is the text of a line that starts a sign-in.
func signInLabel(p *status.Profile, name string) string {
	switch {
	case locked(p):
		return "Unlock keyring…"
	case wantsPerson(p):
		return "Sign in again…"
	case name == "":
		return "Sign in…"
	}
	return "Sign in to " + name + "…"
}

func statusLine(s *status.Snapshot) string {
	up, served := 0, 0
	for i := range s.Profiles {
		if p := &s.Profiles[i]; p.Code != status.Disabled {
			served++
			if p.Phase == status.Ready {
				up++
			}
		}
	}
	switch {
	case s.Paused:
		return app + " — paused"
	case len(s.Profiles) == 0 && s.Config.Error != nil:
		return app + " — nothing is served"
	case len(s.Profiles) == 0:
		return app + " — no profiles"
	}
	return fmt.Sprintf("%s — %d of %d ready", app, up, served)
}

// tooltip is the state in one short line: how many profiles are in which.
func tooltip(s *status.Snapshot) string {
	if s == nil {
		return app + ": starting"
	}
	count := map[icon]int{}
	for i := range s.Profiles {
		count[iconOf(&s.Profiles[i])]++
	}
	var parts []string
	if s.Config.Error != nil {
		parts = append(parts, "profiles.yaml not applied")
	}
	if s.Paused {
		parts = append(parts, "paused")
	}
	for _, part := range []struct {
		icon      icon
		one, many string
	}{
		{broken, "1 error", "%d errors"},
		{wanting, "1 needs sign-in", "%d need sign-in"},
		{busy, "1 busy", "%d busy"},
		{ready, "1 ready", "%d ready"},
	} {
		switch n := count[part.icon]; n {
		case 0:
		case 1:
			parts = append(parts, part.one)
		default:
			parts = append(parts, fmt.Sprintf(part.many, n))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing is served")
	}
	return app + ": " + strings.Join(parts, ", ")
}

// clean makes one line of text that draws nothing but itself: no control characters,
// none that turn the direction of writing around.
func clean(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r) && r != unicode.ReplacementChar:
			return r
		}
		return -1
	}, s)), " ")
}

// capital writes the first letter large, unless the first word is a name, as that of a host.
func capital(s string) string {
	if first, _, _ := strings.Cut(s, " "); first == "" || first == app || strings.ContainsAny(strings.TrimSuffix(first, ":"), "._:/0123456789") {
		return s
	}
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}

// clip cleans a text and cuts it to at most n characters.
func clip(s string, n int) string {
	s = clean(s)
	if r := []rune(s); len(r) > n {
		return strings.TrimSpace(string(r[:n-1])) + "…"
	}
	return s
}
