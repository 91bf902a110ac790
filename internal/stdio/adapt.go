package stdio

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
)

// A client of protocol 2026-07-28 that was met here may turn out to have a server with
// sessions. Its requests are understood there once they no longer name their protocol;
// what has no counterpart is done here: the handshake, server/discover and
// subscriptions. The server is told of no client capabilities, so it asks nothing.

const ownHello = `{"jsonrpc":"2.0","id":"mcpauth-tray-initialize","method":"initialize","params":{"protocolVersion":"` + latestSession + `","capabilities":{},"clientInfo":`

// probe asks the server what the client asked here, and opens a session where the
// server does not know the question.
func (b *Bridge) probe(ctx context.Context, url string, line []byte) error {
	m := read(line)
	answer, _, err := b.ask(ctx, url, b.modernHeaders(&m), line, nil)
	if err == nil {
		err = refusalIn(answer)
	}
	if err == nil && !supports(answer, m.version) {
		err = &refusedError{answer}
	}
	if err == nil || !olderServer(err) {
		return err
	}
	info := m.param("_meta", "io.modelcontextprotocol/clientInfo")
	if info == nil {
		info = []byte(`{"name":"mcpauth-tray","version":` + quoted(b.version) + `}`)
	}
	c := &b.client
	c.mu.Lock()
	c.hello = []byte(ownHello + string(info) + "}}")
	c.ready = []byte(`{"jsonrpc":"2.0","method":"` + methodInitialized + `"}`)
	c.mu.Unlock()
	if _, err = b.introduceAt(ctx, url); err != nil {
		c.mu.Lock()
		c.hello, c.ready = nil, nil
		c.mu.Unlock()
	}
	return err
}

// supports says whether an answer to server/discover lists that version.
func supports(answer []byte, version string) bool {
	for _, v := range elements(member(answer, "result", "supportedVersions")) {
		if text(v) == version {
			return true
		}
	}
	return false
}

// olderServer says whether a server refused the probe because it does not know it.
func olderServer(err error) bool {
	if _, ours := ofUs(err); ours {
		return false
	}
	var answered *httpError
	var refused *refusedError
	return errors.As(err, &refused) || errors.As(err, &answered) && answered.status/100 == 4
}

// adapts opens a session for a client of protocol 2026-07-28 whose server turns out to want
// one. Some clients ask server/discover of another process than they then talk to: that
// one was signed out, and this one no longer is.
func (b *Bridge) adapts(c *call, err error) bool {
	var refused *httpError
	if !errors.As(err, &refused) || !wantsSession(refused) || b.client.hasDiscovered() {
		return false
	}
	url, err := b.link.server(c.ctx)
	if err == nil {
		err = b.client.introduce(c.ctx, b, url)
	}
	return err == nil && b.client.adapted()
}

// wantsSession says whether a server may refuse like that because it was not told initialize.
func wantsSession(e *httpError) bool {
	if _, ours := ofApp(e.body); ours {
		return false
	}
	switch e.status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
		return e.code() != codeNoMethod && e.code() != codeInvalidParams && e.code() != codeHeaderMismatch
	}
	return false
}

func (c *clientSession) hasDiscovered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.discovered
}

// adapted says whether the client speaks protocol 2026-07-28 and its server does not.
func (c *clientSession) adapted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.modern && c.hello != nil
}

func (b *Bridge) callAdapted(c *call) {
	if c.method == methodDiscover {
		b.meet(c, Endpoint{Says: b.name + " is signed in"})
		return
	}
	c.adapted.Store(true)
	c.raw = withoutMeta(c.raw)
	b.callSession(c)
}

// completed is a result with what protocol 2026-07-28 wants in it.
func completed(c *call, line []byte) []byte {
	return rewrite(line, func(key string, value []byte) []byte {
		if key != "result" || len(value) == 0 || value[0] != '{' || member(value, "resultType") != nil {
			return value
		}
		more := resultMembers(c.method) + "}"
		if body := bytes.TrimSuffix(value, []byte("}")); blank(body, 1) < len(body) {
			return append(append(bytes.Clone(body), ','), more...)
		}
		return []byte("{" + more)
	})
}

// perRequest are the members of _meta that stand for the handshake.
var perRequest = map[string]bool{
	metaVersion:                                  true,
	"io.modelcontextprotocol/clientInfo":         true,
	"io.modelcontextprotocol/clientCapabilities": true,
	"io.modelcontextprotocol/logLevel":           true,
}

// withoutMeta is a request without what stands for the handshake in it. Everything else
// of it stays as it is written.
func withoutMeta(line []byte) []byte {
	return rewrite(line, func(key string, value []byte) []byte {
		if key != "params" {
			return value
		}
		return rewrite(value, func(key string, value []byte) []byte {
			if key != "_meta" {
				return value
			}
			return rewrite(value, func(key string, value []byte) []byte {
				if perRequest[key] {
					return nil
				}
				return value
			})
		})
	})
}

// listenAdapted keeps a subscription that the server knows nothing of.
func (b *Bridge) listenAdapted(l *listener) {
	for _, uri := range elements(l.param("notifications", "resourceSubscriptions")) {
		line := []byte(`{"jsonrpc":"2.0","id":"mcpauth-tray-subscribe","method":"` + methodSubscribe + `","params":{"uri":` + string(uri) + `}}`)
		b.client.remember(read(line))
		up, err := b.session(l.ctx)
		if err != nil {
			break
		}
		url, err := b.link.server(l.ctx)
		if err == nil {
			err = b.tell(l.ctx, up, url, line)
		}
		b.report(message{method: methodSubscribe}, err)
	}
	b.ack(l)
	<-l.ctx.Done()
}

// ack opens a subscription for the client.
func (b *Bridge) ack(l *listener) {
	if l.acked {
		return
	}
	l.acked = true
	wishes := l.param("notifications")
	if wishes == nil {
		wishes = []byte("{}")
	}
	b.write(tagged(methodAck, l.id, `,"notifications":`+string(wishes)))
}

// notifyAdapted passes a notification of such a server to the subscriptions it is for.
func (b *Bridge) notifyAdapted(m message) {
	b.client.mu.Lock()
	listening := append([]*listener(nil), b.client.listening...)
	b.client.mu.Unlock()
	wish, uri := "", ""
	for _, l := range lists {
		if l.notification == m.method {
			wish = l.wish
		}
	}
	if m.method == "notifications/resources/updated" {
		uri = text(m.param("uri"))
	}
	if wish == "" && uri == "" {
		if strings.HasPrefix(m.method, "notifications/progress") {
			b.write(m.raw)
		}
		return
	}
	for _, l := range listening {
		switch {
		case wish != "" && string(l.param("notifications", wish)) == "true":
			b.write(tagged(m.method, l.id, ""))
		case uri != "" && l.wants(uri):
			b.write(tagged(m.method, l.id, `,"uri":`+quoted(uri)))
		}
	}
}

func (l *listener) wants(uri string) bool {
	for _, wanted := range elements(l.param("notifications", "resourceSubscriptions")) {
		if text(wanted) == uri {
			return true
		}
	}
	return false
}
