package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

const token = "cnry-token-6f1d"

// tokens are Tokens made of functions.
type tokens struct {
	get     func(context.Context) (oauth.Token, error)
	refused func(context.Context, oauth.Token, []string) (oauth.Token, error)

	mu       sync.Mutex
	accepted []string
}

func (f *tokens) Token(ctx context.Context) (oauth.Token, error) { return f.get(ctx) }

func (f *tokens) Accepted(t oauth.Token) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accepted = append(f.accepted, t.Value)
}

func (f *tokens) Refused(ctx context.Context, t oauth.Token, challenges []string) (oauth.Token, error) {
	return f.refused(ctx, t, challenges)
}

// always gives one token.
func always(value string) *tokens {
	return &tokens{
		get: func(context.Context) (oauth.Token, error) { return oauth.Token{Value: value, Type: "bearer"}, nil },
		refused: func(context.Context, oauth.Token, []string) (oauth.Token, error) {
			return oauth.Token{}, &oauth.Error{Code: status.CredentialsRejected, Summary: "refused", Action: "Sign in again"}
		},
	}
}

// never gives none, for the reason told.
func never(e *oauth.Error) *tokens {
	return &tokens{get: func(context.Context) (oauth.Token, error) { return oauth.Token{}, e }}
}

// server is a target that counts what reaches it.
type server struct {
	*httptest.Server
	hits atomic.Int64
}

func target(t testing.TB, h http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// served is a profile being served.
type served struct {
	*Listener
	handler *Handler
	log     *logBuffer
}

func (s *served) url(path string) string { return "http://" + s.Addr() + path }

// serve serves a profile named p whose target is at url.
func serve(t testing.TB, url string, change ...func(*Options)) *served {
	t.Helper()
	s := &served{Listener: listen(t), log: &logBuffer{}}
	s.mount(t, url, change...)
	return s
}

func listen(t testing.TB) *Listener {
	t.Helper()
	l, err := Listen("127.0.0.1:0", ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), soon.Limit)
		defer cancel()
		l.Close(ctx)
	})
	return l
}

func (s *served) mount(t testing.TB, url string, change ...func(*Options)) (unmount func()) {
	t.Helper()
	o := Options{Profile: profile.Profile{Name: "p", Target: url}, Addr: s.Addr(), Tokens: always(token),
		Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, f := range change {
		f(&o)
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.handler = h
	return s.Mount(h)
}

type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const call = `{"jsonrpc":"2.0","id":7,"method":"tools/call"}`

// post sends a message and returns the answer with its body read.
func post(t testing.TB, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	return do(t, http.MethodPost, url, body, headers...)
}

func do(t testing.TB, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(soon.Context(t), method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	answer, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// rpcError is a local error as clients read it.
type rpcError struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Error   struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    struct {
			Source, Profile, Reason, Action, Ref string
		} `json:"data"`
	} `json:"error"`
}

// localError checks what holds for every error of our own and returns it.
func localError(t testing.TB, answer *http.Response, body string) rpcError {
	t.Helper()
	var e rpcError
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("%s: %v in %q", answer.Status, err, body)
	}
	message := e.Error.Message
	switch {
	case e.JSONRPC != "2.0", e.Error.Data.Source != "mcpauth-tray", e.Error.Code < 31001 || e.Error.Code > 31099,
		e.Error.Code != status.Code(e.Error.Data.Reason).RPC(), e.Error.Data.Action == "":
		t.Errorf("odd envelope: %s", body)
	case len(message) > 300, strings.ContainsAny(message, "\r\n\t<"), !strings.Contains(message, e.Error.Data.Ref):
		t.Errorf("odd message: %q", message)
	case answer.Header.Get("Www-Authenticate") != "", answer.Header.Get("Content-Type") != "application/json",
		answer.Header.Get("X-Content-Type-Options") != "nosniff", answer.Header.Get("Content-Security-Policy") == "":
		t.Errorf("odd headers: %v", answer.Header)
	case strings.Contains(body, token):
		t.Errorf("the token leaked: %s", body)
	}
	return e
}

// raw writes bytes to addr and returns the status line of each answer, and the rest.
func raw(t testing.TB, addr, text string) (statusLine, all string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(soon.Limit))
	io.WriteString(c, text)
	b, _ := io.ReadAll(bufio.NewReader(c))
	statusLine, _, _ = strings.Cut(string(b), "\r\n")
	return statusLine, string(b)
}
