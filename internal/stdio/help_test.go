package stdio

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// app is an Upstream that a test steers.
type app struct {
	mu      sync.Mutex
	now     Endpoint
	changed chan struct{}
	signIn  func(context.Context) (string, error)
}

func newApp(e Endpoint) *app { return &app{now: e, changed: make(chan struct{})} }

func ready(url string) Endpoint { return Endpoint{State: Ready, URL: url} }

var signedOut = Endpoint{State: SignedOut, Says: "test: a sign-in is needed", Action: "Sign in", Code: 31001, Reason: "not_signed_in"}

var absent = Endpoint{State: Absent, Says: "mcpauth-tray is not running", Action: "Start it", Code: 31018, Reason: "not_running"}

func (a *app) become(e Endpoint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = e
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *app) Watch(ctx context.Context) iter.Seq[Endpoint] {
	return func(yield func(Endpoint) bool) {
		for {
			a.mu.Lock()
			e, changed := a.now, a.changed
			a.mu.Unlock()
			if !yield(e) {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (a *app) SignIn(ctx context.Context) (string, bool, error) {
	if a.signIn == nil {
		return "", false, errors.New("nobody can sign in here")
	}
	says, err := a.signIn(ctx)
	return says, err == nil, err
}

// pipes runs a bridge and returns a client's ends of it.
func pipes(t testing.TB, up Upstream, change ...func(*Bridge)) (in io.WriteCloser, out io.ReadCloser, ended <-chan error) {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	var log io.Writer = io.Discard
	if testing.Verbose() {
		log = testLog{t}
	}
	b := New(Options{Name: "test", Version: "1", In: inR, Out: outW, Upstream: up,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	for _, f := range change {
		f(b)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		done <- b.Run(ctx)
		close(stopped)
		outW.Close()
		inR.Close()
	}()
	t.Cleanup(func() {
		cancel()
		outR.Close()
		soon.Receive(t, stopped, "the end of the bridge")
	})
	return inW, outR, done
}

type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	defer func() { _ = recover() }() // after the test's end
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// wire is a client that writes and reads lines.
type wire struct {
	t     testing.TB
	in    io.WriteCloser
	lines chan string
	ended <-chan error
}

func dial(t testing.TB, up Upstream, change ...func(*Bridge)) *wire {
	t.Helper()
	in, out, ended := pipes(t, up, change...)
	w := &wire{t: t, in: in, lines: make(chan string, 100), ended: ended}
	go func() {
		defer close(w.lines)
		for r := bufio.NewReaderSize(out, 1<<20); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			w.lines <- strings.TrimSuffix(line, "\n")
		}
	}()
	return w
}

func (w *wire) send(lines ...string) {
	w.t.Helper()
	for _, line := range lines {
		if _, err := io.WriteString(w.in, line+"\n"); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *wire) next() string {
	w.t.Helper()
	line := soon.Receive(w.t, w.lines, "a line on stdout")
	if line == "" {
		w.t.Fatal("stdout is closed")
	}
	if !json.Valid([]byte(line)) {
		w.t.Fatalf("stdout carries %q", line)
	}
	return line
}

// expect reads up to a line that contains all that.
func (w *wire) expect(parts ...string) string {
	w.t.Helper()
	var seen []string
	for range 200 {
		line := w.next()
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			return line
		}
		seen = append(seen, line)
	}
	w.t.Fatalf("no line with %q in %q", parts, seen)
	return ""
}

func (w *wire) silent(d time.Duration) {
	w.t.Helper()
	select {
	case line, ok := <-w.lines:
		if ok {
			w.t.Errorf("unexpected: %s", line)
		}
	case <-time.After(d):
	}
}

// end closes stdin and returns how the bridge ended.
func (w *wire) end() error {
	w.t.Helper()
	w.in.Close()
	for {
		select {
		case <-w.lines:
		case err := <-w.ended:
			return err
		case <-time.After(soon.Limit):
			w.t.Fatal("the bridge did not end")
			return nil
		}
	}
}

const (
	hello       = `{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
)

// greet opens a session with sessions of its own.
func (w *wire) greet() string {
	w.t.Helper()
	w.send(hello)
	answer := w.expect(`"id":"hello"`)
	w.send(initialized)
	return answer
}

// meta is what a request of protocol 2026-07-28 carries.
const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"}}`

func modernCall(id, method, members string) string {
	if members != "" {
		members = "," + members
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":{%s%s}}`, id, method, meta, members)
}

// server is an HTTP server whose answers a test writes by hand.
func server(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL + "/mcp"
}

func body(r *http.Request) message {
	raw, _ := io.ReadAll(r.Body)
	return read(raw)
}

func answerJSON(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func answerEvents(w http.ResponseWriter, events ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, e := range events {
		_, _ = io.WriteString(w, e+"\n\n")
		_ = http.NewResponseController(w).Flush()
	}
}

// sandboxed starts a real server that wants no token.
func sandboxed(t testing.TB, o sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	o.Open = true
	box, err := sandbox.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	return box
}

// connect is the Go SDK's client on the other side of a bridge.
func connect(t testing.TB, up Upstream, o *mcp.ClientOptions, version string, change ...func(*Bridge)) *mcp.ClientSession {
	t.Helper()
	in, out, _ := pipes(t, up, change...)
	client := mcp.NewClient(&mcp.Implementation{Name: "t", Version: "1"}, o)
	session, err := client.Connect(soon.Context(t), &mcp.IOTransport{Reader: out, Writer: in}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func say(t testing.TB, s *mcp.ClientSession, text string) string {
	t.Helper()
	result, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": text}})
	if err != nil {
		t.Fatal(err)
	}
	return result.Content[0].(*mcp.TextContent).Text
}
