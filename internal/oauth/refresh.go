package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Deadlines of a renewal. They are its own: no caller's context ends one.
const (
	lockTime    = 30 * time.Second
	renewalTime = 30 * time.Second
	saveTime    = 15 * time.Second
	againAfter  = 2 * time.Second // before a request that may have been lost is sent once more
	saveEvery   = 5 * time.Second
)

// renew renews the access token. A refresh token that is rotated works once, and a lost one
// ends the sign-in, so the order matters: lock, read again, write down the intent, send
// once, store what came, only then use it (RFC 9700 §4.14). It goes on while the app ends.
func (g *grant) renew(context.Context) error {
	err := g.renewLocked(g.s.ctx)
	g.mu.Lock()
	switch e := asErrorOrNil(err); {
	case e == nil:
		g.trouble, g.lost = trouble{}, nil
	case e.Code == status.NotSignedIn:
		g.trouble = trouble{}
	default:
		g.trouble.note(patient(e), wallNow())
		g.s.log.Warn("renewing failed", "profile", g.profile.Name, "code", e.Code, "error", e.Summary)
	}
	g.mu.Unlock()
	g.changed()
	return err
}

func (g *grant) renewLocked(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	unlock, err := g.s.store.Lock(waiting, g.key)
	if err != nil {
		if waiting.Err() != nil {
			return &Error{Code: status.Busy, Summary: "the sign-in is being renewed by another program", RetryAfter: requestStep, Err: err}
		}
		return storeTrouble(err)
	}
	defer unlock()
	ctx, cancel = context.WithTimeout(ctx, renewalTime)
	defer cancel()
	rec, due, err := g.reread(ctx)
	if err != nil || !due {
		return err
	}
	interrupted, err := g.writeIntent(ctx, rec)
	if err != nil && rec.livesPast(wallNow()) && !g.isBad(rec) {
		e := storeTrouble(err)
		return &Error{Code: status.SignInUnsaved, Summary: "not renewed while it could not be saved", Detail: sentence(e), Action: e.Action,
			RetryAfter: saveEvery, Err: err}
	}
	a, failed := g.send(ctx, rec)
	return g.settle(rec, &a, failed, interrupted)
}

// reread takes over what is stored: another process may have renewed it, or signed out. due
// reports whether there is still something to renew.
func (g *grant) reread(ctx context.Context) (rec *record, due bool, err error) {
	stored, lost, err := g.read(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	mine := g.rec
	switch {
	case mine != nil && g.unsaved != nil && (stored == nil || stored.Gen < mine.Gen):
		// The newest one is in memory only.
	case err != nil && mine == nil:
		return nil, false, storeTrouble(err)
	case err != nil:
		// The preflight will say whether this is a reason not to renew.
	case stored == nil:
		g.rec, g.lost = nil, lost
		return nil, false, g.needed()
	default:
		g.adoptLocked(stored)
	}
	rec = g.rec.clone()
	if rec.State != stateLive {
		return nil, false, g.needed()
	}
	now := wallNow()
	at := rec.renewAt()
	fresh := rec.Access != g.bad && rec.livesPast(now.Add(rec.lastMoments())) && (at.IsZero() || now.Before(at))
	return rec, rec.renewable() && !fresh, nil
}

// adoptLocked makes rec the one in use, with mu held.
func (g *grant) adoptLocked(rec *record) {
	if g.bad != "" && rec.Access != g.bad {
		g.bad = ""
	}
	if g.rec == nil || rec.Access != g.rec.Access {
		g.unprove(renewed)
	}
	g.rec, g.loaded = rec, true
}

func (g *grant) adoptUnlessUnsaved(rec *record) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.unsaved != nil {
		return false
	}
	g.adoptLocked(rec)
	return true
}

func (g *grant) isBad(rec *record) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return rec.Access == g.bad
}

// writeIntent proves that a record can be written, and leaves word for the case that we do
// not live to write it. It returns when an earlier renewal with the same token was begun
// and not finished.
func (g *grant) writeIntent(ctx context.Context, rec *record) (interrupted time.Time, err error) {
	now := intent{Gen: rec.Gen, SHA256: fingerprint(rec.Refresh), Started: wallNow()}
	if blob, err := g.s.store.Load(ctx, intentKey(g.key)); err == nil {
		var before intent
		if json.Unmarshal(blob, &before) == nil && before.Gen == now.Gen && before.SHA256 == now.SHA256 {
			interrupted, now.Started = before.Started, before.Started
		}
	}
	whole, err := json.Marshal(rec)
	if err != nil {
		return interrupted, err
	}
	now.Pad = strings.Repeat(" ", len(whole))
	blob, err := json.Marshal(now)
	if err != nil {
		return interrupted, err
	}
	return interrupted, g.s.store.Save(ctx, intentKey(g.key), blob)
}

func (g *grant) dropIntent(ctx context.Context) {
	if err := g.s.store.Delete(ctx, intentKey(g.key)); err != nil && !errors.Is(err, ErrNoRecord) {
		g.s.log.Warn("intent not removed", "error", clean(err.Error(), 200))
	}
}

// send posts the refresh token. It is sent a second time only when the first may have been
// lost on the way: a server that is kind to retries answers, one that is not has already
// taken the first for the last.
func (g *grant) send(ctx context.Context, rec *record) (tokenAnswer, *failure) {
	c, err := g.clientOf(ctx, rec)
	if err != nil {
		return tokenAnswer{}, &failure{verdict: configured, err: asError(err)}
	}
	defer g.s.asking(hostOf(rec.TokenEndpoint))()
	w, p := g.way(), g.present()
	a, failed := w.post(ctx, rec.TokenEndpoint, c, refreshForm(rec, p))
	if failed != nil && failed.told && failed.code == "invalid_scope" && len(rec.Scopes) > 0 && !rec.NoScope {
		rec.NoScope = true // it said no: the refresh token is unused
		a, failed = w.post(ctx, rec.TokenEndpoint, c, refreshForm(rec, p))
	}
	if failed == nil || !failed.lost || a.usableRefresh() != "" {
		return a, failed
	}
	select {
	case <-time.After(againAfter):
	case <-ctx.Done():
		return a, failed
	}
	a, failed = w.post(ctx, rec.TokenEndpoint, c, refreshForm(rec, p))
	if failed != nil {
		failed.lost = true // the first one's, if not this one's
	}
	return a, failed
}

func refreshForm(rec *record, p profile.Profile) url.Values {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {rec.Refresh}}
	if rec.Resource != "" {
		form.Set("resource", rec.Resource)
	}
	if len(rec.Scopes) > 0 && !rec.NoScope && p.SignIn.ScopeParam == "scope" {
		form.Set("scope", strings.Join(rec.Scopes, " "))
	}
	return form
}

// clientOf is the client rec was made with; a configured secret is read afresh.
func (g *grant) clientOf(ctx context.Context, rec *record) (client, error) {
	c := rec.client()
	if c.dynamic || c.method == authNone {
		return c, nil
	}
	var err error
	c.secret, err = g.clientSecret(ctx)
	return c, err
}

// settle draws the consequences of an answer, the lock still held.
func (g *grant) settle(rec *record, a *tokenAnswer, failed *failure, interrupted time.Time) error {
	if failed == nil || a.usableRefresh() != "" && a.usableRefresh() != rec.Refresh {
		g.put(rec.with(a, wallNow()))
		if failed == nil {
			g.mu.Lock()
			g.bad = "" // even if it is the same again: the provider vouches for it
			g.unprove(renewed)
			g.mu.Unlock()
			g.s.log.Info("sign-in renewed", "host", hostOf(rec.TokenEndpoint))
			return nil
		}
		return failed.err
	}
	ctx, cancel := context.WithTimeout(g.s.ctx, saveTime)
	defer cancel()
	if failed.told || failed.unsent && !failed.lost && interrupted.IsZero() {
		g.dropIntent(ctx)
	}
	switch {
	case failed.verdict == ended:
		return g.end(ctx, rec, endedWhy(failed, interrupted))
	case failed.verdict == unknownOwner && rec.Dynamic:
		g.doubt(ctx, rec.Issuer, rec.Redirect, rec.ClientID)
		return g.end(ctx, rec, hostOf(rec.TokenEndpoint)+" does not know this client any more")
	case failed.verdict == unknownOwner:
		failed.err.Action = "Check sign_in.client_id and client_secret of the profile"
	}
	return failed.err
}

func endedWhy(f *failure, interrupted time.Time) string {
	switch {
	case !interrupted.IsZero():
		return "the sign-in was interrupted while renewing at " + interrupted.Local().Format("15:04")
	case f.lost:
		return "the provider's answer to a renewal was lost on the way, and the sign-in with it"
	}
	return "the provider has ended the sign-in (" + clean(f.code, 40) + ")"
}

// end believes that a grant is over only when what is stored is still what was refused:
// otherwise somebody renewed it meanwhile. The dead record is kept.
func (g *grant) end(ctx context.Context, rec *record, why string) error {
	stored, _, err := g.read(ctx)
	if err == nil && stored != nil && stored.Refresh != rec.Refresh && g.adoptUnlessUnsaved(stored) {
		return nil
	}
	dead := *rec
	dead.Gen++
	dead.State, dead.Why = stateDead, why
	g.put(&dead)
	g.s.log.Warn("sign-in ended", "host", hostOf(rec.TokenEndpoint), "why", why)
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.needed()
}

// put stores rec and then uses it. When it cannot be stored it is used from memory, and
// stored as soon as that works. The lock is held by the caller.
func (g *grant) put(rec *record) {
	ctx, cancel := context.WithTimeout(g.s.ctx, saveTime)
	defer cancel()
	g.keep(rec, g.save(ctx, rec))
}

// keep uses rec; with err it is in memory only so far.
func (g *grant) keep(rec *record, err error) {
	g.mu.Lock()
	g.adoptLocked(rec)
	g.unsaved = err
	again := err != nil && !g.saving
	if again {
		g.saving = true
	}
	g.mu.Unlock()
	if again {
		g.keepSaving()
	}
}

// save writes rec durably and then removes the intent it fulfils.
func (g *grant) save(ctx context.Context, rec *record) error {
	blob, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	if err := g.s.store.Save(ctx, g.key, blob); err != nil {
		g.s.log.Error("sign-in not saved", "error", clean(err.Error(), 200))
		return err
	}
	g.dropIntent(ctx)
	return nil
}

// keepSaving tries to store what is only in memory until it is stored, and once more when
// the process ends.
func (g *grant) keepSaving() {
	end, ok := g.s.begin()
	if !ok {
		return
	}
	go func() {
		defer end()
		tick := time.NewTicker(saveEvery)
		defer tick.Stop()
		for last := false; !last; {
			select {
			case <-tick.C:
			case <-g.s.closing.Done():
				last = true
			}
			if g.saveAgain() {
				break
			}
		}
		g.changed()
	}()
}

// saveAgain reports whether nothing is left to store.
func (g *grant) saveAgain() (done bool) {
	ctx, cancel := context.WithTimeout(g.s.ctx, saveTime)
	defer cancel()
	unlock, err := g.s.store.Lock(ctx, g.key)
	if err != nil {
		return false
	}
	defer unlock()
	stored, _, err := g.read(ctx)
	g.mu.Lock()
	rec := g.rec
	needless := rec == nil || g.unsaved == nil || err == nil && stored != nil && stored.Gen >= rec.Gen
	g.mu.Unlock()
	if err == nil && !needless {
		err = g.save(ctx, rec)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if needless || err == nil {
		g.unsaved, g.saving = nil, false
		return true
	}
	g.unsaved = err
	return false
}
