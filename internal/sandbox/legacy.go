package sandbox

import (
	"net/http"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	legacyPath  = "/sse"
	messagePath = "/message"
)

// legacy serves the HTTP+SSE transport of protocol 2024-11-05: a GET that streams,
// and POSTs to the address its first event names.
type legacy struct {
	mu       sync.Mutex
	sessions map[string]*mcp.SSEServerTransport
}

func (l *legacy) set(id string, t *mcp.SSEServerTransport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions == nil {
		l.sessions = map[string]*mcp.SSEServerTransport{}
	}
	if l.sessions[id] = t; t == nil {
		delete(l.sessions, id)
	}
}

func (l *legacy) get(id string) *mcp.SSEServerTransport {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sessions[id]
}

func (s *Sandbox) serveLegacy(w http.ResponseWriter, r *http.Request) {
	id := random("session")
	endpoint := s.faults.Load().Endpoint
	if endpoint == "" {
		endpoint = messagePath + "?sessionId={id}"
	}
	t := &mcp.SSEServerTransport{Endpoint: strings.ReplaceAll(endpoint, "{id}", id), Response: w}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	s.legacy.set(id, t)
	defer s.legacy.set(id, nil)
	session, err := s.mcp.server.Connect(r.Context(), t, nil)
	if err != nil {
		http.Error(w, "cannot connect", http.StatusInternalServerError)
		return
	}
	defer session.Close()
	<-r.Context().Done()
}

func (s *Sandbox) serveMessage(w http.ResponseWriter, r *http.Request) {
	t := s.legacy.get(r.URL.Query().Get("sessionId"))
	if t == nil {
		http.Error(w, "unknown session", http.StatusNotFound)
		return
	}
	t.ServeHTTP(w, r)
}
