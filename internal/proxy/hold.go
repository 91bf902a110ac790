package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// lookAgain is how often a sign-in that a request asked for is looked for until it shows.
const lookAgain = 50 * time.Millisecond

// appearWithin is how long that takes at most: a sign-in that is not to be, because one
// failed a moment ago, never shows.
const appearWithin = 2 * time.Second

// orWait returns token if there is one. Otherwise it waits while a sign-in is under
// way: one that runs, or the one that this request may ask for.
func (h *Handler) orWait(ctx context.Context, token oauth.Token, err error) (oauth.Token, *failure) {
	if err == nil {
		return token, nil
	}
	until, stop := context.WithTimeout(ctx, h.hold)
	defer stop()
	var asked time.Time
	waited := false
	for {
		var e *oauth.Error
		if ctx.Err() != nil {
			return oauth.Token{}, shuttingDown
		}
		if !errors.As(err, &e) {
			h.log.Warn("no token", "error", err)
			return oauth.Token{}, &failure{code: status.IDPUnavailable, says: "the sign-in could not be looked at",
				action: "Try again in a moment"}
		}
		ended := e.Wait
		if ended != nil {
			waited = true
		} else {
			if e.Code != status.NotSignedIn || h.wantSignIn == nil || waited {
				return oauth.Token{}, ofToken(e)
			}
			switch {
			case asked.IsZero():
				asked = time.Now()
				h.wantSignIn()
			case time.Since(asked) > appearWithin:
				return oauth.Token{}, ofToken(e)
			}
		}
		if !pause(until, ended) {
			return oauth.Token{}, ofToken(e)
		}
		if token, err = h.tokens.Token(ctx); err == nil {
			return token, nil
		}
	}
}

// pause waits for ended, a moment if that is nil, and reports false if ctx ended first.
func pause(ctx context.Context, ended <-chan struct{}) bool {
	var moment <-chan time.Time
	if ended == nil {
		timer := time.NewTimer(lookAgain)
		defer timer.Stop()
		moment = timer.C
	}
	select {
	case <-ended:
	case <-moment:
	case <-ctx.Done():
		return false
	}
	return true
}
