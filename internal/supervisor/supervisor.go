// Package supervisor keeps all profiles as wanted. One goroutine owns the state;
// every edit, click, report and timer is an event, and after each event it reconciles
// what is wanted with what runs and publishes one immutable Snapshot.
//
// It must not know the network, files or tokens: it acts only through Effects.
package supervisor

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// tick is how often wall-clock deadlines are looked at again: timers stop while a
// computer sleeps, deadlines do not.
const tick = 15 * time.Second

// Supervisor is the engine behind every face. Make one with New, then Run it.
type Supervisor struct {
	effects Effects
	log     *slog.Logger
	feed    status.Feed

	mu    sync.Mutex // guards queue and done
	queue []func()
	done  bool
	wake  chan struct{}

	// What follows belongs to the goroutine of Run.
	ctx      context.Context
	work     sync.WaitGroup // goroutines started for effects
	config   *profile.Config
	settings profile.Settings
	state    status.Config
	paused   bool
	rows     map[string]*row
	sockets  map[string]Socket // by socketKey
	clients  clients
	answers  []func() // to what was done, given once it shows
	stopped  chan struct{}
}

// Options are what a Supervisor is made of.
type Options struct {
	Effects Effects
	File    string       // the profiles.yaml shown before one was applied
	Logger  *slog.Logger // nil: discard
}

// New returns a Supervisor that serves nothing until Apply is called and Run runs.
func New(o Options) *Supervisor {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Supervisor{
		effects: o.Effects,
		log:     o.Logger,
		wake:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
		state:   status.Config{File: o.File},
		rows:    map[string]*row{},
		sockets: map[string]Socket{},
	}
}

// Run reconciles until ctx ends, then stops every profile and returns when all
// goroutines it started have ended. It is called once.
func (s *Supervisor) Run(ctx context.Context) error {
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			s.stop(cancel)
			return nil
		case <-s.wake:
		case <-timer.C:
		}
		for _, event := range s.take() {
			event()
		}
		s.reconcile()
		s.publish()
		for _, answer := range s.answers {
			answer()
		}
		s.answers = nil
		timer.Reset(s.nextDue())
	}
}

// Apply makes c the wanted state.
func (s *Supervisor) Apply(c *profile.Config) {
	s.post(func() {
		s.config = c
		s.state = status.Config{File: c.File, LoadedAt: time.Now().Round(0)}
	})
}

// Reject keeps the profiles in force and shows why the file on disk was not applied.
func (s *Supervisor) Reject(problems []status.Problem) {
	s.post(func() {
		s.state.Error = &problems[0]
		s.state.Problems = problems
	})
}

// Watch is Engine.Watch.
func (s *Supervisor) Watch(ctx context.Context) iter.Seq[*status.Snapshot] {
	return s.feed.Watch(ctx)
}

// post queues an event for the goroutine of Run. It never waits.
func (s *Supervisor) post(event func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return false
	}
	s.queue = append(s.queue, event)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return true
}

func (s *Supervisor) take() []func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue
	s.queue = nil
	return q
}

// run starts f for a row and hands its outcome back as an event.
func (s *Supervisor) run(f func() (event func())) {
	s.work.Go(func() { s.post(f()) })
}

func (s *Supervisor) stop(cancel context.CancelFunc) {
	cancel()
	for name := range s.rows {
		s.rows[name].end(s)
	}
	s.closeSockets(nil)
	s.mu.Lock()
	s.done = true
	s.mu.Unlock()
	close(s.stopped)
	s.work.Wait()
}
