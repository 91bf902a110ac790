package stdio

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"
)

// modernHeaders are those of a POST of protocol 2026-07-28 (Streamable HTTP, "Request
// Metadata").
func (b *Bridge) modernHeaders(m *message) http.Header {
	h := postHeaders()
	h["Mcp-Protocol-Version"] = []string{headerValue(m.version)}
	h["Mcp-Method"] = []string{headerValue(m.method)}
	if name, ok := m.name(); ok {
		h["Mcp-Name"] = []string{headerValue(name)}
		if m.method == methodCall {
			b.tools.mirror(h, name, m.param("arguments"))
		}
	}
	return h
}

const (
	sentinel    = "=?base64?"
	sentinelEnd = "?="
)

// headerValue is a value as it may stand in a header: itself, or in Base64 where it
// would not survive or would be taken for Base64.
func headerValue(s string) string {
	plain := strings.Trim(s, " \t") == s && !(strings.HasPrefix(s, sentinel) && strings.HasSuffix(s, sentinelEnd))
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] <= '~'
	}
	if plain {
		return s
	}
	return sentinel + base64.StdEncoding.EncodeToString([]byte(s)) + sentinelEnd
}

// callModern answers a request of protocol 2026-07-28. A stream that breaks loses the
// request; only the client may ask again.
func (b *Bridge) callModern(c *call) {
	err := b.postModern(c)
	var refused *httpError
	if errors.As(err, &refused) && refused.code() == codeHeaderMismatch && c.method == methodCall && b.learnTools(c) {
		err = b.postModern(c)
	}
	if err == nil && !c.answered() {
		err = errNoAnswer
	}
	switch {
	case err == nil:
	case b.adapts(c, err):
		b.callAdapted(c)
	default:
		b.giveUp(c, err)
	}
}

// discover passes the client's opening question on. Where that cannot be done for a
// reason of ours, the client is answered here, so that it stays.
func (b *Bridge) discover(c *call) {
	url, err := b.link.server(c.ctx)
	var answer []byte
	if err == nil {
		answer, _, err = b.ask(c.ctx, url, b.modernHeaders(&c.message), c.raw, c.wasSent)
	}
	if err == nil {
		err = refusalIn(answer)
	}
	b.conclude(c, answer, err)
}

// conclude gives a client that opens a conversation the server's answer, or one of ours.
func (b *Bridge) conclude(c *call, answer []byte, err error) {
	var refused *refusedError
	f, ours := failure{}, false
	if err != nil && c.ctx.Err() == nil {
		f, ours = ofUs(err)
	}
	switch {
	case ours:
		b.answerHere(c, b.lose(f))
	case err != nil && !errors.As(err, &refused):
		b.giveUp(c, err)
	default:
		b.reply(c.id, answer)
	}
}

func (b *Bridge) postModern(c *call) error {
	url, err := b.link.server(c.ctx)
	if err != nil {
		return err
	}
	_, err = b.post(c.ctx, url, b.modernHeaders(&c.message), c.raw, c.wasSent, func(line []byte) error { return b.deliver(line, c) })
	return err
}

// sendModern posts a notification of protocol 2026-07-28.
func (b *Bridge) sendModern(m message) error {
	url, err := b.link.server(b.ctx)
	if err != nil {
		return err
	}
	_, err = b.post(b.ctx, url, b.modernHeaders(&m), m.raw, nil, func(line []byte) error { return b.deliver(line, nil) })
	return err
}

// cancelled handles notifications/cancelled where it does not go to the server: over
// HTTP a request of protocol 2026-07-28 is cancelled by leaving ("Cancellation").
// Other ones follow their request.
func (b *Bridge) cancelled(m message) bool {
	c := b.calls.get(m.param("requestId"))
	switch {
	case c == nil:
		return b.client.isModern()
	case c.modern() && c.adapted.Load():
		m = read(withoutMeta(m.raw))
	case c.modern() || c.local.Load():
		b.calls.drop(c)
		return true
	}
	if !b.begin() { // the reader is not among those that Run waits for
		return true
	}
	go func() {
		defer b.work.Done()
		select {
		case <-c.sent:
			b.report(m, b.sendSession(m))
			// A server need not answer what was cancelled, nor end its stream.
			b.calls.abandon(m.param("requestId"))
		case <-c.done:
		case <-b.ctx.Done():
		}
	}()
	return true
}

// maxPages bounds the bridge's own reading of a list of tools.
const maxPages = 100

// learnTools reads the server's tools for a call whose headers the server refuses.
func (b *Bridge) learnTools(c *call) bool {
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	for cursor, n := []byte(nil), 0; n < maxPages; n++ {
		page := ""
		if cursor != nil {
			page = `,"cursor":` + string(cursor)
		}
		m := read(ownRequest(c.message, "mcpauth-tray-tools", methodTools, page))
		url, err := b.link.server(ctx)
		if err != nil {
			return false
		}
		var answer []byte
		_, err = b.post(ctx, url, b.modernHeaders(&m), m.raw, nil, func(line []byte) error {
			if got := classify(line); got.kind == response {
				answer = line
			}
			return nil
		})
		if err != nil || member(answer, "result", "tools") == nil {
			return false
		}
		b.tools.learn(answer, cursor == nil, b.log)
		if cursor = member(answer, "result", "nextCursor"); cursor == nil || cursor[0] != '"' {
			return true
		}
	}
	return true
}

// ownRequest asks in the client's name, with the _meta of its request m; params are
// further members.
func ownRequest(m message, id, method, params string) []byte {
	meta := rewrite(m.param("_meta"), func(key string, value []byte) []byte {
		if key == "progressToken" {
			return nil
		}
		return value
	})
	return []byte(`{"jsonrpc":"2.0","id":"` + id + `","method":"` + method + `","params":{"_meta":` + string(meta) + params + `}}`)
}

// listener is a subscription of the client (protocol 2026-07-28, "Subscriptions").
type listener struct {
	*call
	acked bool // the client knows that it is open; its own goroutine's
}

// listen keeps a subscription open. When its stream breaks it is asked for again under
// the same id, which is free by then; the client is told that things may have changed.
func (b *Bridge) listen(c *call) {
	l := &listener{call: c}
	b.client.subscribe(l)
	defer b.client.unsubscribe(l)
	pause := defaultRetry / 2
	if at, err := b.link.await(c.ctx); err == nil && at.offline {
		b.ack(l)
	}
	for {
		if _, err := b.link.awaitOnline(c.ctx); err != nil {
			return
		}
		if b.client.adapted() {
			b.listenAdapted(l)
			return
		}
		again, began := l.acked, time.Now()
		err := b.listenOnce(l, again)
		var refused *httpError
		switch {
		case c.answered() || c.ctx.Err() != nil:
			return
		case b.adapts(c, err):
			continue
		case errors.As(err, &refused) && refused.status/100 == 4:
			b.endListen(l, err)
			return
		}
		if pause = min(2*pause, retryMost); time.Since(began) > time.Minute {
			pause = defaultRetry
		}
		if !sleep(c.ctx, pause) {
			return
		}
	}
}

func (b *Bridge) listenOnce(l *listener, again bool) error {
	at, err := b.link.await(l.ctx)
	if err != nil || at.offline {
		return err
	}
	_, err = b.post(l.ctx, at.url, b.modernHeaders(&l.message), l.raw, nil, func(line []byte) error {
		if classify(line).method != methodAck {
			return b.deliver(line, l.call)
		}
		if !again {
			l.acked = true
			return b.deliver(line, l.call)
		}
		b.client.stale(b, l)
		return nil
	})
	return err
}

// endListen tells the client that a subscription is over: by the server's error while
// it was never open, later the way a stdio server does.
func (b *Bridge) endListen(l *listener, err error) {
	if !l.acked {
		b.giveUp(l.call, err)
		return
	}
	b.write([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + string(l.id) + `,"reason":"the server ended the subscription"}}`))
	b.calls.drop(l.call)
}
