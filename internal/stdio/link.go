package stdio

import (
	"context"
	"sync"
	"time"
)

// How long a bridge waits for the app to say where it stands.
const (
	settleTime = 800 * time.Millisecond // before it answers by itself
	returnTime = 5 * time.Second        // for an app that went away under a session
	retryMost  = 30 * time.Second       // between two tries to reach the server
)

// place is where requests go.
type place struct {
	offline  bool // answered here
	url      string
	endpoint Endpoint // why they are answered here
}

// link is what is known of the way to the server.
type link struct {
	mu       sync.Mutex
	at       *place        // nil: not known at the moment, requests wait
	changed  chan struct{} // closed when at changes
	latest   Endpoint
	promised bool          // the client was answered here and has to be introduced to the server
	lost     chan place    // a server that could not be reached after all
	nudge    chan struct{} // somebody wants the next try now
}

func (l *link) init() {
	l.changed = make(chan struct{})
	l.lost = make(chan place, 1)
	l.nudge = make(chan struct{}, 1)
}

func (l *link) set(at *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = at
	close(l.changed)
	l.changed = make(chan struct{})
}

// online sets the place unless the client has to be introduced first.
func (l *link) online(url string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.promised {
		return false
	}
	l.at = &place{url: url}
	close(l.changed)
	l.changed = make(chan struct{})
	return true
}

// promise notes that the client is answered here. It fails when that is over.
func (l *link) promise() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil || !l.at.offline {
		return false
	}
	l.promised = true
	return true
}

// abandon sets a place where the client is answered from now on.
func (l *link) abandon(at *place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.promised = at, true
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *link) kept() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.promised = false
}

func (l *link) see(e Endpoint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest = e
}

func (l *link) endpoint() Endpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest
}

func (l *link) now() (*place, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at, l.changed
}

// url is where the server can be reached, also while the client is answered here until it
// has been introduced there; empty if it cannot.
func (l *link) url() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.at == nil:
		return ""
	case !l.at.offline:
		return l.at.url
	case l.latest.State == Ready || l.latest.State == Shaky:
		return l.latest.URL
	}
	return ""
}

// await returns the place once it is known.
func (l *link) await(ctx context.Context) (place, error) {
	for {
		at, changed := l.now()
		if at != nil {
			return *at, ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return place{}, ctx.Err()
		}
	}
}

// server returns where requests go, or an *awayError where they do not.
func (l *link) server(ctx context.Context) (url string, err error) {
	at, err := l.await(ctx)
	if err == nil && at.offline {
		err = &awayError{at.endpoint}
	}
	return at.url, err
}

// awaitOnline returns the place once requests go to the server.
func (l *link) awaitOnline(ctx context.Context) (place, error) {
	for {
		at, changed := l.now()
		if at != nil && !at.offline {
			return *at, ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return place{}, ctx.Err()
		}
	}
}

// follower decides where requests go, from what Upstream says.
type follower struct {
	*Bridge
	last    Endpoint
	settled *place // the last decision
	timer   *time.Timer
	pause   time.Duration      // before the next try
	attempt context.CancelFunc // of the try under way, nil for none
	arrived chan error
}

// unheard is the app while it has not said anything.
var unheard = Endpoint{
	Says: "mcpauth-tray does not answer", Action: "If that does not change in a moment, quit it and start it again",
	Code: codeInternal, Reason: "not_answering",
}

func (b *Bridge) follow() {
	updates := make(chan Endpoint)
	b.work.Go(func() {
		for e := range b.upstream.Watch(b.ctx) {
			select {
			case updates <- e:
			case <-b.ctx.Done():
				return
			}
		}
	})
	f := &follower{Bridge: b, timer: time.NewTimer(settleTime), arrived: make(chan error, 1), last: unheard}
	defer f.timer.Stop()
	for {
		select {
		case e := <-updates:
			f.update(e)
		case <-f.timer.C:
			f.late()
		case err := <-f.arrived:
			f.arrival(err)
		case at := <-b.link.lost:
			f.settled = &at
			f.again()
		case <-b.link.nudge:
			f.pause = 0
			f.late()
		case <-b.ctx.Done():
			f.abort()
			return
		}
	}
}

func (f *follower) update(e Endpoint) {
	f.last = e
	f.link.see(e)
	up := f.settled != nil && !f.settled.offline
	switch e.State {
	case Ready:
		f.timer.Stop()
		f.pause = 0
		f.goOnline()
	case Shaky:
		if up {
			f.goOnline()
		} else {
			f.goOffline()
		}
	case Settling, Absent:
		switch {
		case e.State == Absent && !up:
			f.goOffline()
		case up:
			f.hold()
		}
	default:
		f.goOffline()
	}
}

// hold lets requests wait for an app that may be back in a moment.
func (f *follower) hold() {
	if at, _ := f.link.now(); at != nil {
		f.link.set(nil)
		f.timer.Reset(returnTime)
	}
}

// late is the end of a wait: for the app, or before another try.
func (f *follower) late() {
	switch f.last.State {
	case Settling, Absent:
		f.goOffline()
	case Ready:
		f.goOnline()
	}
}

func (f *follower) abort() {
	if f.attempt != nil {
		f.attempt()
	}
}

func (f *follower) goOffline() {
	f.abort()
	f.timer.Stop()
	was := f.settled
	f.settled = &place{offline: true, endpoint: f.last}
	if was == nil || was.offline {
		f.link.set(f.settled)
		if was != nil && was.endpoint.does() != f.last.does() {
			f.client.announce(f.Bridge) // of the tool that it is offered
		}
		return
	}
	if f.last.State == SignedOut {
		// Who signs in next may be somebody else: that is another session.
		f.link.abandon(f.settled)
		f.client.part()
	} else {
		f.link.set(f.settled)
	}
	f.client.announce(f.Bridge)
}

// goOnline lets requests through, at once or after the client has been introduced.
func (f *follower) goOnline() {
	was := f.settled
	if at, _ := f.link.now(); at != nil && !at.offline && at.url == f.last.URL {
		return
	}
	if f.link.online(f.last.URL) {
		f.settled = &place{url: f.last.URL}
		if was != nil && was.offline {
			f.client.announce(f.Bridge)
		}
		return
	}
	if f.attempt != nil {
		return
	}
	if at, _ := f.link.now(); at == nil {
		f.settled = &place{offline: true, endpoint: f.last}
		f.link.set(f.settled)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	f.attempt = cancel
	url := f.last.URL
	f.work.Go(func() { f.arrived <- f.client.introduce(ctx, f.Bridge, url) })
}

// arrival is the end of a try to introduce the client.
func (f *follower) arrival(err error) {
	f.attempt()
	f.attempt = nil
	if f.last.State != Ready {
		return
	}
	if err != nil {
		f.log.Debug("the server is not to be had yet", "error", err)
		f.settled = &place{offline: true, endpoint: troubleOf(err)}
		f.link.set(f.settled)
		f.again()
		return
	}
	f.link.kept()
	f.goOnline()
}

// again plans the next try.
func (f *follower) again() {
	if f.last.State != Ready {
		return
	}
	f.pause = min(max(2*f.pause, 500*time.Millisecond), retryMost)
	f.timer.Reset(f.pause)
}

// lose answers the client here because the server could not be reached after all.
func (b *Bridge) lose(f failure) place {
	at := place{offline: true, endpoint: f.endpoint()}
	b.link.abandon(&at)
	select {
	case b.link.lost <- at:
	default:
	}
	return at
}
