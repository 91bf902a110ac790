package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// Server answers other processes for one engine.
type Server struct {
	engine supervisor.Engine
	log    *slog.Logger
}

// NewServer returns a Server for engine. A nil logger discards.
func NewServer(engine supervisor.Engine, logger *slog.Logger) *Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Server{engine: engine, log: logger}
}

// Serve answers on l, which it closes, until ctx ends: then watchers are let go, answers
// under way get a moment to finish, and Serve returns nil once all have ended.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	watching, letGo := context.WithCancel(context.Background())
	defer letGo()
	server := &http.Server{
		Handler:           s.handler(watching),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		letGo()
		s.drain(server)
	})
	err := server.Serve(l)
	if stop() {
		letGo()
		s.drain(server)
		return fmt.Errorf("the control socket failed: %w", err)
	}
	<-drained
	return nil
}

func (s *Server) drain(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		s.log.Debug("control requests were cut off", "error", err)
		_ = server.Close()
	}
}

// route is one row of the API. watching ends when watchers are to be let go.
type route struct {
	path, method string
	serve        func(s *Server, watching context.Context, w http.ResponseWriter, r *http.Request)
}

var routes = []route{
	{pathSnapshot, http.MethodGet, (*Server).snapshot},
	{pathWatch, http.MethodGet, (*Server).watch},
	{pathDo, http.MethodPost, (*Server).do},
}

func (s *Server) handler(watching context.Context) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if code := foreign(r); code != "" {
			s.log.Warn("a control request was refused", "reason", code)
			refuse(w, http.StatusForbidden, code, "only mcpauth-tray itself may ask here")
			return
		}
		i := slices.IndexFunc(routes, func(x route) bool { return x.path == r.URL.Path })
		switch {
		case i < 0:
			refuse(w, http.StatusNotFound, status.NotFound, "the running app does not know this request; restart it after an update")
		case routes[i].method != r.Method:
			w.Header().Set("Allow", routes[i].method)
			refuse(w, http.StatusMethodNotAllowed, status.MethodNotAllowed, "use "+routes[i].method)
		default:
			routes[i].serve(s, watching, w, r)
		}
	})
}

// foreign says why a request cannot be one of ours: whatever a browser, or something
// that a browser talked into forwarding, would send. Empty for none.
func foreign(r *http.Request) status.Code {
	if r.Host != host {
		return status.HostNotAllowed
	}
	for name := range r.Header {
		if name == "Origin" || name == "Referer" || strings.HasPrefix(name, "Sec-Fetch-") {
			return status.OriginNotAllowed
		}
	}
	return ""
}

func (s *Server) snapshot(_ context.Context, w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), firstTimeout)
	defer cancel()
	for snap := range s.engine.Watch(ctx) {
		if snap != nil {
			answer(w, http.StatusOK, snap)
			return
		}
	}
	refuse(w, http.StatusServiceUnavailable, status.Busy, "the app is still starting; try again")
}

// watch sends one Snapshot a line. A reader that is slow holds up only itself: what the
// engine publishes meanwhile is skipped, the newest is not.
func (s *Server) watch(watching context.Context, w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(watching, cancel)()
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, lines := http.NewResponseController(w), json.NewEncoder(w)
	if err := out.Flush(); err != nil {
		return
	}
	for snap := range s.engine.Watch(ctx) {
		if snap == nil {
			continue
		}
		if lines.Encode(snap) != nil || out.Flush() != nil {
			return
		}
	}
}

func (s *Server) do(_ context.Context, w http.ResponseWriter, r *http.Request) {
	a, ok := readAction(w, r)
	if !ok {
		return
	}
	err := s.engine.Do(r.Context(), a)
	if err != nil {
		e, code := describe(err)
		s.log.Info("control", "action", a.String(), "error", e.Message)
		answer(w, code, e)
		return
	}
	s.log.Info("control", "action", a.String())
	w.WriteHeader(http.StatusNoContent)
}

// readAction reads the body within its limits of size and time, or answers why not.
func readAction(w http.ResponseWriter, r *http.Request) (a supervisor.Action, ok bool) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, status.BadContentType, "the body must be application/json")
		return a, false
	}
	in := http.NewResponseController(w)
	if err := in.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		refuse(w, http.StatusInternalServerError, failed, "cannot bound the request in time")
		return a, false
	}
	a, err = decodeAction(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, status.BodyTooLarge, "the body is too large")
		return a, false
	case err != nil:
		refuse(w, http.StatusBadRequest, status.BadRequest, err.Error())
		return a, false
	}
	// The Action may take longer than its reading was allowed to.
	_ = in.SetReadDeadline(time.Time{})
	return a, true
}

func refuse(w http.ResponseWriter, code int, reason status.Code, message string) {
	answer(w, code, &Error{Code: reason, Message: message})
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}
