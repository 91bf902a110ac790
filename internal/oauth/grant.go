package oauth

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// grant is a source whose token a person signed in for.
type grant struct {
	s       *Accounts
	key     string
	changed func() // has the account report; never called with mu held

	flight singleflight.Group // load, probe, renew: one at a time each

	mu       sync.Mutex // guards what follows
	profile  profile.Profile
	scopes   map[string][]string // configured ones by profile name: a shared sign-in asks for all
	web      *web
	loaded   bool
	rec      *record // nil: not signed in
	unsaved  error   // why rec is not stored
	saving   bool    // a goroutine tries again to store it
	target   targetState
	offer    string   // what an open target says of signing in, for people
	wanted   []string // scopes that challenges asked for
	trouble  trouble
	storms   breaker
	spurned  spurned
	proof    proof
	eager    atomic.Bool // spurned.on or not proved: an accepted token is news
	offers   limiter     // of more rights
	bad      string      // access token that the upstream refused
	attempt  *attempt
	lost     *Error // why nobody is signed in, when that has a reason
	note     string // something to know of the last sign-in
	reviewed string // issuer that a person was told the target changed to
}

// targetState is what is known of a target with method auto.
type targetState int

const (
	targetUnknown targetState = iota
	targetOpen                // answers without a sign-in
	targetClosed
)

func newGrant(s *Accounts, key string, changed func()) source {
	return &grant{s: s, key: key, changed: changed, scopes: map[string][]string{}}
}

// adopt puts p's settings in force. What is stored is looked at again when they changed. Since
// a person edited or restarted the profile, old trouble is forgotten.
func (g *grant) adopt(p profile.Profile) error {
	if _, err := targetURL(p); err != nil {
		return err
	}
	if err := reservedParams(p.SignIn.AuthorizeParams); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.profile
	same := reflect.DeepEqual([]any{old.SignIn, old.TLS, old.Proxy, old.Target}, []any{p.SignIn, p.TLS, p.Proxy, p.Target})
	if g.web == nil || !same {
		w, err := newWeb(p)
		if err != nil {
			return err
		}
		if g.web != nil {
			g.web.close()
		}
		g.web = w
		g.target = targetUnknown
		if g.rec == nil || g.rec.bound(p) != nil {
			g.unsaved = nil
		}
		g.loaded = g.unsaved != nil
	}
	g.profile = p
	g.scopes[p.Name] = p.SignIn.Scopes
	g.trouble, g.storms, g.spurned = trouble{}, breaker{}, spurned{}
	return nil
}

// configuredScopes are those of all profiles that share the sign-in, nil when none names any.
func (g *grant) configuredScopes() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	named, all := false, []string{}
	for _, name := range slices.Sorted(maps.Keys(g.scopes)) {
		named = named || g.scopes[name] != nil
		all = append(all, g.scopes[name]...)
	}
	if !named {
		return nil
	}
	return append([]string{}, unionScopes(all)...)
}

// once runs f, joining a run of that name under way. The caller's context ends only
// its waiting; f has its own.
func (g *grant) once(ctx context.Context, name string, f func(context.Context) error) error {
	ch := g.start(name, f)
	select {
	case r := <-ch:
		return r.Err
	case <-ctx.Done():
		return &Error{Code: status.Busy, Summary: "the sign-in is being brought up to date", Action: "Try again", Err: ctx.Err()}
	}
}

func (g *grant) start(name string, f func(context.Context) error) <-chan singleflight.Result {
	return g.flight.DoChan(name, func() (any, error) {
		end, ok := g.s.begin()
		if !ok {
			return nil, shuttingDown()
		}
		defer end()
		return nil, f(g.s.closing)
	})
}

func shuttingDown() *Error {
	return &Error{Code: status.ShuttingDown, Summary: "mcpauth-tray is shutting down"}
}

// token is Account.Token.
func (g *grant) token(ctx context.Context) (Token, error) {
	if err := g.look(ctx); err != nil {
		return Token{}, err
	}
	now := wallNow()
	if held := g.heldBack(now); held != nil {
		return Token{}, held
	}
	t, next, err := g.current(now)
	switch next {
	case renewBehind:
		g.start("renew", g.renew)
	case renewFirst:
		if err := g.once(ctx, "renew", g.renew); err != nil {
			return g.stillGood(err)
		}
		if t, next, err = g.current(wallNow()); next == renewFirst {
			return g.stillGood(&Error{Code: status.IDPUnavailable, Summary: "the provider's tokens end at once"})
		}
	}
	return t, err
}

// stillGood lets a token that lives serve on when its renewal failed.
func (g *grant) stillGood(err error) (Token, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.rec; r != nil && r.livesPast(wallNow()) && r.Access != g.bad {
		return r.token(), nil
	}
	return Token{}, g.orRunning(asError(err))
}

// step is what has to be done about a token.
type step int

const (
	stepNone    step = iota
	renewBehind      // soon: callers need not wait
	renewFirst       // now
)

// current judges what is at hand, without doing anything.
func (g *grant) current(now time.Time) (Token, step, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.rec
	switch {
	case r == nil && g.target == targetOpen:
		return Token{}, stepNone, nil
	case r == nil:
		return Token{}, stepNone, g.orRunning(g.needed())
	case r.livesPast(now.Add(r.lastMoments())) && r.Access != g.bad:
		if at := r.renewAt(); !at.IsZero() && !now.Before(at) && !g.spurned.on && g.trouble.quiet(now, true) == nil {
			return r.token(), renewBehind, nil
		}
		return r.token(), stepNone, nil
	case r.renewable():
		if wait := g.trouble.quiet(now, false); wait != nil {
			if r.livesPast(now) && r.Access != g.bad {
				return r.token(), stepNone, nil
			}
			return Token{}, stepNone, g.orRunning(wait)
		}
		return Token{}, renewFirst, nil
	case r.livesPast(now) && r.Access != g.bad:
		return r.token(), stepNone, nil
	}
	return Token{}, stepNone, g.orRunning(g.needed())
}

// needed says why a person has to sign in.
func (g *grant) needed() *Error {
	e := &Error{Code: status.NotSignedIn, Summary: "sign-in needed", Action: g.s.signInAction(g.profile)}
	switch r := g.rec; {
	case g.lost != nil && g.lost.Code == status.NotSignedIn:
		return g.lost
	case g.lost != nil:
		e.Summary, e.Detail, e.Action = lastFailed, sentence(g.lost), g.lost.Action
	case r != nil && r.State == stateDead:
		e.Detail = r.Why
	case r != nil:
		e.Detail = "the sign-in has ended and cannot be renewed"
	}
	return e
}

const lastFailed = "the last sign-in failed"

// orRunning has callers wait for a sign-in under way instead.
func (g *grant) orRunning(e *Error) *Error {
	if g.attempt == nil {
		return e
	}
	return &Error{Code: status.SignInRunning, Summary: "a sign-in is under way", Action: "Finish it in the browser", Wait: g.attempt.done}
}

// signInAction is how a person starts a sign-in.
func (s *Accounts) signInAction(p profile.Profile) string {
	if s.action != "" {
		return s.action
	}
	return "Sign in from the tray menu, or run: mcpauth-tray signin " + p.Name
}

// look loads what is stored and, for an unknown target, asks whether it wants a sign-in.
func (g *grant) look(ctx context.Context) error {
	if err := g.ensureLoaded(ctx); err != nil {
		return err
	}
	g.mu.Lock()
	unknown := g.rec == nil && g.target == targetUnknown && g.profile.SignIn.Method == profile.MethodAuto && g.attempt == nil
	wait := g.trouble.quiet(wallNow(), false)
	g.mu.Unlock()
	switch {
	case !unknown:
		return nil
	case wait != nil:
		return wait
	}
	return g.once(ctx, "probe", g.probe)
}

func (g *grant) ensureLoaded(ctx context.Context) error {
	g.mu.Lock()
	loaded, wait := g.loaded, g.trouble.quiet(wallNow(), false)
	g.mu.Unlock()
	switch {
	case loaded:
		return nil
	case wait != nil:
		return wait
	}
	return g.once(ctx, "load", g.load)
}

// load reads the stored record.
func (g *grant) load(ctx context.Context) error {
	rec, lost, err := g.read(ctx)
	g.mu.Lock()
	if err != nil {
		g.trouble.note(patient(storeTrouble(err)), wallNow())
	} else if !g.loaded {
		g.loaded, g.rec, g.lost = true, rec, lost
		g.trouble = trouble{}
	}
	g.mu.Unlock()
	if err != nil {
		return storeTrouble(err)
	}
	return nil
}

// read loads the record; one that is not for the present profile, or cannot be read, is left
// alone and counts as none.
func (g *grant) read(ctx context.Context) (*record, *Error, error) {
	blob, err := g.s.store.Load(ctx, g.key)
	if errors.Is(err, ErrNoRecord) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	p := g.present()
	rec, err := decodeRecord(blob)
	if err == nil {
		err = rec.bound(p)
	}
	if err != nil {
		return nil, &Error{Code: status.NotSignedIn, Summary: "sign-in needed",
			Detail: "the stored sign-in is not used: " + err.Error(), Action: g.s.signInAction(p), Err: err}, nil
	}
	return rec, nil, nil
}

func (g *grant) present() profile.Profile {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.profile
}

func (g *grant) way() *web {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.web
}

// check is Account.Check. It tries at once what only other callers have to wait for, and
// finds out whether another process has signed in.
func (g *grant) check(ctx context.Context) {
	g.mu.Lock()
	g.trouble.retryNow()
	idle := !g.mayRenew(wallNow())
	g.mu.Unlock()
	if g.look(ctx) != nil || idle {
		return
	}
	if g.signedOut() {
		g.takeOver(ctx)
	}
	_, next, _ := g.current(wallNow())
	if next != stepNone {
		_ = g.once(ctx, "renew", g.renew) // what went wrong is in the report
	}
}

func (g *grant) close() {
	if w := g.way(); w != nil {
		w.close()
	}
}
