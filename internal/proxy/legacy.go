package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Legacy HTTP+SSE (MCP 2024-11-05): the first event of a GET stream names the URL that
// messages are POSTed to. It usually is another path of the same server, so such paths
// are learned and served while their stream is open.

// endpoints are the learned paths of one profile. The zero value is ready to use.
type endpoints struct {
	mu     sync.RWMutex
	byPath map[string]*endpoint
}

type endpoint struct {
	url     *url.URL // at the target, without the query
	streams int      // that named it and are open
}

// url returns where a message POSTed to a learned path goes, or nil.
func (e *endpoints) url(r *http.Request) *url.URL {
	if r.Method != http.MethodPost {
		return nil
	}
	e.mu.RLock()
	learned := e.byPath[r.URL.Path]
	e.mu.RUnlock()
	if learned == nil {
		return nil
	}
	to := *learned.url
	to.RawQuery = r.URL.RawQuery
	return &to
}

// learn serves u's path until forget is called.
func (e *endpoints) learn(u *url.URL) (forget func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byPath == nil {
		e.byPath = map[string]*endpoint{}
	}
	path := u.Path
	learned := e.byPath[path]
	if learned == nil {
		learned = &endpoint{url: &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}}
		e.byPath[path] = learned
	}
	learned.streams++
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if learned.streams--; learned.streams == 0 {
			delete(e.byPath, path)
		}
	}
}

func (e *endpoints) none() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return len(e.byPath) == 0
}

// follows lets streams opened under old, with endpoints of their own, go on to work.
func (h *Handler) follows(old *Handler) {
	if old.endpoints.none() {
		old = old.previous.Load()
	}
	h.previous.Store(old)
}

// former is the Handler served here before under which the endpoint r is for was
// learned, or nil.
func (h *Handler) former(r *http.Request) *Handler {
	for old := h.previous.Load(); old != nil; old = old.previous.Load() {
		if old.endpoints.url(r) != nil {
			return old
		}
	}
	return nil
}

// legacyCandidate reports whether r may open a legacy stream: later revisions name a
// session or do not GET.
func legacyCandidate(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header["Mcp-Session-Id"] == nil
}

// readable returns the body of an answer as the client is to see it, and what to call
// when it is done with.
func (h *Handler) readable(answer *http.Response, r *http.Request, header http.Header) (body io.Reader, done func()) {
	if !legacyCandidate(r) || answer.StatusCode != http.StatusOK || !isEventStream(answer.Header) ||
		answer.Header["Mcp-Session-Id"] != nil || answer.Header["Content-Encoding"] != nil {
		return answer.Body, func() {}
	}
	delete(header, "Content-Length")
	forget := func() {}
	events := newEndpointReader(answer.Body, func(value string) (string, error) {
		local, u, err := localEndpoint(value, answer.Request.URL, h.route.target, r.Host)
		if err == nil {
			forget = h.endpoints.learn(u)
		}
		return local, err
	})
	return events, func() { forget() }
}

var (
	errForeignEndpoint = errors.New("the server named an endpoint of another origin")
	errOddEndpoint     = errors.New("the server named an endpoint that is no URL")
)

// localEndpoint turns the value of an endpoint event of the stream at base into what
// leads through the listener at host, and into the URL at the target it stands for.
// A value that already does stays as it is.
func localEndpoint(value string, base, target *url.URL, host string) (local string, u *url.URL, err error) {
	ref, err := url.Parse(strings.TrimSpace(value))
	if err != nil || strings.Contains(value, `\`) { // which browsers read as a slash
		return "", nil, errOddEndpoint
	}
	u = base.ResolveReference(ref)
	if !sameOrigin(u, target) || u.User != nil || u.Opaque != "" {
		return "", nil, errForeignEndpoint
	}
	if u.Path == "" {
		u.Path = "/"
	}
	local = u.EscapedPath()
	if u.RawQuery != "" {
		local += "?" + u.RawQuery
	}
	if ref.IsAbs() {
		local = "http://" + host + local
	}
	return local, u, nil
}
