package supervisor

import (
	"context"
	"errors"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// row is one profile as it is kept. It belongs to the supervisor's goroutine.
type row struct {
	want  profile.Profile
	fresh bool // its service is to be built, or built anew

	key     string // of the socket it is served on, empty for none
	service Service
	epoch   int // grows with each service; late events of an older one are dropped

	fault *Fault // why there is no service
	retry retry  // of listening and building

	report   status.Report
	reported bool
	checking bool
	check    retry // of checks that failed
	requests status.Requests

	signIn  *signIn
	phase   status.Phase
	since   time.Time
	noAuto  time.Time     // until then no request starts a sign-in
	autoFor bool          // a request, not a person, asked last for the sign-in under way
	opened  string        // the prompt the browser was opened for
	claimed status.Prompt // whose page a face has to open for itself
}

// signIn is a sign-in under way that this row started.
type signIn struct {
	cancel context.CancelCauseFunc
	ctx    context.Context
	calls  int       // SignIn calls that have not returned
	shown  time.Time // when a face last claimed a page of it
}

var errReplaced = errors.New("the profile was changed or restarted meanwhile")

// detach forgets the service and everything that hangs on it. What it returns closes
// the service, once another stands in its place.
func (r *row) detach(s *Supervisor) (closeOld func()) {
	closeOld = func() {}
	if old := r.service; old != nil {
		closeOld = func() { s.work.Go(old.Close) }
	}
	if r.signIn != nil {
		r.signIn.cancel(errReplaced)
		r.signIn = nil
	}
	r.service = nil
	r.epoch++
	r.report, r.reported, r.checking = status.Report{}, false, false
	r.check.reset()
	r.requests = status.Requests{}
	return closeOld
}

// end stops serving a row, which gives its socket up as well.
func (r *row) end(s *Supervisor) {
	r.detach(s)()
	r.key, r.fault = "", nil
	r.retry.reset()
}

func (r *row) fail(now time.Time, code status.Code, err error) {
	f := &Fault{Code: code, Detail: err.Error(), Err: err}
	var own *Fault
	if errors.As(err, &own) {
		f = own
	}
	r.fault = f
	r.retry.failed(now, listenSteps, 0)
}

// due reports whether a check should be started now. RenewAt is compared by wall clock.
func (r *row) due(now time.Time) bool {
	switch {
	case r.service == nil || r.checking || r.signIn != nil:
		return false
	case !r.reported:
		return true
	case r.report.Phase == status.SigningIn:
		return false
	case r.report.Failed:
		return r.check.due(now) || passed(r.goodUntil(), now)
	}
	return passed(r.report.RenewAt, now)
}

// goodUntil is when a token that could not be renewed ends, zero for none.
func (r *row) goodUntil() time.Time {
	if r.report.Phase != status.Ready {
		return time.Time{}
	}
	return r.report.RenewAt
}

// nextDue is when due may become true, zero for never.
func (r *row) nextDue() time.Time {
	switch {
	case r.fault != nil:
		return r.retry.at
	case r.service == nil || r.checking || r.signIn != nil || r.report.Phase == status.SigningIn:
		return time.Time{}
	case r.report.Failed:
		if end := r.goodUntil(); !end.IsZero() && end.Before(r.check.at) {
			return end
		}
		return r.check.at
	}
	return r.report.RenewAt
}

func passed(at, now time.Time) bool {
	return !at.IsZero() && !now.Round(0).Before(at.Round(0))
}
