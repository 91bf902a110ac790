package oauth

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// attempt is one sign-in under way. What changes while it runs is guarded by grant.mu.
type attempt struct {
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when it has ended
	err    error         // how, once done is closed
	longer chan struct{} // a person asked for a fresh link

	waiters int
	ending  bool   // cancelled
	visit   *visit // nil until a person can be sent to the provider
	life    time.Duration
	prompt  *status.Prompt
	note    string
}

func (a *attempt) report(profile string) status.Report {
	r := status.Report{Phase: status.SigningIn, Summary: "preparing the sign-in", Detail: a.note}
	if a.prompt != nil {
		prompt := *a.prompt
		r.Summary, r.Prompt, r.Action = "waiting for the browser", &prompt, "Finish signing in in the browser"
		if a.note != "" {
			r.Action += "; if it shows an error, run: mcpauth-tray signin " + profile
		}
	}
	return r
}

// freshLink makes the prompt one that was not used yet, and the wait long again.
func (a *attempt) freshLink() {
	a.note = ""
	a.prompt = &status.Prompt{URL: a.visit.link(), ExpiresAt: wallNow().Add(a.life)}
	select {
	case a.longer <- struct{}{}:
	default:
	}
}

// signIn is Account.SignIn.
func (g *grant) signIn(ctx context.Context) error {
	a, err := g.join(ctx)
	if err != nil {
		return err
	}
	g.changed()
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
	}
	if !g.leave(a, context.Cause(ctx)) {
		return cancelled(ctx)
	}
	<-a.done
	return a.err
}

// cancelled is the end of a sign-in whose ctx has ended. People are told a cause of its own,
// in its words when it is an *Error.
func cancelled(ctx context.Context) *Error {
	var why *Error
	e := &Error{Code: status.NotSignedIn, Summary: "the sign-in was cancelled", Err: ctx.Err()}
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &why):
		return why
	case cause != ctx.Err():
		e.Detail = clean(cause.Error(), 200)
	}
	return e
}

// join starts a sign-in, or has the one under way make a fresh link. One that was cancelled
// is awaited first.
func (g *grant) join(ctx context.Context) (*attempt, error) {
	for {
		a, err := g.enter()
		if a == nil || !a.ending {
			return a, err
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			return nil, cancelled(ctx)
		}
	}
}

func (g *grant) enter() (*attempt, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a := g.attempt; a != nil {
		a.waiters++
		if a.visit != nil && !a.ending {
			a.freshLink()
		}
		return a, nil
	}
	end, ok := g.s.begin()
	if !ok {
		return nil, shuttingDown()
	}
	ctx, cancel := context.WithCancelCause(g.s.ctx)
	stop := context.AfterFunc(g.s.closing, func() { cancel(nil) })
	a := &attempt{cancel: cancel, done: make(chan struct{}), longer: make(chan struct{}, 1), waiters: 1, life: g.profile.SignIn.Timeout}
	g.attempt, g.lost, g.trouble = a, nil, trouble{}
	go func() {
		defer end()
		defer stop()
		defer cancel(nil)
		g.run(ctx, a)
	}()
	return a, nil
}

// leave cancels a when nobody waits for it any more, and reports that.
func (g *grant) leave(a *attempt, cause error) (last bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a.waiters--; a.waiters > 0 {
		return false
	}
	a.ending = true
	a.cancel(cause)
	return true
}

// run is one sign-in from beginning to end.
func (g *grant) run(ctx context.Context, a *attempt) {
	err := g.seek(ctx, a)
	if err != nil && ctx.Err() != nil {
		err = cancelled(ctx)
	}
	g.mu.Lock()
	g.attempt = nil
	if e := asErrorOrNil(err); e != nil {
		if e.Action == "" {
			again := *e
			again.Action = g.s.signInAction(g.profile)
			e = &again
		}
		err = e
		if e.Code != status.SignInUnsaved && (g.rec == nil || !errors.Is(e, context.Canceled)) {
			g.lost = e
		}
		g.s.log.Warn("sign-in failed", "profile", g.profile.Name, "code", e.Code, "error", e.Summary)
	}
	g.mu.Unlock()
	g.changed()
	a.err = err
	close(a.done)
}

// seek finds the provider, sends a person there, and stores what comes of it. What another
// process got meanwhile will do.
func (g *grant) seek(ctx context.Context, a *attempt) (err error) {
	if err := g.mayStore(ctx); err != nil {
		return err
	}
	out := g.signedOut()
	end, joined := g.takeTurn(ctx, a)
	defer end()
	switch {
	case ctx.Err() != nil:
		return cancelled(ctx)
	case (out || joined) && g.takeOver(ctx):
		return nil
	case joined:
		return errJoined()
	}
	f, err := discover(ctx, g.way(), g.present(), g.configuredScopes())
	if err != nil {
		return err
	}
	if err := g.changedProvider(f); err != nil {
		return err
	}
	if err := checkPKCE(f); err != nil {
		return err
	}
	g.addRights(f)
	v, redirect, err := g.receiveAt(f, a)
	if err != nil {
		return err
	}
	defer func() { v.end(pageFor(err)) }()
	c, reused, err := g.clientFor(ctx, f, redirect)
	if err != nil {
		return err
	}
	r := newRequest(f, c, redirect.String(), v.state, g.issPromised(f))
	if v.target, err = r.url(); err != nil {
		return err
	}
	g.prompt(a, v)
	answer, err := a.wait(ctx)
	if err != nil {
		if reused && v.entered() {
			g.doubt(g.s.ctx, f.meta.issuer, r.redirect, c.id)
		}
		return err
	}
	code, err := r.answer(answer)
	if err != nil {
		return err
	}
	return g.redeem(ctx, r, code)
}

// mayStore finds out before anybody is bothered whether a sign-in could be stored. What a
// newer version wrote is not overwritten.
func (g *grant) mayStore(ctx context.Context) error {
	if err := g.ensureLoaded(ctx); err != nil {
		return err
	}
	_, lost, err := g.read(ctx)
	switch {
	case err != nil:
		return storeTrouble(err)
	case lost != nil && errors.Is(lost, errNewerRecord):
		return &Error{Code: status.SignInFailed, Summary: "the stored sign-in is from a newer version", Action: "Update mcpauth-tray, or sign out first"}
	}
	return nil
}

// addRights asks also for what was granted before and what a request lacked since.
func (g *grant) addRights(f *found) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.wanted) > 0 && g.rec != nil {
		f.scopes = unionScopes(f.scopes, g.rec.Scopes, g.wanted)
	}
}

// issPromised pins RFC 9207: what an issuer once promised it still has to keep.
func (g *grant) issPromised(f *found) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rec != nil && g.rec.Issuer == f.meta.issuer && g.rec.IssPromised
}

// prompt lets people see where to go.
func (g *grant) prompt(a *attempt, v *visit) {
	g.mu.Lock()
	a.visit = v
	a.freshLink()
	g.mu.Unlock()
	g.changed()
}

// wait waits for the browser to come back.
func (a *attempt) wait(ctx context.Context) (url.Values, error) {
	timer := time.NewTimer(a.life)
	defer timer.Stop()
	for {
		select {
		case q := <-a.visit.answers:
			return q, nil
		case <-a.longer:
			timer.Reset(a.life)
		case <-timer.C:
			return nil, &Error{Code: status.SignInFailed, Summary: "the sign-in was not finished in time",
				Detail: "nobody came back from the provider within " + a.life.String()}
		case <-ctx.Done():
			return nil, cancelled(ctx)
		}
	}
}

// redeemTime is how long a provider that was sent a code may take to answer once the
// sign-in is cancelled: a code works once.
const redeemTime = 5 * time.Second

// redeem exchanges the code, checks who signed in, and stores the grant (RFC 6749 §4.1.3).
func (g *grant) redeem(ctx context.Context, r *request, code string) error {
	f, c := r.found, r.client
	defer g.s.asking(hostOf(f.meta.token))()
	ctx, cancel := outliving(ctx, g.s.ctx, redeemTime)
	defer cancel()
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {r.redirect}, "code_verifier": {r.verifier},
	}
	if f.resource != "" {
		form.Set("resource", f.resource)
	}
	answer, failed := f.web.post(ctx, f.meta.token, c, form)
	if failed != nil {
		if failed.verdict == unknownOwner && c.dynamic {
			g.doubt(ctx, f.meta.issuer, r.redirect, c.id)
		}
		if failed.err.Action == "" {
			failed.err.Action = failureActions[failed.verdict]
		}
		return failed.err
	}
	subject, err := r.whoSignedIn(ctx, &answer)
	if err != nil {
		f.web.revokeQuietly(g.s.ctx, f.meta.revocation, c, answer.refresh, answer.access)
		return err
	}
	return g.commit(r.record(&answer, subject), f.note)
}

// outliving is a context that ends that long after ctx, or with its parent.
func outliving(ctx, parent context.Context, long time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(parent)
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(long)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}

var failureActions = map[verdict]string{
	transient:    "Sign in again in a while",
	unknownOwner: "Sign in again; with a client_id of your own, check it and its secret",
}

// record is the grant that an answer brought, bound to all it came from.
func (r *request) record(a *tokenAnswer, subject string) *record {
	f := r.found
	rec := &record{
		Version: recordVersion, State: stateLive,
		Issuer: f.meta.issuer, FoundAt: f.at, TokenEndpoint: f.meta.token, Revocation: f.meta.revocation,
		ClientID: r.client.id, AuthMethod: r.client.method, Dynamic: r.client.dynamic,
		Redirect: r.redirect, Resource: f.resource, Upstream: targetOrigin(f.profile),
		IssPromised: r.promised, Scopes: f.scopes, Subject: subject,
	}
	if rec.Dynamic {
		rec.ClientSecret = r.client.secret
	}
	return rec.with(a, wallNow())
}

// commit stores a new grant in place of the old one. From here on nobody cancels.
func (g *grant) commit(rec *record, note string) error {
	if err := rec.bound(g.present()); err != nil {
		return &Error{Code: status.SignInFailed, Summary: "the profile was changed during the sign-in", Detail: err.Error()}
	}
	ctx, cancel := context.WithTimeout(g.s.ctx, lockTime)
	defer cancel()
	unlock, lockErr := g.s.store.Lock(ctx, g.key)
	if lockErr == nil {
		defer unlock()
	}
	g.mu.Lock()
	old := g.rec
	g.mu.Unlock()
	if stored, _, err := g.read(ctx); err == nil && stored != nil {
		rec.Gen = max(rec.Gen, stored.Gen+1)
	}
	if old != nil {
		rec.Gen = max(rec.Gen, old.Gen+1)
		if old.Subject != "" && rec.Subject != "" && old.Subject != rec.Subject {
			note = strings.TrimPrefix(note+"; signed in as another person than before", "; ")
		}
	}
	if lockErr == nil {
		g.put(rec)
	} else {
		g.keep(rec, lockErr)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.note, g.wanted, g.bad, g.reviewed = note, nil, "", ""
	g.lost, g.trouble, g.storms, g.spurned = nil, trouble{}, breaker{}, spurned{}
	g.unprove(signedInto)
	g.s.log.Info("signed in", "profile", g.profile.Name, "host", hostOf(rec.TokenEndpoint))
	if g.unsaved != nil {
		e := storeTrouble(g.unsaved)
		return &Error{Code: status.SignInUnsaved, Summary: "signed in, but it cannot be saved", Detail: sentence(e), Action: e.Action, Err: e}
	}
	return nil
}

func pageFor(err error) page {
	switch {
	case err == nil:
		return pageSignedIn
	case errors.Is(err, errDeclined):
		return pageDeclined
	}
	return pageFailed
}
