package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

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
	w.WriteHeader(answer.StatusCode)
	size := answer.ContentLength
	if isEventStream(answer.Header) {
		size = unknown
	}
	err := h.pump(w, body, size)
	if err == nil || r.Context().Err() != nil || r.Method == http.MethodGet && closing(r.Context()) {
		return nil
	}
	h.counters.failed()
	h.log.Info("an answer broke off", "host", h.route.target.Host, "says", brokenOff(err))
	panic(http.ErrAbortHandler)
}

// brokenOff says why the rest of an answer does not come.
func brokenOff(err error) string {
	if errors.Is(err, errForeignEndpoint) || errors.Is(err, errOddEndpoint) {
		return err.Error()
	}
	return explain(err).says
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
