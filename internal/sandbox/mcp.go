package sandbox

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// mcpServer is the MCP server behind the token check.
type mcpServer struct {
	server  *mcp.Server
	handler http.Handler

	mu    sync.Mutex
	calls context.Context // calls under way end with it
	end   context.CancelFunc
	ended map[mcp.Session]bool // sessions being closed: a call that still arrives ends too
}

func newMCPServer(s *Sandbox) *mcpServer {
	m := &mcpServer{ended: map[mcp.Session]bool{}, server: mcp.NewServer(
		&mcp.Implementation{Name: "sandbox", Title: "Sandbox MCP server", Version: "1"},
		&mcp.ServerOptions{Instructions: "A server to try things with.", Logger: s.opts.Logger},
	)}
	m.calls, m.end = context.WithCancel(context.Background())
	m.server.AddReceivingMiddleware(m.ending)
	addTools(m.server)
	o := &mcp.StreamableHTTPOptions{
		Stateless: s.opts.Stateless, JSONResponse: s.opts.JSONResponse, Logger: s.opts.Logger,
		PropagateRequestCancellation: true,
	}
	if !s.opts.Stateless {
		o.EventStore = mcp.NewMemoryEventStore(nil)
	}
	m.handler = mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return m.server }, o)
	return m
}

// ending lets calls end with the sessions: closing one waits for its calls.
func (m *mcpServer) ending(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		m.mu.Lock()
		if m.ended[r.GetSession()] {
			cancel()
		}
		stop := context.AfterFunc(m.calls, cancel)
		m.mu.Unlock()
		defer stop()
		return next(ctx, method, r)
	}
}

// close ends the sessions; a request that names one gets 404 from then on.
func (m *mcpServer) close() {
	m.mu.Lock()
	sessions := slices.Collect(m.server.Sessions())
	for _, session := range sessions {
		m.ended[session] = true
	}
	m.end()
	m.calls, m.end = context.WithCancel(context.Background())
	m.mu.Unlock()
	for _, session := range sessions {
		_ = session.Close()
		m.mu.Lock()
		delete(m.ended, session)
		m.mu.Unlock()
	}
}

func (s *Sandbox) serveMCP(w http.ResponseWriter, r *http.Request) {
	f := s.faults.Load()
	switch {
	case f.Stream != nil:
		f.Stream.serve(w, r)
	case f.GetStream != nil && r.Method == http.MethodGet:
		f.GetStream.serve(w, r)
	case f.NoStream && r.Method == http.MethodGet:
		w.Header().Set("Allow", "POST, DELETE")
		http.Error(w, "no stream here", http.StatusMethodNotAllowed)
	default:
		s.mcp.handler.ServeHTTP(w, r)
	}
}

// Announce changes the server's list of tools: clients with an open stream are told.
func (s *Sandbox) Announce() {
	mcp.AddTool(s.mcp.server, &mcp.Tool{Name: "extra-" + random("tool"), Description: "added while running"}, echo)
}

// ForgetSessions ends every MCP session, as a restart of the server would.
func (s *Sandbox) ForgetSessions() { s.mcp.close() }
