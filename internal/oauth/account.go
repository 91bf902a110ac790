package oauth

import (
	"context"
	"errors"
	"reflect"
	"sync"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Account is one sign-in, shared by the profiles it fits. Its methods may be called
// from any goroutine. Every error they return is a *Error.
type Account struct {
	source source

	deliver sync.Mutex // held while subscribers are told, so that they hear changes in order
	last    status.Report
	known   bool // last holds a report; guarded by deliver

	mu          sync.Mutex // guards what follows
	subscribers map[int]func(status.Report)
	next        int
}

// source is one way of having a token.
type source interface {
	adopt(p profile.Profile) error // p's settings are in force from now on
	token(ctx context.Context) (Token, error)
	refused(ctx context.Context, t Token, challenges []string) (Token, error)
	accepted(t Token)
	check(ctx context.Context)
	signIn(ctx context.Context) error
	signOut(ctx context.Context, revoke bool) error
	report() status.Report
	close()
}

// Token returns a token that can be used now. It renews one that is due, one renewal at a
// time. The zero Token means: send none.
func (a *Account) Token(ctx context.Context) (Token, error) { return a.source.token(ctx) }

// Refused is told that the upstream answered 401 to t with these WWW-Authenticate values,
// or 403 with an insufficient_scope challenge. It returns another token to try once, or why
// there is none.
func (a *Account) Refused(ctx context.Context, t Token, challenges []string) (Token, error) {
	return a.source.refused(ctx, t, challenges)
}

// Accepted is told that the upstream let a request with t in. It is cheap enough for every
// request, and ends what Refused began.
func (a *Account) Accepted(t Token) { a.source.accepted(t) }

// Check brings the sign-in up to date without a person: it loads what is stored, renews
// what is due, and asks an unknown target whether it wants a sign-in at all.
func (a *Account) Check(ctx context.Context) status.Report {
	a.source.check(ctx)
	return a.refreshed()
}

// SignIn has a person sign in. Its progress shows as Reports; the Prompt among them is for
// the person. It returns when the sign-in is stored, has failed, or ctx ends, which cancels
// it. While one is under way another call joins it and has a fresh Prompt made.
func (a *Account) SignIn(ctx context.Context) error { return a.source.signIn(ctx) }

// SignOut forgets the sign-in. With revoke it is first revoked at the provider (RFC 7009);
// when that fails nothing is forgotten.
func (a *Account) SignOut(ctx context.Context, revoke bool) error {
	return a.source.signOut(ctx, revoke)
}

// Kept reports whether a sign-in is stored, also one that cannot be read.
func (a *Account) Kept(ctx context.Context) (bool, error) {
	g, ok := a.source.(*grant)
	if !ok {
		return false, nil
	}
	_, err := g.s.store.Load(ctx, g.key)
	var trouble *Error
	switch {
	case errors.Is(err, ErrNoRecord):
		return false, nil
	case errors.As(err, &trouble):
		return false, trouble
	}
	return true, nil
}

// Subscribe has f called with every change, in order, and at once when something is known
// already. f must return soon and not call back into the Account.
func (a *Account) Subscribe(f func(status.Report)) (stop func()) {
	a.deliver.Lock()
	defer a.deliver.Unlock()
	a.mu.Lock()
	id := a.next
	a.next++
	a.subscribers[id] = f
	a.mu.Unlock()
	if a.known {
		f(a.last)
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.subscribers, id)
	}
}

// forget has later subscribers wait for the next report: a person changed something.
func (a *Account) forget() {
	a.deliver.Lock()
	defer a.deliver.Unlock()
	a.last, a.known = status.Report{}, false
}

// refresh tells the subscribers what the source reports now.
func (a *Account) refresh() { a.refreshed() }

// refreshed reads the report while it holds deliver: the last one told is the newest.
func (a *Account) refreshed() status.Report {
	a.deliver.Lock()
	defer a.deliver.Unlock()
	r := a.source.report()
	if a.known && reflect.DeepEqual(a.last, r) {
		return r
	}
	a.last, a.known = r, true
	for _, f := range a.listeners() {
		f(r)
	}
	return r
}

func (a *Account) listeners() []func(status.Report) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]func(status.Report), 0, len(a.subscribers))
	for _, f := range a.subscribers {
		all = append(all, f)
	}
	return all
}
