package oauth

import (
	"context"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// What other processes do with the same account: several bridges to one URL, say.

// turnKey names the lock of whoever has a person sign in.
func turnKey(key string) string { return key + "-sign-in" }

// takeTurn keeps processes from asking a person for the same sign-in at one time. It waits
// until no other one does; joined reports that one did.
func (g *grant) takeTurn(ctx context.Context, a *attempt) (end func(), joined bool) {
	end, free, err := g.s.store.TryLock(turnKey(g.key))
	if err == nil && !free {
		joined = true
		g.noteOn(a, "another program on this computer is signing in already")
		end, err = g.s.store.Lock(ctx, turnKey(g.key))
		g.noteOn(a, "")
	}
	if err != nil { // where nothing can be locked there is nobody to share with
		return func() {}, joined
	}
	return end, joined
}

func (g *grant) noteOn(a *attempt, note string) {
	g.mu.Lock()
	a.note = note
	g.mu.Unlock()
	g.changed()
}

// signedOut reports whether nothing at hand gives a token, now or after a renewal.
func (g *grant) signedOut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.rec
	return r == nil || !r.renewable() && (r.State != stateLive || !r.livesPast(wallNow()) || r.Access == g.bad)
}

// takeOver uses a sign-in that another process has stored since we looked, and reports
// whether there is one.
func (g *grant) takeOver(ctx context.Context) bool {
	stored, _, err := g.read(ctx)
	if err != nil || stored == nil || !stored.renewable() && (stored.State != stateLive || !stored.livesPast(wallNow())) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.unsaved != nil || g.rec != nil && stored.Gen <= g.rec.Gen {
		return false
	}
	g.adoptLocked(stored)
	g.lost, g.trouble, g.storms, g.spurned = nil, trouble{}, breaker{}, spurned{}
	g.unprove(signedInto)
	return true
}

// errJoined is the end of a sign-in that another process began and nobody finished.
func errJoined() *Error {
	return &Error{Code: status.NotSignedIn, Summary: "sign-in needed",
		Detail: "the sign-in that another program on this computer began was not finished"}
}
