package oauth

import (
	"context"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// nothing is the source of sign_in.method none.
type nothing struct {
	changed func()
	refusal atomic.Bool // the upstream wants a token all the same
}

func newNothing(_ *Accounts, _ string, changed func()) source { return &nothing{changed: changed} }

func (n *nothing) adopt(profile.Profile) error {
	n.refusal.Store(false)
	return nil
}

func (*nothing) token(context.Context) (Token, error) { return Token{}, nil }
func (*nothing) check(context.Context)                {}
func (*nothing) signIn(context.Context) error         { return noSignIn(profile.MethodNone) }
func (*nothing) signOut(context.Context, bool) error  { return noSignIn(profile.MethodNone) }
func (*nothing) close()                               {}

func (n *nothing) refused(context.Context, Token, []string) (Token, error) {
	if n.refusal.CompareAndSwap(false, true) {
		n.changed()
	}
	return Token{}, wantsSignIn()
}

func (n *nothing) accepted(Token) {
	if n.refusal.Load() && n.refusal.CompareAndSwap(true, false) {
		n.changed()
	}
}

func (n *nothing) report() status.Report {
	if n.refusal.Load() {
		return asReport(status.SignInNeeded, wantsSignIn())
	}
	return status.Report{Phase: status.Ready, Summary: "no sign-in needed"}
}

func wantsSignIn() *Error {
	return &Error{
		Code: status.CredentialsRejected, Summary: "the server wants a sign-in",
		Detail: "sign_in.method of the profile is none", Action: "Remove sign_in.method from the profile",
	}
}

func noSignIn(method string) *Error {
	return &Error{Code: status.ProfileError, Summary: "this profile has no sign-in", Detail: "sign_in.method is " + method,
		Action: "To sign in, remove sign_in.method from the profile"}
}

// static is the source of sign_in.method token: a bearer token kept by the user.
type static struct {
	s       *Accounts
	changed func()

	reading sync.Mutex // one read at a time

	mu      sync.Mutex // guards what follows
	profile profile.Profile
	value   string
	stamp   fileStamp
	looked  time.Time
	fault   *Error // nil: value can be used
	refusal string // value that the upstream refused
	spurned spurned
	eager   atomic.Bool // spurned.on: an accepted token is news
}

// fileStamp tells whether a file was written since.
type fileStamp struct {
	size  int64
	mtime time.Time
}

func stampOf(file string) fileStamp {
	info, err := os.Stat(file)
	if file == "" || err != nil {
		return fileStamp{}
	}
	return fileStamp{info.Size(), info.ModTime()}
}

// lookEvery is how often the file of a token is looked at for a change.
const lookEvery = 2 * time.Second

func newStatic(s *Accounts, _ string, changed func()) source { return &static{s: s, changed: changed} }

// adopt also lets a refused token be tried again: a person edited or restarted the profile.
func (t *static) adopt(p profile.Profile) error {
	if p.SignIn.Token.IsZero() {
		return profileError("sign_in.method is token, but there is no token", "Set sign_in.token_file, token_env or token_keyring")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.profile, t.value, t.refusal, t.fault, t.spurned = p, "", "", nil, spurned{}
	return nil
}

func (t *static) token(ctx context.Context) (Token, error) {
	t.mu.Lock()
	now := wallNow()
	unread := t.value == "" && t.fault == nil
	file := t.profile.SignIn.Token.File
	stale := file != "" && now.Sub(t.looked).Abs() >= lookEvery && stampOf(file) != t.stamp
	again := t.fault != nil && t.value == "" && now.Sub(t.looked).Abs() >= lookEvery
	t.mu.Unlock()
	if unread || stale || again {
		t.read(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.fault == nil:
	case !t.spurned.on || t.value == "" || t.spurned.early(now):
		return Token{}, t.fault
	default: // the server may have changed its mind
		t.spurned.tried = now
	}
	return Token{Value: t.value, Type: bearer}, nil
}

// accepted is Account.Accepted.
func (t *static) accepted(token Token) {
	if !t.eager.Load() {
		return
	}
	t.mu.Lock()
	current := t.refusal != "" && token.Value == t.value && t.value == t.refusal
	if current {
		t.refusal, t.fault, t.spurned = "", nil, spurned{}
	}
	t.eager.Store(t.refusal != "")
	t.mu.Unlock()
	if current {
		t.changed()
	}
}

// read reads the token where the profile says it is.
func (t *static) read(ctx context.Context) {
	t.reading.Lock()
	defer t.reading.Unlock()
	t.mu.Lock()
	place := t.profile.SignIn.Token
	t.mu.Unlock()
	stamp := stampOf(place.File)
	value, err := t.s.secret(ctx, place)
	value = strings.TrimSpace(value)
	t.mu.Lock()
	t.looked, t.stamp = wallNow(), stamp
	switch {
	case err != nil && ctx.Err() != nil:
		// The caller left; nothing was learnt.
	case err != nil:
		t.value, t.fault = "", unreadableToken(err)
	case !sendable(value):
		t.value, t.fault = "", profileError("the token ("+place.String()+") is empty or has characters that no token has", "Put the token there, and nothing else")
	case value == t.refusal:
		t.value, t.fault = value, t.rejected()
	default:
		t.value, t.fault, t.refusal, t.spurned = value, nil, "", spurned{}
	}
	t.mu.Unlock()
	t.changed()
}

func unreadableToken(err error) *Error {
	if own := asError(err); own.Code != status.SignInFailed {
		return own
	}
	return profileError("the token cannot be read: "+clean(err.Error(), 200), "Check sign_in.token_file, token_env or token_keyring of the profile")
}

func (t *static) rejected() *Error {
	place := t.profile.SignIn.Token
	return &Error{
		Code: status.CredentialsRejected, Summary: hostOf(t.profile.Target) + " refuses the token",
		Detail: "it comes from " + origin(place), Action: "Put a new token there",
	}
}

func (t *static) refused(ctx context.Context, token Token, _ []string) (Token, error) {
	t.mu.Lock()
	if token.Value == t.value {
		t.refusal, t.spurned = t.value, spurned{on: true, tried: wallNow()}
		t.eager.Store(true)
	}
	t.mu.Unlock()
	t.read(ctx)
	return t.token(ctx)
}

// origin is where a person finds the token.
func origin(place profile.Secret) string {
	if place.Value != "" {
		return "the profile itself"
	}
	return place.String()
}

func (t *static) check(ctx context.Context) { t.read(ctx) }

func (t *static) report() status.Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	place := t.profile.SignIn.Token
	switch {
	case t.fault == nil:
		return status.Report{Phase: status.Ready, Summary: "ready", Detail: "with the token from " + origin(place)}
	case t.fault.Code == status.CredentialsRejected:
		r := asReport(status.SignInNeeded, t.fault)
		r.RenewAt = t.nextLook()
		return r
	}
	return failing(status.Backoff, t.fault)
}

// nextLook is when a refused token's file should be looked at again.
func (t *static) nextLook() time.Time {
	const pause = 30 * time.Second
	if t.fault == nil || t.profile.SignIn.Token.File == "" {
		return time.Time{}
	}
	return t.looked.Add(pause)
}

func (*static) signIn(context.Context) error        { return noSignIn(profile.MethodToken) }
func (*static) signOut(context.Context, bool) error { return noSignIn(profile.MethodToken) }
func (*static) close()                              {}
