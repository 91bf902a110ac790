package stdio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// maxResume is how often in a row a stream is asked for again in vain.
const maxResume = 5

func eventHeaders() http.Header { return http.Header{"Accept": {typeEvents}} }

// resume goes on with an answer whose stream ended early (transports, "Resumability
// and Redelivery").
func (b *Bridge) resume(c *call, up *session, events *eventReader) error {
	last, wish := events.lastID, cmp.Or(events.retry, defaultRetry)
	for wait, failures := wish, 0; failures < maxResume; {
		if !sleep(c.ctx, wait) {
			return c.ctx.Err()
		}
		url, err := b.link.server(c.ctx)
		if err != nil {
			return err
		}
		header := up.header(eventHeaders())
		header["Last-Event-Id"] = []string{last}
		o, err := b.do(c.ctx, http.MethodGet, url, header, nil, func(line []byte) error { return b.deliver(line, c) })
		if c.answered() {
			return nil
		}
		var refused *httpError
		if errors.As(err, &refused) && refused.status/100 == 4 {
			return errNoAnswer // the answer is lost; a new session would not have it
		}
		if o.stream == nil {
			failures++
			wait = max(min(2*wait, retryMost), wish)
			continue
		}
		// A server may let a client ask again and again, and still have nothing.
		wish, last = cmp.Or(o.stream.retry, wish), cmp.Or(o.lastID, last)
		wait, failures = wish, 0
	}
	return errNoAnswer
}

// hear starts the stream of what the server says by itself, once a session.
func (b *Bridge) hear(up *session) {
	if up.old != nil || up.ctx == nil {
		return
	}
	up.stream.Do(func() { b.work.Go(func() { b.hearAll(up) }) })
}

// hearAll keeps the stream open while the session lasts.
func (b *Bridge) hearAll(up *session) {
	var last string
	opened, wish, pause := false, defaultRetry, defaultRetry/2
	for {
		at, err := b.link.awaitOnline(up.ctx)
		if err != nil {
			return
		}
		header := up.header(eventHeaders())
		if last != "" {
			header["Last-Event-Id"] = []string{last}
		}
		began, heard := time.Now(), false
		o, err := b.do(up.ctx, http.MethodGet, at.url, header, nil, func(line []byte) error {
			heard = true
			return b.deliver(line, nil)
		})
		switch {
		case up.ctx.Err() != nil:
			return
		case gone(up, err) && (opened || b.forgotten(up, at.url)):
			b.client.forget(up)
			b.reopen()
			return
		case noStream(o, err):
			return
		}
		if o.lastID != "" {
			last = o.lastID
		}
		if o.stream != nil {
			opened, wish = true, cmp.Or(o.stream.retry, wish)
		}
		pause = max(min(2*pause, retryMost), wish)
		if o.stream != nil && (heard || time.Since(began) > defaultRetry) {
			pause = wish
		}
		if !sleep(up.ctx, pause) {
			return
		}
	}
}

// forgotten asks whether the server still knows the session: its 404 may also mean that
// it has no stream.
func (b *Bridge) forgotten(up *session, url string) bool {
	return gone(up, b.tell(up.ctx, up, url, []byte(ownPing)))
}

const ownPing = `{"jsonrpc":"2.0","id":"mcpauth-tray-ping","method":"ping"}`

// noStream says whether the server has no such stream: 405, or another answer that
// asking again would not change.
func noStream(o outcome, err error) bool {
	var refused *httpError
	if !errors.As(err, &refused) {
		return err == nil && !o.events
	}
	switch refused.status {
	case http.StatusConflict, http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusUnauthorized, http.StatusForbidden:
		return false
	}
	return refused.status < http.StatusInternalServerError || refused.status == http.StatusNotImplemented
}

// reopen opens a session for a client that only listens.
func (b *Bridge) reopen() {
	if _, err := b.session(b.ctx); err != nil && b.ctx.Err() == nil {
		b.log.Warn("the server forgot the session", "error", err)
	}
}

// oldTransport is the stream of a server that speaks HTTP+SSE (protocol 2024-11-05).
type oldTransport struct {
	endpoint string
	gone     chan struct{} // closed when the stream is over

	mu     sync.Mutex
	answer map[string]chan []byte // to requests of the bridge itself
}

// endpointTime is how long an old server may take to name its endpoint.
const endpointTime = 10 * time.Second

// openOld opens the stream at url and waits for its endpoint event.
func (b *Bridge) openOld(s *session, at string) (*oldTransport, error) {
	old := &oldTransport{gone: make(chan struct{}), answer: map[string]chan []byte{}}
	found := make(chan string, 1)
	b.work.Go(func() {
		defer close(old.gone)
		err := b.hearOld(s, old, at, found)
		if s.ctx.Err() == nil {
			b.log.Debug("the server's stream ended", "error", err)
			b.client.forget(s)
		}
	})
	timeout := time.NewTimer(endpointTime)
	defer timeout.Stop()
	select {
	case old.endpoint = <-found:
		return old, nil
	case <-old.gone:
	case <-timeout.C:
		s.stop()
	case <-s.ctx.Done():
	}
	return nil, errors.New("no endpoint event")
}

func (b *Bridge) hearOld(s *session, old *oldTransport, at string, found chan<- string) error {
	r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	r.Header = eventHeaders()
	answer, err := b.http.exchange(r, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return refusal(answer)
	}
	for events := newEventReader(answer.Body); ; {
		e, err := events.next()
		if err != nil {
			return err
		}
		if e.name == "endpoint" {
			to, err := sameOrigin(r.URL, string(e.data))
			if err != nil {
				return err
			}
			select {
			case found <- to:
			default:
			}
			continue
		}
		line, err := oneLine(e.data)
		if err == nil {
			err = old.take(b, line)
		}
		if err != nil {
			b.log.Warn("an event of the server cannot be used", "error", err)
		}
	}
}

// sameOrigin resolves the address an old server names.
func sameOrigin(base *url.URL, address string) (string, error) {
	to, err := base.Parse(address)
	if err != nil || to.Scheme != base.Scheme || to.Host != base.Host || to.User != nil {
		return "", errors.New("the server's endpoint is at another place")
	}
	return to.String(), nil
}

// take passes a message of the stream on.
func (o *oldTransport) take(b *Bridge, line []byte) error {
	if m := classify(line); m.kind == response {
		o.mu.Lock()
		key := string(idKey(m.id))
		own := o.answer[key]
		delete(o.answer, key)
		o.mu.Unlock()
		if own != nil {
			own <- line
			return nil
		}
	}
	return b.deliver(line, nil)
}

// askOld posts a request to an old server and waits for its answer on the stream.
func (b *Bridge) askOld(ctx context.Context, s *session, line []byte) ([]byte, error) {
	got := make(chan []byte, 1)
	s.old.mu.Lock()
	s.old.answer[string(idKey(classify(line).id))] = got
	s.old.mu.Unlock()
	if _, err := b.post(ctx, s.old.endpoint, postHeaders(), line, nil, func(line []byte) error { return s.old.take(b, line) }); err != nil {
		return nil, err
	}
	select {
	case answer := <-got:
		return answer, nil
	case <-s.old.gone:
		return nil, errNoAnswer
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// wait returns once everything of a request is answered on the stream.
func (o *oldTransport) wait(c *call) error {
	select {
	case <-c.done:
		return nil
	case <-o.gone:
		return fmt.Errorf("the server's stream broke off: %w", errNoAnswer)
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// sleep reports whether the whole time passed.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
