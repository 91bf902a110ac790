package proxy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Buffers of answers on their way. A stream waits with a small one, so that an idle
// one costs little.
const (
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
)

// A client that takes nothing of a stream for this long is gone. The deadline is moved
// only now and then.
const (
	stuckAfter  = 60 * time.Second
	moveEarlier = 15 * time.Second
)

// buffers are shared by all answers of the process.
var small, large = bufferPool(smallBuffer), bufferPool(largeBuffer)

func bufferPool(size int) *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, size); return &b }}
}

// relay passes an answer on. It fails only while nothing has been written. An answer
// that breaks off breaks the client's connection off too, so that it does not look
// complete.
func (h *Handler) relay(w http.ResponseWriter, r *http.Request, answer sent) *failure {
	defer answer.Body.Close()
	if failed := unfit(answer.Response); failed != nil {
		return failed
	}
	if answer.StatusCode >= http.StatusInternalServerError {
		h.counters.failed()
	}
	header := w.Header()
	answerHeader(header, answer.Header, answer.token)
	body, done := h.readable(answer.Response, r, header)
	defer done()
	events := isEventStream(answer.Header)
	w.WriteHeader(answer.StatusCode)
	var err error
	if events || answer.ContentLength < 0 {
		err = h.stream(w, body, events)
	} else {
		err = copyWhole(w, body, answer.ContentLength)
	}
	if err == nil || r.Context().Err() != nil || r.Method == http.MethodGet && closing(r.Context()) {
		return nil
	}
	h.counters.failed()
	h.log.Info("an answer broke off", "host", h.route.target.Host, "error", err)
	panic(http.ErrAbortHandler)
}

// unfit says why an answer is not passed on. A page must never run in the origin of
// the listener.
func unfit(answer *http.Response) *failure {
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	switch {
	case answer.StatusCode == http.StatusSwitchingProtocols:
		return badAnswer("it switched to another protocol")
	case answer.StatusCode == http.StatusProxyAuthRequired:
		return &failure{code: status.UpstreamUnreachable, says: "the proxy on the way wants a sign-in",
			action: "Put its user name and password into proxy_url"}
	case !pageTypes[kind]:
		return nil
	case answer.StatusCode >= 200 && answer.StatusCode < 300:
		return badAnswer("it sent " + kind + ", a web page, where MCP was expected")
	}
	answer.Header["Content-Security-Policy"] = inert
	return nil
}

// pageTypes are what a browser would run scripts of.
var pageTypes = map[string]bool{"text/html": true, "application/xhtml+xml": true, "image/svg+xml": true, "text/xml": true, "application/xml": true}

var inert = []string{"default-src 'none'; sandbox"}

func isEventStream(h http.Header) bool {
	kind := h.Get("Content-Type")
	const events = "text/event-stream"
	return len(kind) >= len(events) && strings.EqualFold(kind[:len(events)], events)
}

// copyWhole passes on an answer of known length. Its error is the target's: a client
// that is gone needs no more.
func copyWhole(w io.Writer, body io.Reader, size int64) error {
	if size == 0 {
		return nil
	}
	pool := small
	if size > smallBuffer {
		pool = large
	}
	b := pool.Get().(*[]byte)
	defer pool.Put(b)
	for {
		n, err := body.Read(*b)
		if n > 0 {
			if _, gone := w.Write((*b)[:n]); gone != nil {
				return nil
			}
		}
		if err != nil {
			return broken(err)
		}
	}
}

// stream passes on an answer of unknown length, every piece at once. Its error is the
// target's.
func (h *Handler) stream(w http.ResponseWriter, body io.Reader, events bool) error {
	h.counters.stream(1)
	defer h.counters.stream(-1)
	control := http.NewResponseController(w)
	defer control.SetWriteDeadline(time.Time{})
	var moved time.Time
	if events { // the first may be long in coming
		if gone := control.Flush(); gone != nil {
			return nil
		}
	}
	pool := small
	b := pool.Get().(*[]byte)
	defer func() { pool.Put(b) }()
	for {
		n, err := body.Read(*b)
		if n > 0 {
			if now := time.Now(); now.Sub(moved) > moveEarlier {
				moved = now
				control.SetWriteDeadline(now.Add(stuckAfter))
			}
			if _, gone := w.Write((*b)[:n]); gone != nil {
				return nil
			}
			if gone := control.Flush(); gone != nil {
				return nil
			}
		}
		if err != nil {
			return broken(err)
		}
		next := small
		if n == len(*b) {
			next = large
		}
		if next != pool {
			pool.Put(b)
			pool, b = next, next.Get().(*[]byte)
		}
	}
}

// broken is nil for the regular end of an answer.
func broken(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// closingKey is where a connection's context keeps the context of its Listener, which
// ends when the Listener begins to close.
type closingKey struct{}

// untilClosing returns a context that also ends when the Listener of ctx closes. A GET
// has no end of its own to wait for.
func untilClosing(ctx context.Context) (context.Context, func()) {
	listener, ok := ctx.Value(closingKey{}).(context.Context)
	if !ok {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(listener, cancel)
	return ctx, func() { stop(); cancel() }
}

func closing(ctx context.Context) bool {
	listener, ok := ctx.Value(closingKey{}).(context.Context)
	return ok && listener.Err() != nil
}
