package tray

import (
	"fmt"
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

const (
	// quiet is how long after the start nothing is told that nobody asked for: signing
	// in to a computer is noisy enough.
	quiet = 12 * time.Second
	// spacing is between two messages about a profile that nobody asked for.
	spacing = 5 * time.Minute
	// gather is how long a message waits for others to be told with it.
	gather = time.Second
	// maxLines is how many profiles a message tells of.
	maxLines = 5
)

// news decides what is worth a notification: that a profile which was ready needs a
// person, how a sign-in ended, and that a client has to be quit before its config can be
// written. It tells nothing else, because the menu tells it all.
type news struct {
	start   time.Time
	settled map[string]status.Phase // profile → Ready or SignInNeeded, whichever was last
	signing map[string]bool         // profiles with a sign-in under way
	asked   map[string]stamp        // profile → its row when a sign-in was asked for here
	account map[string]string       // profile → its sign-in when it was last ready
	told    map[string]time.Time    // profile → its last message
	left    map[string]bool         // profiles signed out of here
	waiting map[string]bool         // "client profile" → told that the client is to be quit
	pending []message
}

type message struct{ title, body string }

// stamp is what tells a row from a later one of the same profile. A sign-in may end
// so soon that no Snapshot shows it under way.
type stamp struct {
	phase           status.Phase
	code            status.Code
	summary, detail string
	since           int64
}

func stampOf(p *status.Profile) stamp {
	return stamp{p.Phase, p.Code, p.Summary, p.Detail, p.Since.UnixNano()}
}

func newNews(start time.Time) *news {
	return &news{start: start, settled: map[string]status.Phase{}, signing: map[string]bool{},
		asked: map[string]stamp{}, account: map[string]string{}, told: map[string]time.Time{}, left: map[string]bool{}}
}

// signIn notes that the person at this tray asks for a sign-in; refused, that nothing
// came of it; signOut, that they sign out, and so know it.
func (n *news) signIn(p *status.Profile) { n.signing[p.Name], n.asked[p.Name] = true, stampOf(p) }
func (n *news) refused(profile string)   { delete(n.signing, profile); delete(n.asked, profile) }
func (n *news) signOut(profile string)   { n.left[profile] = true }

// see looks at a Snapshot. asked says whether the person at this tray asked for the
// sign-in of a profile; how that ends is always told.
func (n *news) see(s *status.Snapshot, now time.Time, asked func(profile string) bool) {
	for i := range s.Profiles {
		p := &s.Profiles[i]
		m, ok := n.change(p)
		if !ok {
			continue
		}
		if last, before := n.told[p.Name]; !asked(p.Name) && (now.Sub(n.start) < quiet || (before && now.Sub(last) < spacing)) {
			continue
		}
		n.told[p.Name] = now
		n.pending = append(n.pending, m)
	}
	n.forget(s)
	n.seeClients(s, now)
}

// seeClients tells which clients are to be quit, once for each profile until that has
// been written. While all is quiet it waits: nobody else would tell it later.
func (n *news) seeClients(s *status.Snapshot, now time.Time) {
	if now.Sub(n.start) < quiet {
		return
	}
	told := map[string]bool{}
	for i := range s.Clients {
		c := &s.Clients[i]
		var fresh []status.ClientEntry
		for _, e := range c.Profiles {
			key := c.ID + " " + e.Profile
			waits := c.Waiting && e.Asked && (e.State == status.ClientMissing || e.State == status.ClientOutdated)
			if waits && !n.waiting[key] {
				fresh = append(fresh, e)
			}
			told[key] = told[key] || waits || n.waiting[key] && e.State != status.ClientCurrent
		}
		if len(fresh) > 0 {
			n.pending = append(n.pending, quitFirst(c, fresh))
		}
	}
	n.waiting = told
}

func quitFirst(c *status.Client, entries []status.ClientEntry) message {
	what, verb := clip(entries[0].Profile, maxName)+" is", "added"
	if n := len(entries); n > 1 {
		what = fmt.Sprintf("%d profiles are", n)
	}
	for _, e := range entries {
		if e.State == status.ClientOutdated {
			verb = "updated"
		}
	}
	name := clip(c.Name, maxName)
	return message{fmt.Sprintf("Quit %s fully, and %s %s", name, what, verb), name + " is running, and would overwrite its config."}
}

// change notes how p is and says what became of it.
func (n *news) change(p *status.Profile) (message, bool) {
	if row, ok := n.asked[p.Name]; ok && row == stampOf(p) {
		return message{}, false
	}
	delete(n.asked, p.Name)
	name := clip(p.Name, maxName)
	signing, before := n.signing[p.Name], n.settled[p.Name]
	n.signing[p.Name] = p.Phase == status.SigningIn
	switch p.Phase {
	case status.Ready:
		last, now := n.account[p.Name], accountOf(p)
		n.settled[p.Name], n.account[p.Name] = p.Phase, now
		delete(n.left, p.Name)
		switch {
		case p.Code == status.SignInUnsaved:
			return message{"Signed in to " + name + ", but not for long", clip(capital(p.Detail), maxText)}, signing
		case p.Code != "": // the one before is still good
			return failure(p), signing
		}
		return message{"Signed in to " + name, clip(capital(p.Summary), maxText)}, signing && (before != status.Ready || last != now)
	case status.SignInNeeded:
		n.settled[p.Name] = p.Phase
		if signing {
			// A sign-in that a person cancelled leaves no other code behind.
			return failure(p), p.Code != "" && p.Code != status.NotSignedIn
		}
		left := n.left[p.Name]
		delete(n.left, p.Name)
		return message{name + " needs you to sign in", clip(capital(detailLine(p)), maxText)}, before == status.Ready && !left
	case status.Backoff:
		if p.Code != "" {
			return failure(p), signing
		}
		n.signing[p.Name] = signing // not over yet
	}
	return message{}, false
}

// accountOf tells one sign-in from the next, as far as a row shows it.
func accountOf(p *status.Profile) string {
	a := p.Account
	if a == nil {
		return ""
	}
	return fmt.Sprint(a.Issuer, a.Subject, a.Scopes, a.ExpiresAt)
}

func failure(p *status.Profile) message {
	return message{"The sign-in to " + clip(p.Name, maxName) + " failed", clip(capital(detailLine(p)), maxText)}
}

// forget drops what is known of profiles that are no more.
func (n *news) forget(s *status.Snapshot) {
	for name := range n.signing {
		if s.Profile(name) == nil {
			delete(n.settled, name)
			delete(n.signing, name)
			delete(n.asked, name)
			delete(n.account, name)
			delete(n.told, name)
			delete(n.left, name)
		}
	}
}

// take returns all that is pending as one message.
func (n *news) take() (m message, ok bool) {
	all := n.pending
	n.pending = nil
	switch len(all) {
	case 0:
		return message{}, false
	case 1:
		return all[0], true
	}
	var lines []string
	for i, each := range all {
		if i == maxLines {
			lines = append(lines, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		lines = append(lines, each.title)
	}
	return message{app, strings.Join(lines, "\n")}, true
}
