package sandbox

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Kind names an endpoint.
type Kind string

const (
	KindPRM         Kind = "prm"      // protected resource metadata, both forms
	KindMetadata    Kind = "metadata" // authorization server metadata, every form
	KindJWKS        Kind = "jwks"
	KindAuthorize   Kind = "authorize"
	KindConsent     Kind = "consent" // the form of the sign-in page
	KindToken       Kind = "token"
	KindRegister    Kind = "register"   // RFC 7591
	KindClient      Kind = "client"     // RFC 7592
	KindRevoke      Kind = "revoke"     // RFC 7009
	KindIntrospect  Kind = "introspect" // RFC 7662
	KindUserinfo    Kind = "userinfo"
	KindIDToken     Kind = "id-token"    // not an endpoint: Field changes the claims
	KindDevice      Kind = "device"      // RFC 8628 §3.1
	KindDevicePage  Kind = "device-page" // where a person goes with the user code
	KindMCP         Kind = "mcp"
	KindLegacy      Kind = "legacy"  // GET of the 2024-11-05 transport
	KindMessage     Kind = "message" // POST of the 2024-11-05 transport
	KindEcho        Kind = "echo"
	KindStream      Kind = "stream"
	KindElsewhere   Kind = "elsewhere"    // anything at ElsewhereURL
	KindNotFound    Kind = "not-found"    // a path where nothing is
	KindForeignHost Kind = "foreign-host" // a Host that is not the server's
)

// buffered says that the body is read and parsed before the endpoint sees it.
func (k Kind) buffered() bool {
	switch k {
	case KindMCP, KindLegacy, KindMessage, KindEcho, KindStream:
		return false
	}
	return true
}

// Request is one request the sandbox got.
type Request struct {
	Serial   int
	Kind     Kind
	At       time.Time
	Origin   string // of the server that was asked
	Host     string // Host header
	Proto    string
	Method   string
	Path     string // escaped, as sent
	RawQuery string
	Query    url.Values
	Form     url.Values // nil without a form body
	Header   http.Header
	Body     []byte // the first bytes

	ClientID string // at the token endpoint and its siblings, when known
	Auth     string // how the client authenticated: none, post, basic
	Status   int    // 0 until answered
	Done     bool   // the endpoint is finished with it
	Canceled bool   // the client left before that

	abort context.CancelCauseFunc // ends it while it is being served
}

const (
	keepRequests = 1024 // per kind
	keepBody     = 8 << 10
)

type requestKey struct{}

// requestLog remembers the newest requests of each kind.
type requestLog struct {
	mu      sync.Mutex
	serial  int
	byKind  map[Kind][]*Request
	counts  map[Kind]int
	active  int           // requests being served
	changed chan struct{} // closed at the next change; nil while nobody waits
}

func (l *requestLog) add(r *Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byKind == nil {
		l.byKind, l.counts = map[Kind][]*Request{}, map[Kind]int{}
	}
	l.serial++
	l.active++
	r.Serial = l.serial
	l.counts[r.Kind]++
	kept := append(l.byKind[r.Kind], r)
	if len(kept) > keepRequests {
		kept = slices.Delete(kept, 0, len(kept)-keepRequests)
	}
	l.byKind[r.Kind] = kept
	l.wake()
}

func (l *requestLog) update(r *Request, change func(*Request)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(r)
	l.wake()
}

func (l *requestLog) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

func (l *requestLog) done(r *Request, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Status, r.Done, r.abort = status, true, nil
	l.active--
	l.wake()
}

// wait calls ok with the lock held, now and after every change, until it is true.
func (l *requestLog) wait(ctx context.Context, ok func() bool) error {
	for {
		l.mu.Lock()
		if ok() {
			l.mu.Unlock()
			return nil
		}
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Requests returns the requests of that kind in order, at most the newest 1024.
func (s *Sandbox) Requests(k Kind) []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	var out []Request
	for _, r := range s.log.byKind[k] {
		out = append(out, *r)
	}
	return out
}

// AllRequests returns the requests of every kind in order.
func (s *Sandbox) AllRequests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	var out []Request
	for _, rs := range s.log.byKind {
		for _, r := range rs {
			out = append(out, *r)
		}
	}
	slices.SortFunc(out, func(a, b Request) int { return a.Serial - b.Serial })
	return out
}

// Count says how many requests of that kind there have been.
func (s *Sandbox) Count(k Kind) int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.counts[k]
}

// WaitCount waits until there have been n requests of that kind.
func (s *Sandbox) WaitCount(ctx context.Context, k Kind, n int) error {
	return s.log.wait(ctx, func() bool { return s.log.counts[k] >= n })
}

// WaitFor waits for a request of that kind that ok accepts, for example one that is
// Canceled, and returns it. ok must not call the Sandbox.
func (s *Sandbox) WaitFor(ctx context.Context, k Kind, ok func(Request) bool) (found Request, err error) {
	err = s.log.wait(ctx, func() bool {
		for _, r := range s.log.byKind[k] {
			if ok(*r) {
				found = *r
				return true
			}
		}
		return false
	})
	return found, err
}

var errBroken = errors.New("sandbox: connection broken")

// Break breaks the connections of the requests of that kind being served, as a bad
// network does, and says how many there were.
func (s *Sandbox) Break(k Kind) (n int) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	for _, r := range s.log.byKind[k] {
		if r.abort != nil {
			r.abort(errBroken)
			n++
		}
	}
	return n
}

// note changes the log entry of a request being served.
func (s *Sandbox) note(r *http.Request, change func(*Request)) {
	if req, ok := r.Context().Value(requestKey{}).(*Request); ok {
		s.log.update(req, change)
	}
}

// teeBody keeps the first bytes of a body that streams through.
type teeBody struct {
	io.ReadCloser
	sb  *Sandbox
	req *Request
}

func (b *teeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.sb.log.update(b.req, func(q *Request) {
			q.Body = append(q.Body, p[:min(n, keepBody-len(q.Body))]...)
		})
	}
	return n, err
}
