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

// vainFor is how long requests ask for a sign-in without waiting for it, after one of them
// waited for what did not appear.
const vainFor = time.Minute

// orWait returns token if there is one. Otherwise it waits while a sign-in is under
// way: one that runs, or the one that this request may ask for.
func (h *Handler) orWait(ctx context.Context, token oauth.Token, err error) (oauth.Token, *failure) {
	if err == nil {
		return token, nil
	}
	until, stop := context.WithTimeout(ctx, h.hold)
	defer stop()
	var w wish
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
		switch {
		case ended != nil:
			waited = true
		case e.Code != status.NotSignedIn || h.wantSignIn == nil || waited || !h.mayAppear(&w, e):
			return oauth.Token{}, ofToken(e)
		}
		if !pause(until, ended) {
			return oauth.Token{}, ofToken(e)
		}
		if token, err = h.tokens.Token(ctx); err == nil {
			return token, nil
		}
	}
}

// wish is a request's wish for a sign-in.
type wish struct {
	asked time.Time // zero: not yet
	said  string    // why there was no token then
}

// mayAppear asks for a sign-in, once, and reports whether it may still appear.
func (h *Handler) mayAppear(w *wish, e *oauth.Error) bool {
	switch {
	case w.asked.IsZero():
		*w = wish{time.Now(), e.Error()}
		h.wantSignIn()
		since := w.asked.UnixNano() - h.inVain.Load()
		return since < 0 || since > int64(vainFor)
	case e.Error() != w.said: // it has come and gone
		return false
	case time.Since(w.asked) > appearWithin:
		h.inVain.Store(w.asked.UnixNano())
		return false
	}
	return true
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
