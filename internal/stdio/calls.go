package stdio

import (
	"context"
	"sync"
	"sync/atomic"
)

// call is a request of the client, or a batch with requests, that is being worked on.
type call struct {
	message
	ctx  context.Context
	stop context.CancelFunc
	sent chan struct{} // closed when it is written to the server
	once sync.Once
	done chan struct{} // closed when everything of it is answered

	local   atomic.Bool // it is answered here and may take a while
	adapted atomic.Bool // see callAdapted

	open int // requests without an answer; guarded by registry.mu
}

// modern says whether the request is one of protocol 2026-07-28.
func (c *call) modern() bool { return c.version != "" }

func (c *call) wasSent() { c.once.Do(func() { close(c.sent) }) }

func (c *call) answered() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// registry knows the client's requests that have no answer yet.
type registry struct {
	mu    sync.Mutex
	open  map[string]*call // idKey → call
	count int              // of open ids, subscriptions aside
	most  int              // bound of count
	empty []chan struct{}  // closed when count is 0
}

func (r *registry) init() { r.open, r.most = map[string]*call{}, maxOpen }

// add registers a request, or the requests of a batch.
func (r *registry) add(ctx context.Context, m message) *call {
	c := &call{message: m, sent: make(chan struct{}), done: make(chan struct{})}
	c.ctx, c.stop = context.WithCancel(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range m.ids() {
		if _, taken := r.open[string(idKey(id))]; taken {
			continue // of two requests with one id the first gets the answer
		}
		r.open[string(idKey(id))] = c
		c.open++
		if m.method != methodListen {
			r.count++
		}
	}
	if c.open == 0 {
		close(c.done)
	}
	return c
}

// ids are those of the requests in m.
func (m *message) ids() [][]byte {
	if m.kind == request {
		return [][]byte{m.id}
	}
	var ids [][]byte
	for _, part := range m.parts {
		if part.kind == request {
			ids = append(ids, part.id)
		}
	}
	return ids
}

func (r *registry) get(id []byte) *call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[string(idKey(id))]
}

// full says whether more requests are open than anybody can want.
func (r *registry) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count >= r.most
}

// claim takes the right to answer that id. Whoever has it writes the answer and then
// settles the call.
func (r *registry) claim(id []byte) *call {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := string(idKey(id))
	c := r.open[key]
	delete(r.open, key)
	return c
}

// abandon gives up one request: nothing will be written for it any more.
func (r *registry) abandon(id []byte) {
	c := r.claim(id)
	if c == nil {
		return
	}
	r.settle(c)
	if c.answered() {
		c.stop()
	}
}

func (r *registry) settle(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settleLocked(c)
}

func (r *registry) settleLocked(c *call) {
	if c.open--; c.open == 0 {
		close(c.done)
	}
	if c.method == methodListen {
		return
	}
	if r.count--; r.count == 0 {
		for _, waits := range r.empty {
			close(waits)
		}
		r.empty = nil
	}
}

// drop gives a call up: nothing will be written for it any more.
func (r *registry) drop(c *call) {
	defer c.stop() // last: what ends with the call must not answer it any more
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range c.ids() {
		if key := string(idKey(id)); r.open[key] == c {
			delete(r.open, key)
			r.settleLocked(c)
		}
	}
}

// unanswered are the ids of c that nobody has claimed.
func (r *registry) unanswered(c *call) [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids [][]byte
	for _, id := range c.ids() {
		if r.open[string(idKey(id))] == c {
			ids = append(ids, id)
		}
	}
	return ids
}

// idle returns a channel that is closed once no request waits for its answer.
func (r *registry) idle() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	done := make(chan struct{})
	if r.count == 0 {
		close(done)
	} else {
		r.empty = append(r.empty, done)
	}
	return done
}
