package tokenstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	patience  = 5 * time.Second // for a keyring that may never answer
	diligence = time.Minute     // for deriving a key, which ends by itself
	attention = 2 * time.Minute // for a person who answers a prompt
)

// holds say how long a gate stays shut after a failure: the first time, and at most
// when it doubles. Locked and absent are cheap to look at again and ask nobody; a
// silent keyring is not, and neither is one whose prompt was dismissed.
var holds = []struct {
	kind       error
	first, max time.Duration
}{
	{errDeclined, 10 * time.Minute, 10 * time.Minute},
	{ErrTimeout, 2 * time.Second, time.Minute},
	{ErrPassphrase, 2 * time.Second, time.Minute},
	{ErrLocked, 2 * time.Second, 2 * time.Second},
	{ErrAbsent, 2 * time.Second, 2 * time.Second},
	{ErrKeyGone, 2 * time.Second, 2 * time.Second},
}

// gate lets one call at a time through to something that may never answer. Callers
// stop waiting at a deadline; the call itself cannot be stopped, so it keeps its
// turn, in one goroutine, until it comes back.
type gate struct {
	log      *slog.Logger
	patience time.Duration // how long a caller waits when nobody was asked anything
	turn     chan struct{} // full while a call is under way

	mu    sync.Mutex
	last  error // what the last call failed with, nil when it did not
	step  time.Duration
	until time.Time // last is the answer for everybody until then
}

func newGate(log *slog.Logger, patience time.Duration) *gate {
	return &gate{log: log, patience: patience, turn: make(chan struct{}, 1)}
}

// run calls f with a deadline of its own: a caller that goes away does not end it.
// While the gate is shut f is not called and the last failure is the answer.
func (g *gate) run(ctx context.Context, f func(context.Context) error) error {
	if err := g.held(); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, g.patience)
	defer cancel()
	if !g.enter(wait) {
		return g.late(ctx)
	}
	if err := g.held(); err != nil {
		<-g.turn
		return err
	}
	work, stop := context.WithTimeout(context.WithoutCancel(ctx), g.patience)
	select {
	case err := <-g.start(work, stop, f):
		return err
	case <-wait.Done():
		return g.late(ctx)
	}
}

// attend calls f for a person: whether the gate is shut or not, and until ctx ends.
func (g *gate) attend(ctx context.Context, f func(context.Context) error) error {
	wait, cancel := context.WithTimeout(ctx, g.patience)
	defer cancel()
	if !g.enter(wait) {
		return g.late(ctx)
	}
	work, stop := context.WithCancel(ctx)
	select {
	case err := <-g.start(work, stop, f):
		return err
	case <-ctx.Done():
		return g.late(ctx)
	}
}

func (g *gate) enter(ctx context.Context) bool {
	select {
	case g.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// start calls f in a goroutine that owns the turn.
func (g *gate) start(ctx context.Context, stop func(), f func(context.Context) error) <-chan error {
	done := make(chan error, 1)
	go func() {
		defer stop()
		err := f(ctx)
		g.settle(err)
		<-g.turn
		done <- err
	}()
	return done
}

// late is the answer for a caller that stopped waiting. Only a wait of full length
// says something about the keyring.
func (g *gate) late(ctx context.Context) error {
	err := ctx.Err()
	if errors.Is(err, context.Canceled) {
		return abandoned(err)
	}
	timeout := fail(ErrTimeout, "", context.DeadlineExceeded)
	if err == nil {
		g.settle(timeout)
	}
	return timeout
}

func (g *gate) held() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.last != nil && time.Now().Before(g.until) {
		return g.last
	}
	return nil
}

// refused reports whether the last call failed with kind.
func (g *gate) refused(kind error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Is(g.last, kind)
}

// settle notes how a call ended and shuts or opens the gate.
func (g *gate) settle(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.last
	g.last = nil
	for _, h := range holds {
		if !errors.Is(err, h.kind) {
			continue
		}
		switch again := errors.Is(before, h.kind); {
		case again && time.Now().Before(g.until): // many callers, one failure
		case again:
			g.step = min(2*g.step, h.max)
			g.until = time.Now().Add(g.step)
		default:
			g.step = h.first
			g.until = time.Now().Add(g.step)
			g.log.Warn("secret store not usable", "error", err)
		}
		g.last = err
		return
	}
	if before != nil {
		g.log.Info("secret store usable again")
	}
}
