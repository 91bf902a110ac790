package oauth

import (
	"context"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// refused is Account.Refused.
func (g *grant) refused(ctx context.Context, t Token, challenges []string) (Token, error) {
	challenge := readBearer(challenges)
	act, err := g.judge(t, challenge)
	switch {
	case err != nil:
		g.changed()
		return Token{}, err
	case act == useCurrent:
		return g.token(ctx)
	}
	if err := g.once(ctx, "renew", g.renew); err != nil {
		return Token{}, g.alsoRunning(err)
	}
	// The renewal joined may have begun before the refusal was known.
	if g.isCurrentBad() {
		if err := g.once(ctx, "renew", g.renew); err != nil {
			return Token{}, g.alsoRunning(err)
		}
	}
	return g.token(ctx)
}

func (g *grant) alsoRunning(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.orRunning(asError(err))
}

func (g *grant) isCurrentBad() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rec != nil && g.rec.Access == g.bad
}

// what to do about a refusal.
type reaction int

const (
	useCurrent reaction = iota // there is another token by now
	renewNow
)

// judge decides about a refused token: nothing is renewed for one that was replaced already.
func (g *grant) judge(t Token, c bearerChallenge) (reaction, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := wallNow()
	rec := g.rec
	switch {
	case c.err == "insufficient_scope":
		return useCurrent, g.moreRights(c, now)
	case rec == nil && t.IsZero():
		g.target = targetClosed
		return useCurrent, g.orRunning(g.needed())
	case rec == nil || rec.Access != t.Value:
		return useCurrent, nil
	case rec.State == stateDead: // why is known already
		g.bad = rec.Access
		return useCurrent, g.orRunning(g.needed())
	case !rec.renewable():
		return useCurrent, g.spurn(now)
	case g.bad == rec.Access:
		if wait := g.trouble.quiet(now, false); wait != nil {
			return useCurrent, g.orRunning(wait)
		}
		return renewNow, nil
	case !g.storms.allow(now):
		return useCurrent, g.spurn(now)
	}
	g.bad = rec.Access
	g.trouble.retryNow()
	g.s.log.Info("token refused by the upstream", "profile", g.profile.Name, "token", rec.token())
	return renewNow, nil
}

// spurn notes, with mu held, that the upstream refuses the token at hand and no other can be had now.
func (g *grant) spurn(now time.Time) *Error {
	g.spurned = spurned{on: true, tried: now}
	g.eager.Store(true)
	return g.orRunning(g.rejected(now))
}

// unprove notes, with mu held, that the token at hand is a new one.
func (g *grant) unprove(p proof) {
	g.proof, g.spurned.tried = max(p, g.proof), time.Time{}
	g.eager.Store(true)
}

// outlived reports that the upstream refuses a token it took before: another one will do,
// once it may be had.
func (g *grant) outlived() bool {
	return g.spurned.on && g.proof == proved && g.rec != nil && g.rec.renewable() && g.lost == nil
}

// mayRenew reports, with mu held, whether what is due may be renewed without a request. While
// the upstream refuses all it is sent, only a request finds out more.
func (g *grant) mayRenew(now time.Time) bool {
	if g.outlived() && g.storms.allow(now) {
		g.bad, g.spurned = g.rec.Access, spurned{}
	}
	return !g.spurned.on
}

// heldBack is the error for all requests but one in a while when the upstream refuses what
// it is sent. That one may cost a renewal only as often as a refusal may.
func (g *grant) heldBack(now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.rec
	switch {
	case !g.spurned.on || r == nil || r.State != stateLive:
		return nil
	case g.spurned.early(now):
	case r.renewable() && !r.livesPast(now.Add(r.lastMoments())) && !g.storms.allow(now):
	default:
		g.spurned.tried = now
		return nil
	}
	return g.orRunning(g.rejected(now))
}

// accepted is Account.Accepted.
func (g *grant) accepted(t Token) {
	if !g.eager.Load() {
		return
	}
	g.mu.Lock()
	current := g.rec != nil && g.rec.Access == t.Value
	if current {
		g.spurned, g.proof = spurned{}, proved
		g.eager.Store(false)
	}
	g.mu.Unlock()
	if current {
		g.changed()
	}
}

// rejected is the error while an upstream refuses what the provider issues.
func (g *grant) rejected(now time.Time) *Error {
	e := &Error{
		Code:    status.CredentialsRejected,
		Summary: hostOf(g.profile.Target) + " refuses this sign-in",
		Detail:  "it answers 401 to renewed tokens as well",
		Action:  g.s.signInAction(g.profile),
	}
	switch {
	case g.lost != nil:
		e.Detail, e.Action = lastFailed+": "+sentence(g.lost), g.lost.Action
	case g.outlived():
		at := g.storms.next(now)
		e.Summary, e.Detail = hostOf(g.profile.Target)+" refuses the token that it took before", ""
		e.Action, e.RetryAfter = "Try again at "+at.Local().Format(time.TimeOnly), at.Sub(now)
	case g.proof == signedInto:
		e.Detail = "it answers 401 to what a new sign-in brought"
		e.Action = "Check sign_in.scopes and sign_in.resource of the profile, or ask the operator of the server"
	case g.rec != nil && !g.rec.renewable():
		e.Code, e.Detail = status.NotSignedIn, "it does not accept the token any more, which cannot be renewed"
	}
	return e
}

// moreRights notes scopes a request would need; only a person can grant them.
func (g *grant) moreRights(c bearerChallenge, now time.Time) *Error {
	if all := unionScopes(g.wanted, c.scopes); len(all) > len(g.wanted) && g.offers.allow(now, offersMost, forcedWindow) {
		g.wanted = all
	}
	return g.orRunning(&Error{
		Code:    status.NotSignedIn,
		Summary: "the server asks for more rights",
		Action:  g.s.signInAction(g.profile),
	})
}
