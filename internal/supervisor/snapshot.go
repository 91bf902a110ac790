package supervisor

import (
	"reflect"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// publish hands out a new Snapshot if anything in it changed.
func (s *Supervisor) publish() {
	next := s.snapshot()
	if last := s.feed.Latest(); last != nil {
		next.Serial = last.Serial
		if reflect.DeepEqual(last, next) {
			return
		}
	}
	next.Serial++
	s.feed.Publish(next)
}

func (s *Supervisor) snapshot() *status.Snapshot {
	snap := &status.Snapshot{Paused: s.paused, Config: s.state,
		Profiles: []status.Profile{}, Clients: []status.Client{}}
	if s.config == nil {
		return snap
	}
	snap.Clients = append(snap.Clients, s.clients.shown...)
	now := time.Now().Round(0)
	for _, p := range s.config.Profiles {
		if r := s.rows[p.Name]; r != nil {
			snap.Profiles = append(snap.Profiles, r.show(s, now))
		}
	}
	return snap
}

// show renders a row; the phase is derived here and nowhere else.
func (r *row) show(s *Supervisor, now time.Time) status.Profile {
	out := status.Profile{Name: r.want.Name, Requests: r.requests}
	if socket, ok := s.sockets[r.key]; ok {
		out.URL = "http://" + socket.Addr() + r.want.Path
	}
	switch {
	case s.paused:
		out.Phase, out.Code, out.Summary, out.Action = status.Stopped, status.PausedByUser, "paused", "Resume from the tray menu, or run: mcpauth-tray resume"
	case !r.want.Enabled:
		out.Phase, out.Code, out.Summary = status.Stopped, status.Disabled, "disabled in profiles.yaml"
	case r.fault != nil:
		out.Phase, out.Code = status.Backoff, r.fault.Code
		out.Summary, out.Detail, out.Action = faultSummary(r.fault.Code), r.fault.Detail, r.fault.Action
		out.RetryAt = moment(r.retry.at)
	case !r.reported:
		out.Phase, out.Summary = status.Starting, "starting"
	default:
		r.showReport(&out)
		if r.signIn != nil && out.Phase != status.SigningIn {
			out.Phase, out.Summary, out.Detail, out.Code, out.Action = status.SigningIn, "starting the sign-in", "", status.SignInRunning, ""
		}
	}
	if out.Phase != r.phase {
		r.phase, r.since = out.Phase, now
	}
	out.Since = r.since
	return out
}

func (r *row) showReport(out *status.Profile) {
	rep := r.report
	out.Phase, out.Summary, out.Detail = rep.Phase, rep.Summary, rep.Detail
	out.Code, out.Action, out.Account = rep.Code, rep.Action, rep.Account
	if rep.Prompt != nil {
		p := *rep.Prompt
		p.LinkOnly = !r.want.SignIn.OpenBrowser
		out.Prompt = &p
	}
	if rep.Failed {
		out.RetryAt = moment(r.check.at)
	}
}

func faultSummary(c status.Code) string {
	if c == status.ListenFailed {
		return "cannot listen"
	}
	return "cannot be served"
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
