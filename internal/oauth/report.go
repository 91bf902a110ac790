package oauth

import (
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// report says where the grant stands. It decides nothing.
func (g *grant) report() status.Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := wallNow()
	r := g.standing(now)
	if g.rec != nil {
		r.Account = g.rec.account()
	}
	return r
}

func (g *grant) standing(now time.Time) status.Report {
	rec := g.rec
	switch {
	case g.attempt != nil:
		return g.attempt.report(g.profile.Name)
	case g.outlived():
		r := failing(status.Backoff, g.rejected(now))
		r.Action = "" // it is renewed by itself
		return r
	case g.spurned.on && rec != nil && rec.State == stateLive:
		return asReport(status.SignInNeeded, g.rejected(now))
	case rec != nil && rec.State == stateLive && rec.livesPast(now) && rec.Access != g.bad:
		return g.ready(now)
	case rec != nil && rec.renewable() && g.trouble.err != nil,
		rec == nil && g.trouble.err != nil:
		return failing(status.Backoff, g.trouble.err)
	case rec != nil && rec.renewable():
		return status.Report{Phase: status.Backoff, Summary: "renewing the sign-in", RenewAt: now}
	case rec == nil && g.target == targetOpen:
		return status.Report{Phase: status.Ready, Summary: "no sign-in needed", Detail: g.offer}
	}
	return g.wanting(now)
}

// wanting is the report while a person has to sign in. The token of a sign-in that cannot
// be renewed serves to its end.
func (g *grant) wanting(now time.Time) status.Report {
	e := g.lost
	if e == nil {
		e = g.needed()
	}
	r := asReport(status.SignInNeeded, e)
	if rec := g.rec; rec != nil && rec.livesPast(now) && rec.Access != g.bad {
		end := "for now"
		if !rec.Expires.IsZero() {
			end, r.RenewAt = "until "+readable(rec.Expires, now), rec.Expires
		}
		r.Detail = strings.TrimPrefix(r.Detail+"; calls still work "+end, "; ")
	}
	return r
}

// ready is the report while the token at hand is good.
func (g *grant) ready(now time.Time) status.Report {
	r := status.Report{Phase: status.Ready, Summary: "ready", Detail: g.note, RenewAt: g.rec.renewAt()}
	if !g.rec.Expires.IsZero() {
		r.Summary = "ready until " + readable(g.rec.Expires, now)
		if r.RenewAt.IsZero() {
			r.RenewAt = g.rec.Expires // to say in time that it has ended
		}
	}
	switch {
	case g.trouble.err != nil:
		e := g.trouble.err
		r.Failed, r.RetryAfter, r.RenewAt = true, e.RetryAfter, g.rec.Expires
		r.Code, r.Detail, r.Action = e.Code, "renewing failed: "+sentence(e), e.Action
	case g.unsaved != nil:
		e := storeTrouble(g.unsaved)
		r.Code, r.Action = status.SignInUnsaved, e.Action
		r.Detail = "the sign-in cannot be saved and would be lost when mcpauth-tray ends: " + sentence(e)
	case g.lost != nil:
		r.Code, r.Detail, r.Action = g.lost.Code, lastFailed+": "+sentence(g.lost), g.lost.Action
	case len(g.wanted) > 0 && !covers(g.rec.Scopes, g.wanted):
		r.Detail = "the server asks for more rights: " + clean(strings.Join(g.wanted, " "), 160)
		r.Action = "Sign in again to grant the rights the server asks for"
	}
	return r
}

func sentence(e *Error) string {
	if e.Detail == "" {
		return e.Summary
	}
	return e.Summary + ", " + e.Detail
}

func asReport(phase status.Phase, e *Error) status.Report {
	return status.Report{Phase: phase, Summary: e.Summary, Detail: e.Detail, Code: e.Code, Action: e.Action}
}

func failing(phase status.Phase, e *Error) status.Report {
	r := asReport(phase, e)
	r.Failed, r.RetryAfter = true, e.RetryAfter
	return r
}

// settingsPause is how long to wait before a setting that somebody has to change is tried again.
const settingsPause = 5 * time.Minute

// storePause is how soon a locked secret store is tried again: it may be unlocked any time.
const storePause = 3 * time.Second

// patient gives an error the pause it deserves when the other side named none.
func patient(e *Error) *Error {
	pauses := map[status.Code]time.Duration{
		status.ProviderRefused: settingsPause, status.ProfileError: settingsPause, status.SecretStoreLocked: storePause,
	}
	if e.RetryAfter > 0 || pauses[e.Code] == 0 {
		return e
	}
	slow := *e
	slow.RetryAfter = pauses[e.Code]
	return &slow
}
