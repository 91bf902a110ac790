package supervisor

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// reconcile makes what runs match what is wanted. It is idempotent and looks at
// nothing but the state.
func (s *Supervisor) reconcile() {
	if s.config == nil {
		return
	}
	now := time.Now()
	s.configure()
	wanted := map[string]bool{}
	for _, p := range s.config.Profiles {
		wanted[p.Name] = true
		s.want(p)
	}
	for name, r := range s.rows {
		if !wanted[name] {
			r.end(s)
			delete(s.rows, name)
		}
	}
	keep := map[string]bool{}
	for _, r := range s.rows {
		keep[r.key] = true
	}
	for _, p := range s.config.Profiles {
		s.serve(s.rows[p.Name], now)
	}
	s.closeSockets(keep)
	for _, r := range s.rows {
		s.startCheck(r, now)
	}
	s.keepClients(now)
}

// configure puts changed settings in force. Sign-ins belong to the token store they are
// kept in, so another store means other services.
func (s *Supervisor) configure() {
	before, now := s.settings, s.config.Settings
	if reflect.DeepEqual(before, now) {
		return
	}
	for _, r := range s.rows {
		r.fresh = r.fresh || before.TokenStore != now.TokenStore
	}
	s.settings = now
	if err := s.effects.Configure(now); err != nil {
		s.log.Error("settings could not be put in force", "error", err)
	}
}

// want notes what a row should be and what follows from a change.
func (s *Supervisor) want(p profile.Profile) {
	r, ok := s.rows[p.Name]
	if !ok {
		r = &row{fresh: true}
		s.rows[p.Name] = r
	} else if !r.want.ServedLike(p) {
		r.fresh = true
		r.fault = nil
		r.retry.reset()
	}
	r.want = p
	if s.paused || !p.Enabled {
		r.end(s)
		r.fresh = true
		return
	}
	r.key = socketKey(p)
}

// socketKey tells sockets apart: a fixed address may pass from one profile to
// another, a chosen one belongs to its profile.
func socketKey(p profile.Profile) string {
	if p.Listen == "" || strings.HasSuffix(p.Listen, ":0") {
		return p.Name + " " + p.Listen
	}
	return p.Listen
}

// serve gives a wanted row its socket and its service.
func (s *Supervisor) serve(r *row, now time.Time) {
	if r.key == "" || (r.fault != nil && !r.fresh && !r.retry.due(now)) {
		return
	}
	if r.service != nil && !r.fresh {
		return
	}
	socket, ok := s.sockets[r.key]
	if !ok {
		var err error
		if socket, err = s.effects.Listen(r.want); err != nil {
			r.detach(s)()
			r.fresh = false
			r.fail(now, status.ListenFailed, err)
			return
		}
		s.sockets[r.key] = socket
	}
	closeOld := r.detach(s)
	r.fresh = false
	service, err := socket.Serve(r.want, s.hooks(r))
	closeOld()
	if err != nil {
		r.fail(now, status.ProfileError, err)
		return
	}
	r.service, r.fault = service, nil
	r.retry.reset()
	s.log.Info("serving", "profile", r.want.Name, "address", socket.Addr())
}

func (s *Supervisor) closeSockets(keep map[string]bool) {
	for key, socket := range s.sockets {
		if !keep[key] {
			socket.Close()
			delete(s.sockets, key)
		}
	}
}

// hooks bind a new service's events to its row for as long as it is the row's service.
func (s *Supervisor) hooks(r *row) Hooks {
	epoch := r.epoch
	current := func(f func()) {
		s.post(func() {
			if r.epoch == epoch {
				f()
			}
		})
	}
	return Hooks{
		Report:   func(rep status.Report) { current(func() { s.noteReport(r, rep) }) },
		Requests: func(n status.Requests) { current(func() { r.requests = n }) },
		SignIn:   func() { current(func() { s.autoSignIn(r) }) },
	}
}

// noteReport takes what a service says of itself at any time.
func (s *Supervisor) noteReport(r *row, rep status.Report) {
	if !r.checking {
		r.schedule(rep)
	}
	r.report, r.reported = rep, true
	s.openPrompt(r)
}

// schedule settles when a failed check is tried again.
func (r *row) schedule(rep status.Report) {
	now := time.Now()
	switch {
	case !rep.Failed:
		r.check.reset()
	case r.check.at.IsZero() || r.check.due(now):
		r.check.failed(now, checkSteps, rep.RetryAfter)
	}
}

func (s *Supervisor) startCheck(r *row, now time.Time) {
	if !r.due(now) {
		return
	}
	r.checking = true
	service, epoch, ctx := r.service, r.epoch, s.ctx
	s.run(func() func() {
		rep := guardPanic(func() status.Report { return service.Check(ctx) })
		return func() {
			if r.epoch == epoch {
				r.checking = false
				s.noteReport(r, rep)
			}
		}
	})
}

// guardPanic keeps one profile's bug from ending all the others.
func guardPanic(check func() status.Report) (rep status.Report) {
	defer func() {
		if v := recover(); v != nil {
			rep = status.Report{Phase: status.Backoff, Failed: true, Code: status.ProfileError,
				Summary: "internal error", Detail: fmt.Sprintf("internal error: %T", v),
				Action: "Restart the profile, and report this if it comes back"}
		}
	}()
	return check()
}

// nextDue is how long Run may sleep.
func (s *Supervisor) nextDue() time.Duration {
	wait := tick
	now := time.Now().Round(0)
	due := []time.Time{s.clients.nextDue()}
	for _, r := range s.rows {
		due = append(due, r.nextDue())
	}
	for _, at := range due {
		if !at.IsZero() {
			wait = min(wait, max(at.Sub(now), 0))
		}
	}
	return wait
}
