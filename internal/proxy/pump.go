package proxy

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// Buffers of answers on their way. A stream waits with a small one, so that an idle
// one costs little.
const (
	smallBuffer = 4 << 10
	largeBuffer = 32 << 10
)

// A client that takes nothing of an answer for this long is gone. The deadline is moved
// only now and then.
const (
	stuckAfter  = 60 * time.Second
	moveEarlier = 15 * time.Second
)

// headerWait is how long the header of a stream waits for the first piece, to be sent
// together with it.
const headerWait = time.Millisecond

// unknown is the size of an answer that says none.
const unknown = -1

// small and large hold buffers that are not in use.
var small, large = bufferPool(smallBuffer), bufferPool(largeBuffer)

func bufferPool(size int) *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, size); return &b }}
}

// pump passes the body of an answer on, every piece at once. Its error is the target's:
// a client that is gone needs no more.
func (h *Handler) pump(w http.ResponseWriter, body io.Reader, size int64) error {
	if size == 0 {
		return nil
	}
	p := piecewise{w: w, body: body, left: size, pool: small}
	if size > smallBuffer {
		p.pool = large
	}
	p.buffer = p.pool.Get().(*[]byte)
	defer func() { p.pool.Put(p.buffer) }()
	if size > 0 {
		return p.run()
	}
	h.counters.stream(1)
	defer h.counters.stream(-1)
	p.control = http.NewResponseController(w)
	p.first = flushSoon(p.control)
	defer p.first()
	return p.run()
}

// piecewise is one body on its way.
type piecewise struct {
	w      http.ResponseWriter
	body   io.Reader
	left   int64 // bytes to come, negative for unknown
	pool   *sync.Pool
	buffer *[]byte // of pool

	control *http.ResponseController // nil until there is more than one piece
	first   func()                   // before anything is written; may be nil
	moved   time.Time                // when the deadline of writing was set
}

func (p *piecewise) run() error {
	for {
		n, err := p.body.Read(*p.buffer)
		if n > 0 && !p.pass(n) {
			return nil
		}
		if err == io.EOF {
			err = nil
		} else if err == nil {
			p.fit(n)
			continue
		}
		p.rest()
		return err
	}
}

// pass writes a piece and, unless it is the last, sends it off. It reports false when
// the client is gone.
func (p *piecewise) pass(n int) bool {
	if p.first != nil {
		p.first()
		p.first = nil
	}
	p.left -= int64(n)
	if p.left == 0 && p.control == nil {
		_, gone := p.w.Write((*p.buffer)[:n])
		return gone == nil
	}
	if p.control == nil {
		p.control = http.NewResponseController(p.w)
	}
	if now := time.Now(); now.Sub(p.moved) > moveEarlier {
		p.moved = now
		_ = p.control.SetWriteDeadline(now.Add(stuckAfter))
	}
	if _, gone := p.w.Write((*p.buffer)[:n]); gone != nil {
		return false
	}
	return p.control.Flush() == nil
}

// fit changes the buffer to the size of the pieces that come.
func (p *piecewise) fit(n int) {
	next := small
	if n == len(*p.buffer) {
		next = large
	}
	if next != p.pool {
		p.pool.Put(p.buffer)
		p.pool, p.buffer = next, next.Get().(*[]byte)
	}
}

// rest takes the deadline away: the connection goes on to the next request.
func (p *piecewise) rest() {
	if !p.moved.IsZero() {
		_ = p.control.SetWriteDeadline(time.Time{})
	}
}

// flushSoon sends the header off in a moment, unless what it returns is called before.
func flushSoon(control *http.ResponseController) (first func()) {
	var mu sync.Mutex
	over := false
	timer := time.AfterFunc(headerWait, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			_ = control.Flush()
		}
	})
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		over = true
	}
}
