package stdio

import (
	"context"
	"slices"
	"sync"
)

// clientSession is what the client said that a server has to be told again when it
// forgot, or when it could not be told at first.
type clientSession struct {
	mu         sync.Mutex
	modern     bool   // it speaks protocol 2026-07-28
	hello      []byte // its initialize
	ready      []byte // its notifications/initialized
	level      []byte // its last logging/setLevel
	watched    []subscription
	probe      []byte              // server/discover in its name, of protocol 2026-07-28
	discovered bool                // it asked that itself
	declared   []byte              // capabilities that the client knows of
	byUs       bool                // they are the ones that the bridge promised
	offered    bool                // it was shown the sign-in tool
	asked      map[string]*session // idKey of a server's request → where that came from
	listening  []*listener

	turn     sync.Mutex // held while a session is being opened
	upstream *session   // guarded by mu; nil: none
}

type subscription struct {
	uri string
	raw []byte
}

func (c *clientSession) current() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.upstream
}

func (c *clientSession) isModern() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.modern
}

// noteEra remembers which protocol the client speaks. A client that was told of an old
// server begins again with initialize.
func (c *clientSession) noteEra(m message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case m.method == methodInitialize:
		c.modern = false
	case m.version != "" && c.hello == nil:
		c.modern = true
		c.discovered = c.discovered || m.method == methodDiscover
		if c.probe == nil && m.kind == request {
			c.probe = ownRequest(m, "mcpauth-tray-discover", methodDiscover, "")
		}
	}
}

// remember keeps what a new session has to be told.
func (c *clientSession) remember(m message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m.method {
	case methodSetLevel:
		c.level = m.raw
	case methodSubscribe, methodUnsubscribe:
		uri := text(m.param("uri"))
		c.watched = slices.DeleteFunc(c.watched, func(s subscription) bool { return s.uri == uri })
		if m.method == methodSubscribe {
			c.watched = append(c.watched, subscription{uri, m.raw})
		}
	}
}

// ask notes a request of the server.
func (c *clientSession) ask(id []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.upstream == nil {
		return
	}
	if c.asked == nil {
		c.asked = map[string]*session{}
	}
	c.asked[string(idKey(id))] = c.upstream
}

// tooLate says whether the client's answer is to a session that is over. Another one may
// have asked something else by the same id.
func (c *clientSession) tooLate(id []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := string(idKey(id))
	by := c.asked[key]
	delete(c.asked, key)
	return by != nil && by.ctx.Err() != nil
}

// begin takes the client's initialize; whatever was before is over.
func (c *clientSession) begin(hello []byte) (before *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, c.upstream = c.upstream, nil
	c.hello, c.ready, c.level, c.watched, c.declared, c.asked = hello, nil, nil, nil, nil, nil
	return before
}

// promise notes that the client was met here.
func (c *clientSession) promise(hello []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if hello != nil {
		c.hello, c.ready, c.level, c.watched, c.upstream = hello, nil, nil, nil, nil
	}
	c.declared, c.byUs = []byte(promised), true
}

func (c *clientSession) wasPromised() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byUs
}

func (c *clientSession) offer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offered = true
}

func (c *clientSession) wasOffered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offered
}

// lists are the lists that change when a server comes or goes, in the order in which
// clients are told.
var lists = []struct{ capability, notification, wish string }{
	{"tools", "notifications/tools/list_changed", "toolsListChanged"},
	{"prompts", "notifications/prompts/list_changed", "promptsListChanged"},
	{"resources", "notifications/resources/list_changed", "resourcesListChanged"},
}

// announce tells the client that what it can list has changed. Only a client that
// could have listed it is told, and only of what it was told would be announced.
func (c *clientSession) announce(b *Bridge) {
	c.mu.Lock()
	declared, ready := c.declared, c.ready != nil && !c.modern
	listening := slices.Clone(c.listening)
	c.mu.Unlock()
	if ready {
		for _, l := range lists {
			if string(member(declared, l.capability, "listChanged")) == "true" {
				b.write([]byte(`{"jsonrpc":"2.0","method":"` + l.notification + `"}`))
			}
		}
	}
	for _, l := range listening {
		c.stale(b, l)
	}
}

// stale tells a subscription that what it is about may have changed.
func (c *clientSession) stale(b *Bridge, s *listener) {
	if s.ctx.Err() != nil {
		return
	}
	for _, l := range lists {
		if string(s.param("notifications", l.wish)) == "true" {
			b.write(tagged(l.notification, s.id, ""))
		}
	}
}

// tagged is a notification of a subscription; params are further members.
func tagged(method string, id []byte, params string) []byte {
	return []byte(`{"jsonrpc":"2.0","method":"` + method + `","params":{"_meta":{"` + metaSubscription + `":` + string(id) + `}` + params + `}}`)
}

func (c *clientSession) subscribe(l *listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listening = append(c.listening, l)
}

func (c *clientSession) unsubscribe(l *listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listening = slices.DeleteFunc(c.listening, func(o *listener) bool { return o == l })
}

// introduce makes the server know a client that was met here.
func (c *clientSession) introduce(ctx context.Context, b *Bridge, url string) error {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.mu.Lock()
	hello, probe, known := c.hello, c.probe, c.upstream != nil
	c.mu.Unlock()
	switch {
	case known:
		return nil
	case hello != nil:
		_, err := b.introduceAt(ctx, url)
		return err
	case probe != nil:
		return b.probe(ctx, url, probe)
	}
	return nil
}
