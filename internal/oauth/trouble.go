package oauth

import (
	"math/rand/v2"
	"time"
)

// trouble is what last went wrong and how long to leave the other side alone.
type trouble struct {
	err   *Error // nil: all is well
	tries int
	until time.Time // what the provider asked for: nobody tries before
	calm  time.Time // nobody tries before that unless a request waits
	floor time.Time // no request tries before that
}

// Steps between tries. A request that waits may try every requestStep.
const (
	requestStep = 2 * time.Second
	firstCalm   = time.Second
	longestCalm = 5 * time.Minute
)

func (t *trouble) note(e *Error, now time.Time) {
	wait := min(firstCalm<<min(t.tries, 20), longestCalm)
	wait = wait/2 + rand.N(wait/2+1)
	*t = trouble{err: e, tries: t.tries + 1, calm: now.Add(wait), floor: now.Add(requestStep)}
	if e.RetryAfter > 0 {
		t.until = now.Add(e.RetryAfter)
	}
}

// retryNow lets the next try happen, unless the provider asked for patience.
func (t *trouble) retryNow() { t.calm, t.floor = time.Time{}, time.Time{} }

// quiet returns the error to answer with while nothing is to be tried, nil when a try is
// due. behind says that nobody waits for it.
func (t *trouble) quiet(now time.Time, behind bool) *Error {
	if t.err == nil {
		return nil
	}
	at := t.floor
	if behind && t.calm.After(at) {
		at = t.calm
	}
	if t.until.After(at) {
		at = t.until
	}
	// A clock that was set back must not make this last for ever.
	left := at.Sub(now)
	if left <= 0 || left > maxRetryAfter {
		return nil
	}
	e := *t.err
	e.RetryAfter = left
	return &e
}

// Limits on what an upstream's answers can set off.
const (
	forcedEvery  = time.Minute
	forcedWindow = 10 * time.Minute
	forcedMost   = 3 // renewals in a window
	offersMost   = 2 // offers of more rights in a window
)

// limiter allows so many events in a window.
type limiter struct{ times []time.Time }

func (l *limiter) allow(now time.Time, most int, window time.Duration) bool {
	recent := l.times[:0]
	for _, t := range l.times {
		if age := now.Sub(t); age >= 0 && age < window {
			recent = append(recent, t)
		}
	}
	l.times = recent
	if len(recent) >= most {
		return false
	}
	l.times = append(recent, now)
	return true
}

// breaker keeps an upstream that refuses every token from causing a storm of renewals.
type breaker struct {
	minute, window limiter
	until          time.Time // no renewal is forced before
}

// open is how long no renewal is forced, 0 when the breaker is shut.
func (b *breaker) open(now time.Time) time.Duration {
	if left := b.until.Sub(now); left > 0 && left <= forcedWindow {
		return left
	}
	return 0
}

// allow reports whether a renewal may be forced now, and counts it. One too many opens
// the breaker.
func (b *breaker) allow(now time.Time) bool {
	if b.open(now) > 0 || !b.minute.allow(now, 1, forcedEvery) {
		return false
	}
	if !b.window.allow(now, forcedMost, forcedWindow) {
		b.trip(now)
		return false
	}
	return true
}

func (b *breaker) trip(now time.Time) { b.until = now.Add(forcedWindow) }

// next is when a renewal may be forced again.
func (b *breaker) next(now time.Time) time.Time {
	at := now.Add(b.open(now))
	for _, l := range []struct {
		limiter
		most  int
		every time.Duration
	}{{b.minute, 1, forcedEvery}, {b.window, forcedMost, forcedWindow}} {
		if n := len(l.times); n >= l.most {
			if free := l.times[n-l.most].Add(l.every); free.After(at) && free.Sub(now) <= l.every {
				at = free
			}
		}
	}
	return at
}

// proof is what an upstream has made of the token at hand.
type proof int

const (
	proved     proof = iota // accepted, or of before this process
	renewed                 // not seen since it was renewed
	signedInto              // none seen since a person signed in
)

// spurned is an upstream that refuses what it is sent, and nothing better can be had for
// now. A request may try all the same every requestStep: its success is what ends this.
type spurned struct {
	on    bool
	tried time.Time // zero: the token at hand was not tried yet
}

// early reports whether one tried a moment ago.
func (s *spurned) early(now time.Time) bool {
	left := s.tried.Add(requestStep).Sub(now)
	return left > 0 && left <= requestStep
}
