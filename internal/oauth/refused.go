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
		g.storms.trip(now)
		return useCurrent, g.orRunning(g.rejected(now))
	case g.bad == rec.Access:
		if wait := g.trouble.quiet(now, false); wait != nil {
			return useCurrent, g.orRunning(wait)
		}
		return renewNow, nil
	case !g.storms.allow(now):
		return useCurrent, g.orRunning(g.rejected(now))
	}
	g.bad = rec.Access
	g.trouble.retryNow()
	g.s.log.Info("token refused by the upstream", "profile", g.profile.Name, "token", rec.token())
	return renewNow, nil
}

// rejected is the error while an upstream refuses what the provider issues.
func (g *grant) rejected(now time.Time) *Error {
	e := &Error{
		Code:       status.CredentialsRejected,
		Summary:    hostOf(g.profile.Target) + " refuses this sign-in",
		Detail:     "it answers 401 to every new token",
		Action:     g.s.signInAction(g.profile),
		RetryAfter: max(g.storms.open(now), forcedEvery),
	}
	if g.rec != nil && !g.rec.renewable() {
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
		Summary: "The server asks for more rights",
		Action:  g.s.signInAction(g.profile),
	})
}
