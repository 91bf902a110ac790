package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// signOut is Account.SignOut: revoked first, forgotten then.
func (g *grant) signOut(ctx context.Context, revoke bool) error {
	if err := g.endAttempt(ctx); err != nil {
		return err
	}
	locking, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	unlock, err := g.s.store.Lock(locking, g.key)
	if err != nil {
		return storeTrouble(err)
	}
	defer unlock()
	if revoke {
		if err := g.revoke(ctx); err != nil {
			return err
		}
	}
	for _, key := range []string{g.key, intentKey(g.key)} {
		if err := g.s.store.Delete(ctx, key); err != nil && !errors.Is(err, ErrNoRecord) {
			return storeTrouble(err)
		}
	}
	g.mu.Lock()
	g.rec, g.loaded, g.unsaved = nil, true, nil
	g.trouble, g.storms, g.spurned, g.bad, g.note, g.wanted = trouble{}, breaker{}, spurned{}, "", "", nil
	g.lost = &Error{Code: status.NotSignedIn, Summary: "signed out", Action: g.s.signInAction(g.profile)}
	if g.target == targetUnknown {
		g.target = targetClosed
	}
	g.s.log.Info("signed out", "profile", g.profile.Name, "revoked", revoke)
	g.mu.Unlock()
	g.changed()
	return nil
}

// endAttempt cancels a sign-in under way, whoever waits for it.
func (g *grant) endAttempt(ctx context.Context) error {
	g.mu.Lock()
	a := g.attempt
	if a != nil {
		a.ending = true
		a.cancel(nil)
	}
	g.mu.Unlock()
	if a == nil {
		return nil
	}
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return &Error{Code: status.Busy, Summary: "a sign-in is still being ended", Action: "Try again", Err: ctx.Err()}
	}
}

// revoke ends the grant at the provider (RFC 7009). Without a grant, or a place to revoke it
// at, there is nothing to do.
func (g *grant) revoke(ctx context.Context) error {
	rec, _, err := g.read(ctx)
	if err != nil {
		return storeTrouble(err)
	}
	g.mu.Lock()
	if mine := g.rec; mine != nil && (rec == nil || g.unsaved != nil && mine.Gen > rec.Gen) {
		rec = mine
	}
	g.mu.Unlock()
	if rec == nil || rec.Revocation == "" || rec.State != stateLive {
		return nil
	}
	c, err := g.clientOf(ctx, rec)
	if err != nil {
		return err
	}
	return g.way().revoke(ctx, rec.Revocation, c, rec.Refresh, rec.Access)
}

// revoke revokes the refresh token, and with it the grant, or else the access token.
func (w *web) revoke(ctx context.Context, endpoint string, c client, refresh, access string) error {
	form := url.Values{"token": {refresh}, "token_type_hint": {"refresh_token"}}
	if refresh == "" {
		form = url.Values{"token": {access}, "token_type_hint": {"access_token"}}
	}
	host := hostOf(endpoint)
	r, err := w.credentialed(ctx, "revocation_endpoint", endpoint, c, form)
	if err != nil {
		return unaskable(host, status.IDPUnavailable, err)
	}
	reply, err := w.do(r, metadataLimit, false)
	if err != nil {
		e := unreachable(host, status.IDPUnavailable, err)
		e.Action = signOutAnyway
		return e
	}
	if reply.status == http.StatusOK || reply.status == http.StatusNoContent {
		return nil
	}
	return &Error{Code: status.IDPUnavailable, Summary: "the sign-in could not be revoked", Detail: host + ": " + reply.odd(),
		Action: signOutAnyway, RetryAfter: retryAfter(reply.header)}
}

const signOutAnyway = "Try again later, or sign out without revoking"

// revokeQuietly gives back tokens that are not going to be used.
func (w *web) revokeQuietly(ctx context.Context, endpoint string, c client, refresh, access string) {
	if endpoint != "" {
		_ = w.revoke(ctx, endpoint, c, refresh, access) // they expire in any case
	}
}
