package supervisor

import (
	"context"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// autoPause is how long requests start no further sign-in after one of theirs failed:
// a browser that opens by itself again and again is the worst of manners.
const autoPause = 10 * time.Minute

// verbs is the table of what Do can do. Each runs on the supervisor's goroutine and
// answers there, at once or later.
var verbs = map[Verb]struct {
	profile need
	run     func(s *Supervisor, a Action, r *row, answer func(error))
}{
	SignIn:  {oneProfile, func(s *Supervisor, _ Action, r *row, answer func(error)) { answer(s.startSignIn(r, false)) }},
	Cancel:  {oneProfile, func(s *Supervisor, _ Action, r *row, answer func(error)) { answer(s.cancelSignIn(r)) }},
	Page:    {oneProfile, (*Supervisor).openPage},
	Claim:   {oneProfile, func(s *Supervisor, _ Action, r *row, answer func(error)) { answer(s.claimPage(r)) }},
	SignOut: {oneProfile, (*Supervisor).signOut},
	Restart: {anyProfile, func(s *Supervisor, _ Action, r *row, answer func(error)) { s.restart(r); answer(nil) }},
	Pause:   {noProfile, func(s *Supervisor, _ Action, _ *row, answer func(error)) { s.paused = true; answer(nil) }},
	Resume:  {noProfile, func(s *Supervisor, _ Action, _ *row, answer func(error)) { s.paused = false; answer(nil) }},
	Reload:  {noProfile, (*Supervisor).reload},
	Quit:    {noProfile, func(s *Supervisor, _ Action, _ *row, answer func(error)) { answer(nil); s.effects.Quit() }},

	LookAtClients: {noProfile, (*Supervisor).askClients},
	WriteClients:  {anyProfile, (*Supervisor).askClients},
}

// need says whether a verb is about one profile.
type need int

const (
	noProfile need = iota
	oneProfile
	anyProfile
)

// Do is Engine.Do. When it returns, the Snapshot shows what the Action changed.
func (s *Supervisor) Do(ctx context.Context, a Action) error {
	verb, ok := verbs[a.Verb]
	if !ok {
		return ErrUnknownVerb
	}
	reply := make(chan error, 1)
	accepted := s.post(func() {
		answer := func(err error) { s.answers = append(s.answers, func() { reply <- err }) }
		r := s.rows[a.Profile]
		switch {
		case s.ctx.Err() != nil:
			reply <- ErrStopped
		case r == nil && (verb.profile == oneProfile || (verb.profile == anyProfile && a.Profile != "")):
			answer(ErrUnknownProfile)
		default:
			verb.run(s, a, r, answer)
		}
	})
	if !accepted {
		return ErrStopped
	}
	select {
	case err := <-reply:
		return err
	case <-s.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// startSignIn starts a sign-in, or asks the one under way for a new Prompt.
func (s *Supervisor) startSignIn(r *row, auto bool) error {
	if r.service == nil {
		return notNow("%s is not being served", r.want.Name)
	}
	if m := r.want.SignIn.Method; m == profile.MethodNone || m == profile.MethodToken {
		return notNow("%s uses sign_in.method %s, which has no sign-in", r.want.Name, m)
	}
	if r.signIn == nil {
		ctx, cancel := context.WithCancelCause(s.ctx)
		r.signIn = &signIn{ctx: ctx, cancel: cancel}
	}
	r.autoFor, r.opened = auto, ""
	in, service, epoch := r.signIn, r.service, r.epoch
	in.calls++
	s.run(func() func() {
		err := service.SignIn(in.ctx)
		return func() {
			if in.calls--; in.calls > 0 || r.epoch != epoch {
				return
			}
			in.cancel(nil)
			r.signIn = nil
			if err != nil && r.autoFor {
				r.noAuto = time.Now().Add(autoPause).Round(0)
			}
		}
	})
	return nil
}

// autoSignIn is a request's wish for a sign-in, which only start: on_request grants.
func (s *Supervisor) autoSignIn(r *row) {
	allowed := r.want.SignIn.Start == profile.StartOnRequest && r.signIn == nil &&
		r.report.Phase == status.SignInNeeded && (r.noAuto.IsZero() || passed(r.noAuto, time.Now()))
	if !allowed {
		return
	}
	if err := s.startSignIn(r, true); err != nil {
		s.log.Warn("a request could not start the sign-in", "profile", r.want.Name, "error", err)
	}
}

// openPrompt opens the browser for a sign-in that a request started. For all others
// the face that asked does it. Without a browser nobody is going to finish it, unless a
// person asked for it meanwhile.
func (s *Supervisor) openPrompt(r *row) {
	p := r.report.Prompt
	if p == nil || r.signIn == nil || !r.autoFor || r.opened == p.URL || !r.want.SignIn.OpenBrowser {
		return
	}
	r.opened = p.URL
	in, name, url := r.signIn, r.want.Name, p.URL
	s.run(func() func() {
		err := s.effects.OpenURL(name, url)
		return func() {
			if err == nil {
				return
			}
			s.log.Error("the browser did not open", "profile", name, "error", err)
			if r.signIn == in && r.autoFor {
				in.cancel(err)
			}
		}
	})
}

// openPage opens the browser for a face that cannot.
func (s *Supervisor) openPage(_ Action, r *row, answer func(error)) {
	p, name := r.report.Prompt, r.want.Name
	if p == nil || !r.want.SignIn.OpenBrowser {
		answer(notNow("there is no page of a sign-in to %s to open", name))
		return
	}
	url := p.URL
	s.run(func() func() {
		err := s.effects.OpenURL(name, url)
		return func() { answer(err) }
	})
}

// claimPause is how long faces that join a sign-in are held to want the page that one of
// them is opening. Later a person is held to want another.
const claimPause = 5 * time.Second

// claimPage lets one face open a Prompt's page, whose link works once. Profiles that share an
// account share the page.
func (s *Supervisor) claimPage(r *row) error {
	p := r.report.Prompt
	if p == nil {
		return notNow("there is no page of a sign-in to %s to open", r.want.Name)
	}
	taken := r.signIn != nil && time.Since(r.signIn.shown) < claimPause
	for _, other := range s.rows {
		taken = taken || other.claimed == *p
	}
	if taken {
		return notNow("another program opens the page of the sign-in to %s", r.want.Name)
	}
	r.claimed = *p
	if r.signIn != nil {
		r.signIn.shown = time.Now()
	}
	return nil
}

// cancelSignIn ends the sign-in shown in r's row, whichever rows started or joined it:
// profiles that share an account share its sign-in.
func (s *Supervisor) cancelSignIn(r *row) error {
	cancelled := false
	for _, other := range s.rows {
		shared := other.report.Prompt != nil && r.report.Prompt != nil && other.report.Prompt.URL == r.report.Prompt.URL
		if other.signIn != nil && (other == r || shared) {
			other.signIn.cancel(nil)
			cancelled = true
		}
	}
	if !cancelled {
		return notNow("no sign-in to %s is under way", r.want.Name)
	}
	return nil
}

func (s *Supervisor) signOut(a Action, r *row, answer func(error)) {
	if r.service == nil {
		answer(notNow("%s is not being served", r.want.Name))
		return
	}
	if r.signIn != nil {
		r.signIn.cancel(nil)
	}
	service, ctx := r.service, s.ctx
	s.run(func() func() {
		err := service.SignOut(ctx, a.Revoke)
		return func() { answer(err) }
	})
}

// restart rebuilds one row's service, or everybody's when r is nil.
func (s *Supervisor) restart(r *row) {
	rows := []*row{r}
	if r == nil {
		rows = rows[:0]
		for _, each := range s.rows {
			rows = append(rows, each)
		}
	}
	for _, each := range rows {
		each.fresh, each.fault, each.noAuto = true, nil, time.Time{}
		each.retry.reset()
	}
}

func (s *Supervisor) reload(_ Action, _ *row, answer func(error)) {
	ctx := s.ctx
	s.run(func() func() {
		err := s.effects.Reload(ctx)
		return func() { answer(err) }
	})
}
