package stdio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// session is a session at the server, of protocol 2025-11-25 or earlier.
type session struct {
	id      string // Mcp-Session-Id, may be empty
	version string // as negotiated
	caps    []byte
	old     *oldTransport // the server speaks HTTP+SSE
	ctx     context.Context
	stop    context.CancelFunc
	stream  sync.Once // guards the start of the GET stream
}

// header of a request within the session (transports, "Session Management" and
// "Protocol Version Header").
func (s *session) header(h http.Header) http.Header {
	if s.id != "" {
		h["Mcp-Session-Id"] = []string{s.id}
	}
	if s.version != "" {
		h["Mcp-Protocol-Version"] = []string{s.version}
	}
	return h
}

// url is where the session's messages are posted to.
func (s *session) url(listener string) string {
	if s.old != nil {
		return s.old.endpoint
	}
	return listener
}

// initialize passes the client's initialize on. Where that cannot be done for a reason
// of ours, the client is answered here, so that it stays.
func (b *Bridge) initialize(c *call) {
	answer, err := b.openFirst(c)
	b.conclude(c, answer, err)
}

func (b *Bridge) openFirst(c *call) ([]byte, error) {
	s := &b.client
	s.turn.Lock()
	defer s.turn.Unlock()
	b.bid(s.begin(c.raw))
	url, err := b.link.server(c.ctx)
	if err != nil {
		return nil, err
	}
	up, answer, err := b.open(c.ctx, url, c.raw, c.wasSent)
	if err != nil {
		return answer, err
	}
	s.mu.Lock()
	s.declared, s.byUs = up.caps, false
	s.mu.Unlock()
	s.use(b, up)
	return answer, nil
}

// ofUs is why the app, not the server, failed.
func ofUs(err error) (failure, bool) {
	var answered *httpError
	var refused *refusedError
	switch {
	case errors.As(err, &answered):
		return ofApp(answered.body)
	case errors.As(err, &refused):
		return ofApp(refused.answer)
	}
	f := describe(err)
	return f, f.reason != ""
}

// refusedError is a server's JSON-RPC error.
type refusedError struct{ answer []byte }

func refusalIn(answer []byte) error {
	if member(answer, "error") == nil {
		return nil
	}
	return &refusedError{answer}
}

func (e *refusedError) Error() string {
	return "the server refused: " + text(member(e.answer, "error", "message"))
}

// open opens a session at the server and returns its answer to initialize, also with a
// *refusedError. ctx bounds no more than that.
func (b *Bridge) open(ctx context.Context, url string, hello []byte, wrote func()) (*session, []byte, error) {
	s := &session{}
	s.ctx, s.stop = context.WithCancel(b.ctx)
	answer, o, err := b.ask(ctx, url, postHeaders(), hello, wrote)
	if mayBeOld(err) {
		if old, _ := b.openOld(s, url); old != nil {
			s.old = old
			answer, err = b.askOld(ctx, s, hello)
		}
	}
	if err == nil {
		err = refusalIn(answer)
	}
	if err != nil {
		s.stop()
		return nil, answer, err
	}
	s.id = o.header.Get("Mcp-Session-Id")
	s.version = text(member(answer, "result", "protocolVersion"))
	s.caps = member(answer, "result", "capabilities")
	return s, answer, nil
}

// mayBeOld says whether a failed initialize may have met a server of protocol
// 2024-11-05 (transports, "Backwards Compatibility").
func mayBeOld(err error) bool {
	var answered *httpError
	if !errors.As(err, &answered) {
		return false
	}
	switch answered.status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
		_, ours := ofApp(answered.body)
		modern := answered.code() <= codeHeaderMismatch && answered.code() >= codeVersion
		return !ours && !modern
	}
	return false
}

// ask posts a request that is not the client's, or not only, and returns its answer.
// Other messages that come along reach the client.
func (b *Bridge) ask(ctx context.Context, url string, header http.Header, line []byte, wrote func()) ([]byte, outcome, error) {
	id := classify(line).id
	var answer []byte
	o, err := b.post(ctx, url, header, line, wrote, func(got []byte) error {
		m := classify(got)
		if m.kind != response {
			return b.deliver(got, nil)
		}
		if answer == nil && (m.id == nil || bytes.Equal(idKey(m.id), idKey(id))) {
			answer = got
			if m.id == nil {
				answer = withID(got, id)
			}
		}
		return nil
	})
	if answer != nil {
		return answer, o, nil
	}
	if err == nil {
		err = errNoAnswer
	}
	return nil, o, err
}

// initialized passes the client's notifications/initialized on, or keeps it for later.
func (c *clientSession) initialized(b *Bridge, raw []byte) {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.mu.Lock()
	c.ready = raw
	up := c.upstream
	c.mu.Unlock()
	if up == nil {
		return
	}
	// It may have been opened for a client that was met here, a moment ago.
	ctx, cancel := context.WithTimeout(up.ctx, returnTime)
	defer cancel()
	at, err := b.link.awaitOnline(ctx)
	if err != nil {
		c.forget(up) // the next one is told
		return
	}
	_, err = b.post(b.ctx, up.url(at.url), up.header(postHeaders()), raw, nil, func(line []byte) error { return b.deliver(line, nil) })
	b.report(message{method: methodInitialized}, err)
	b.hear(up)
}

// session returns the session for the client's messages, opened again where it is gone.
// A client that never said initialize has none, and its messages go as they are.
func (b *Bridge) session(ctx context.Context) (*session, error) {
	c := &b.client
	if up := c.current(); up != nil {
		return up, nil
	}
	c.turn.Lock()
	defer c.turn.Unlock()
	if up := c.current(); up != nil {
		return up, nil
	}
	c.mu.Lock()
	hello := c.hello
	c.mu.Unlock()
	if hello == nil {
		return &session{ctx: b.ctx, stop: func() {}}, nil
	}
	url, err := b.link.server(ctx)
	if err != nil {
		return nil, err
	}
	return b.introduceAt(ctx, url)
}

// introduceAt opens a session and tells it what the client told the one before.
// The caller holds turn.
func (b *Bridge) introduceAt(ctx context.Context, url string) (*session, error) {
	c := &b.client
	c.mu.Lock()
	hello, ready := c.hello, c.ready
	var again [][]byte
	if c.level != nil {
		again = append(again, c.level)
	}
	for _, s := range c.watched {
		again = append(again, s.raw)
	}
	c.mu.Unlock()
	up, _, err := b.open(ctx, url, hello, nil)
	if err != nil {
		return nil, fmt.Errorf("no session could be opened: %w", err)
	}
	if ready != nil {
		if err := b.tell(ctx, up, url, ready); err != nil {
			b.bid(up)
			return nil, err
		}
		for _, line := range again {
			if err := b.tell(ctx, up, url, line); err != nil {
				b.log.Warn("the new session was not told all", "error", err)
			}
		}
	}
	c.use(b, up)
	if ready != nil {
		b.hear(up)
	}
	return up, nil
}

// use makes up the client's session. One that was opened while the bridge left is ended.
func (c *clientSession) use(b *Bridge, up *session) {
	c.mu.Lock()
	c.upstream = up
	c.mu.Unlock()
	if b.ctx.Err() != nil {
		c.leave(b)
	}
}

// tell posts a message of the client once more; its answer was given already.
func (b *Bridge) tell(ctx context.Context, up *session, url string, line []byte) error {
	_, err := b.post(ctx, up.url(url), up.header(postHeaders()), line, nil, func(got []byte) error {
		if classify(got).kind == response {
			return nil
		}
		return b.deliver(got, nil)
	})
	return err
}

// forget gives a session up that the server no longer knows.
func (c *clientSession) forget(up *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.upstream == up {
		c.upstream = nil
	}
	up.stop()
}

// part gives the session up without a word to the server: it would not be heard.
func (c *clientSession) part() {
	if up := c.current(); up != nil {
		c.forget(up)
	}
}

// bid ends a session at the server (transports, "Session Management", 5).
func (b *Bridge) bid(up *session) {
	if up == nil {
		return
	}
	up.stop()
	url := b.link.url()
	if up.id == "" || url == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), leaveTime)
	defer cancel()
	header := up.header(http.Header{})
	if _, err := b.do(ctx, http.MethodDelete, url, header, nil, func([]byte) error { return nil }); err != nil {
		b.log.Debug("the server was not told of the session's end", "error", err)
	}
}

// leave ends what the client has at the server.
func (c *clientSession) leave(b *Bridge) {
	c.mu.Lock()
	up := c.upstream
	c.upstream = nil
	c.mu.Unlock()
	b.bid(up)
}

// gone says whether err means that the server no longer knows the session: 404, or
// what servers made after the reference server's pattern answer instead.
func gone(up *session, err error) bool {
	var answered *httpError
	if up.id == "" || !errors.As(err, &answered) {
		return false
	}
	if _, ours := ofApp(answered.body); ours {
		return false
	}
	says := strings.ToLower(text(member(answered.body, "error", "message")))
	return answered.status == http.StatusNotFound ||
		answered.status == http.StatusBadRequest && answered.code() == -32000 && strings.Contains(says, "session")
}

// callSession answers a request by a server of protocol 2025-11-25 or earlier.
func (b *Bridge) callSession(c *call) {
	b.client.remember(c.message)
	for again := false; ; again = true {
		up, err := b.session(c.ctx)
		if err == nil {
			err = b.exchange(c, up)
		}
		switch {
		case err == nil || c.answered():
			return
		case !again && up != nil && gone(up, err):
			b.client.forget(up)
		default:
			b.giveUp(c, err)
			return
		}
	}
}

// exchange posts a request and sees to it that everything of it is answered.
func (b *Bridge) exchange(c *call, up *session) error {
	url, err := b.link.server(c.ctx)
	if err != nil {
		return err
	}
	o, err := b.post(c.ctx, up.url(url), up.header(postHeaders()), c.raw, c.wasSent, func(line []byte) error { return b.deliver(line, c) })
	switch {
	case c.answered():
		return nil
	case up.old != nil && err == nil:
		return up.old.wait(c)
	case o.lastID != "":
		return b.resume(c, up, o.stream)
	case err == nil:
		err = errNoAnswer
	}
	return err
}

// sendSession posts a notification or an answer of the client.
func (b *Bridge) sendSession(m message) error {
	for again := false; ; again = true {
		up, err := b.session(b.ctx)
		if err != nil {
			return err
		}
		url, err := b.link.server(b.ctx)
		if err != nil {
			return err
		}
		_, err = b.post(b.ctx, up.url(url), up.header(postHeaders()), m.raw, nil, func(line []byte) error { return b.deliver(line, nil) })
		if again || m.kind == response || !gone(up, err) {
			return err
		}
		b.client.forget(up)
	}
}
