package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

type textIn struct {
	Text string `json:"text"`
}

// mcpTarget is an MCP server of the official SDK with tools that echo, that ask the
// person, and that wait until they are cancelled.
func mcpTarget(waits chan<- string) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "target", Version: "1"}, nil)
	says := func(text string) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
	}
	mcp.AddTool(s, &mcp.Tool{Name: "echo"}, func(_ context.Context, _ *mcp.CallToolRequest, in textIn) (*mcp.CallToolResult, any, error) {
		return says(in.Text)
	})
	mcp.AddTool(s, &mcp.Tool{Name: "ask"}, func(ctx context.Context, r *mcp.CallToolRequest, in textIn) (*mcp.CallToolResult, any, error) {
		answer, err := r.Session.Elicit(ctx, &mcp.ElicitParams{Message: in.Text, RequestedSchema: map[string]any{
			"type": "object", "properties": map[string]any{"said": map[string]any{"type": "string"}}}})
		if err != nil {
			return nil, nil, err
		}
		return says(fmt.Sprint(answer.Content["said"]))
	})
	mcp.AddTool(s, &mcp.Tool{Name: "wait"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ textIn) (*mcp.CallToolResult, any, error) {
		waits <- "started"
		<-ctx.Done()
		waits <- "cancelled"
		return nil, nil, ctx.Err()
	})
	return s
}

func connect(t testing.TB, transport mcp.Transport) (*mcp.ClientSession, error) {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"said": "re " + r.Params.Message}}, nil
		},
	})
	session, err := client.Connect(t.Context(), transport, nil)
	if err == nil {
		t.Cleanup(func() { session.Close() })
	}
	return session, err
}

func callTool(ctx context.Context, s *mcp.ClientSession, name, text string) (string, error) {
	answer, err := s.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: map[string]any{"text": text}})
	if err != nil {
		return "", err
	}
	return answer.Content[0].(*mcp.TextContent).Text, nil
}

func TestMCP(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]*mcp.StreamableHTTPOptions{
		"sessions, events":  {EventStore: mcp.NewMemoryEventStore(nil)},
		"sessions, JSON":    {JSONResponse: true},
		"stateless, events": {Stateless: true},
		"stateless, JSON":   {Stateless: true, JSONResponse: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := mcpTarget(nil)
			to := target(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, o).ServeHTTP)
			s := serve(t, to.URL+"/mcp")
			session, err := connect(t, &mcp.StreamableClientTransport{Endpoint: s.url("/mcp")})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 20 {
				want := fmt.Sprint("text ", i, strings.Repeat("ü", i*1000))
				if got, err := callTool(soon.Context(t), session, "echo", want); err != nil || got != want {
					t.Fatalf("got %.40q, %v", got, err)
				}
			}
			if tools, err := session.ListTools(soon.Context(t), nil); err != nil || len(tools.Tools) != 3 {
				t.Errorf("got %v, %v", tools, err)
			}
		})
	}
}

func TestMCPLegacy(t *testing.T) {
	t.Parallel()
	server := mcpTarget(nil)
	to := target(t, mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return server }, nil).ServeHTTP)
	s := serve(t, to.URL+"/sse")
	session, err := connect(t, &mcp.SSEClientTransport{Endpoint: s.url("/sse")})
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"echo", "ask"} {
		if got, err := callTool(soon.Context(t), session, tool, "x"); err != nil || !strings.HasSuffix(got, "x") {
			t.Errorf("%s: %q, %v", tool, got, err)
		}
	}
}

// Elicitation makes the server answer one POST while another is being sent, which
// loses calls in proxies that stream request bodies (golang/go#40747).
func TestElicitationLosesNothing(t *testing.T) {
	t.Parallel()
	server := mcpTarget(nil)
	to := target(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil).ServeHTTP)
	s := serve(t, to.URL+"/mcp")
	calls := 1200
	if testing.Short() {
		calls = 200
	}
	const clients = 8
	var next, answered atomic.Int64
	var all sync.WaitGroup
	for range clients {
		session, err := connect(t, &mcp.StreamableClientTransport{Endpoint: s.url("/mcp")})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(calls) {
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), soon.Limit)
				got, err := callTool(ctx, session, "ask", fmt.Sprint(n))
				cancel()
				if err != nil || got != fmt.Sprint("re ", n) {
					t.Errorf("call %d: %q, %v", n, got, err)
					continue
				}
				answered.Add(1)
			}
		})
	}
	all.Wait()
	if n := answered.Load(); n != int64(calls) {
		t.Errorf("%d of %d calls were answered", n, calls)
	}
}

// What the person reads when the profile is not signed in: the sentence with what to
// do, both when the client connects and in the middle of a session.
func TestSignedOutClientShowsTheSentence(t *testing.T) {
	t.Parallel()
	server := mcpTarget(nil)
	to := target(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil).ServeHTTP)
	var out atomic.Bool
	s := serve(t, to.URL+"/mcp", func(o *Options) {
		o.Tokens = &tokens{get: func(context.Context) (oauth.Token, error) {
			if out.Load() {
				return oauth.Token{}, signedOut
			}
			return oauth.Token{Value: token}, nil
		}}
	})
	session, err := connect(t, &mcp.StreamableClientTransport{Endpoint: s.url("/mcp")})
	if err != nil {
		t.Fatal(err)
	}
	out.Store(true)
	if _, err := callTool(soon.Context(t), session, "echo", "x"); err == nil || !strings.Contains(err.Error(), signedOut.Action) {
		t.Errorf("a call says %v", err)
	}
	out.Store(false)
	if got, err := callTool(soon.Context(t), session, "echo", "again"); err != nil || got != "again" {
		t.Errorf("signed in again, the session says %q, %v", got, err)
	}
	out.Store(true)
	if _, err := connect(t, &mcp.StreamableClientTransport{Endpoint: s.url("/mcp")}); err == nil || !strings.Contains(err.Error(), signedOut.Action) {
		t.Errorf("connecting says %v", err)
	}
}

func TestUnreachableClientShowsTheSentence(t *testing.T) {
	t.Parallel()
	s := serve(t, "http://127.0.0.1:1/mcp", func(o *Options) {
		o.Tokens = never(&oauth.Error{Code: status.IDPUnavailable, Summary: "the provider is away", Action: "Wait for it"})
	})
	_, err := connect(t, &mcp.StreamableClientTransport{Endpoint: s.url("/mcp")})
	if err == nil || !strings.Contains(err.Error(), "the provider is away") {
		t.Errorf("got %v", err)
	}
}

// In protocol 2026-07-28 closing the request is how a client cancels.
func TestCancelReachesTheTool(t *testing.T) {
	t.Parallel()
	waits := make(chan string, 2)
	server := mcpTarget(waits)
	to := target(t, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true}).ServeHTTP)
	s := serve(t, to.URL+"/mcp")
	session, err := connect(t, &mcp.StreamableClientTransport{Endpoint: s.url("/mcp")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-waits
		cancel()
	}()
	if _, err := callTool(ctx, session, "wait", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	soon.Receive(t, waits, "that the tool is cancelled")
}
