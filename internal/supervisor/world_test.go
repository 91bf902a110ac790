package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// world is what a Supervisor under test acts on.
type world struct {
	t   *testing.T
	sup *Supervisor

	check        func(*service) status.Report // nil: always ready
	writeClients func(context.Context, ClientTask) ClientOutcome

	mu         sync.Mutex
	busy       map[string]bool
	broken     map[string]error
	sockets    map[string]*socket
	services   []*service
	listens    []string
	opened     []string
	unopened   error           // of the browser
	opening    <-chan struct{} // nil, or what the browser waits for
	configured []profile.Settings
	quit       bool
}

// play runs script against a running Supervisor in a bubble of fake time, and stops it.
func play(t *testing.T, script func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, busy: map[string]bool{}, broken: map[string]error{}, sockets: map[string]*socket{}}
		w.sup = New(Options{File: "profiles.yaml", Effects: Effects{
			Configure: func(s profile.Settings) error { w.configured = append(w.configured, s); return nil },
			Listen:    w.listen,
			OpenURL: func(_, url string) error {
				if w.opening != nil {
					<-w.opening
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				w.opened = append(w.opened, url)
				return w.unopened
			},
			ClientURL: w.clientURL,
			WriteClients: func(ctx context.Context, t ClientTask) ClientOutcome {
				if w.writeClients == nil {
					return ClientOutcome{Answers: make([]error, len(t.Requests))}
				}
				return w.writeClients(ctx, t)
			},
			Reload: func(context.Context) error { return nil },
			Quit:   func() { w.quit = true },
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.sup.Run(ctx) }()
		script(w)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (w *world) listen(p profile.Profile) (Socket, error) {
	addr := p.Listen
	if addr == "" {
		addr = "127.0.0.1:40000"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[addr] {
		return nil, &net.OpError{Op: "listen", Err: errors.New("address already in use")}
	}
	w.listens = append(w.listens, addr)
	s := &socket{w: w, addr: addr}
	w.sockets[addr] = s
	return s, nil
}

// clientURL remembers the port of a profile without listen once it was served.
func (w *world) clientURL(p profile.Profile) (string, bool) {
	switch {
	case strings.HasSuffix(p.Listen, ":0"):
		return "", true
	case p.Listen != "":
		return "http://" + p.Listen + p.Path, true
	case slices.Contains(w.listens, "127.0.0.1:40000"):
		return "http://127.0.0.1:40000" + p.Path, true
	}
	return "", false
}

// set changes what the world does to the supervisor.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) browser() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.opened)
}

func (w *world) snapshot() *status.Snapshot { return w.sup.feed.Latest() }

func (w *world) row(name string) *status.Profile { return w.snapshot().Profile(name) }

func (w *world) open(addr string) bool { return w.sockets[addr] != nil }

func (w *world) serving(addr string) *service { return w.sockets[addr].service }

func (w *world) do(a Action) {
	w.t.Helper()
	if err := w.sup.Do(w.t.Context(), a); err != nil {
		w.t.Fatalf("%v: %v", a, err)
	}
}

// expect waits until nothing moves and checks a row; an empty url is not looked at.
func (w *world) expect(name string, phase status.Phase, url string) {
	w.t.Helper()
	synctest.Wait()
	row := w.row(name)
	if row == nil {
		w.t.Fatalf("there is no row %q", name)
	}
	if row.Phase != phase || (url != "" && row.URL != url) {
		w.t.Fatalf("%s is %s at %q (%s), want %s at %q", name, row.Phase, row.URL, row.Detail, phase, url)
	}
}

type socket struct {
	w       *world
	addr    string
	service *service
}

func (s *socket) Addr() string { return s.addr }

func (s *socket) Close() { delete(s.w.sockets, s.addr) }

func (s *socket) Serve(p profile.Profile, h Hooks) (Service, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if err := s.w.broken[p.Name]; err != nil {
		return nil, err
	}
	s.service = &service{w: s.w, profile: p, hooks: h, done: make(chan struct{})}
	s.w.services = append(s.w.services, s.service)
	return s.service, nil
}

type service struct {
	w       *world
	profile profile.Profile
	hooks   Hooks
	done    chan struct{} // closed when the person approves
	checks  atomic.Int32

	mu      sync.Mutex
	report  status.Report
	prompts int
	closed  bool
}

func (s *service) Check(context.Context) status.Report {
	s.checks.Add(1)
	if s.w.check != nil {
		return s.w.check(s)
	}
	return status.Report{Phase: status.Ready}
}

func (s *service) say(r status.Report) {
	s.mu.Lock()
	s.report = r
	s.mu.Unlock()
	s.hooks.Report(r)
}

func (s *service) SignIn(ctx context.Context) error {
	s.mu.Lock()
	s.prompts++
	prompt := &status.Prompt{URL: fmt.Sprintf("http://localhost:8666/start/%d", s.prompts)}
	s.mu.Unlock()
	s.say(status.Report{Phase: status.SigningIn, Prompt: prompt})
	select {
	case <-s.done:
		s.say(status.Report{Phase: status.Ready})
		return nil
	case <-ctx.Done():
		s.say(status.Report{Phase: status.SignInNeeded, Detail: context.Cause(ctx).Error()})
		return ctx.Err()
	}
}

func (s *service) approve() { close(s.done) }

func (s *service) SignOut(context.Context, bool) error {
	s.say(status.Report{Phase: status.SignInNeeded})
	return nil
}

func (s *service) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}
