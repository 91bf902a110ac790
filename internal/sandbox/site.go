package sandbox

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
)

const maxForm = 1 << 20 // bytes of a form or JSON body the authorization server reads

// route is one endpoint.
type route struct {
	kind  Kind
	serve http.HandlerFunc
}

// site is one origin with its endpoints. Paths are compared as sent: no cleaning,
// no redirects.
type site struct {
	sb       *Sandbox
	listener net.Listener
	server   *http.Server
	origin   string
	hosts    []string         // Host values answered
	exact    map[string]route // path → endpoint
	below    map[string]route // path prefix ending in / → endpoint
	other    route            // every other path
}

func newSite(s *Sandbox, l net.Listener, scheme string) *site {
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	t := &site{
		sb: s, listener: l, origin: scheme + "://" + addr,
		hosts: []string{addr, "localhost:" + port},
		exact: map[string]route{}, below: map[string]route{},
	}
	t.other = route{KindNotFound, http.NotFound}
	return t
}

func (t *site) on(path string, k Kind, h http.HandlerFunc) { t.exact[path] = route{k, h} }

func (t *site) find(path string) route {
	if r, ok := t.exact[path]; ok {
		return r
	}
	for prefix, r := range t.below {
		if strings.HasPrefix(path, prefix) {
			return r
		}
	}
	return t.other
}

func (t *site) knows(host string) bool {
	for _, h := range t.hosts {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	return false
}

func (t *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt := t.find(r.URL.EscapedPath())
	// A name that was rebound to loopback must not reach the sandbox.
	if !t.knows(r.Host) {
		rt = route{KindForeignHost, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "this is not "+t.origin, http.StatusMisdirectedRequest)
		}}
	}
	req := &Request{
		Kind: rt.kind, At: t.sb.now(), Origin: t.origin, Host: r.Host, Proto: r.Proto,
		Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery,
		Query: r.URL.Query(), Header: r.Header.Clone(),
	}
	t.captureBody(rt.kind, r, req)
	stop := context.AfterFunc(r.Context(), func() {
		t.sb.log.update(req, func(q *Request) { q.Canceled = true })
	})
	ctx, abort := context.WithCancelCause(context.WithValue(r.Context(), requestKey{}, req))
	req.abort = abort
	t.sb.log.add(req)
	status := &statusWriter{ResponseWriter: w}
	defer func() {
		stop()
		t.sb.log.done(req, status.code)
		abort(nil)
	}()
	t.sb.answer(rt, status, r.WithContext(ctx))
	if context.Cause(ctx) == errBroken {
		panic(http.ErrAbortHandler)
	}
}

// captureBody keeps what tests ask about: the form of an authorization server's
// endpoint, the first bytes of any other body.
func (t *site) captureBody(k Kind, r *http.Request, req *Request) {
	if !k.buffered() {
		r.Body = &teeBody{ReadCloser: r.Body, sb: t.sb, req: req}
		return
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxForm))
	r.Body = io.NopCloser(bytes.NewReader(body))
	req.Body = body
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t == "application/x-www-form-urlencoded" {
		req.Form, _ = url.ParseQuery(string(body))
	}
}

// statusWriter remembers the status; Unwrap keeps flushing and hijacking possible.
type statusWriter struct {
	http.ResponseWriter
	code int
}

func (w *statusWriter) WriteHeader(code int) {
	if w.code < 200 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.code < 200 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
