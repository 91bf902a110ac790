package sandbox_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func TestTools(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]sandbox.Options{"stateful": {}, "stateless": {Stateless: true}, "JSON": {JSONResponse: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, o)
			progress := make(chan float64, 10)
			session := connect(t, s.MCPURL(), &mcp.ClientOptions{
				ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada"}}, nil
				},
				CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
					return &mcp.CreateMessageResult{Role: "assistant", Model: "m", Content: &mcp.TextContent{Text: "a poem"}}, nil
				},
				ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
					progress <- r.Params.Progress
				},
			})
			for _, c := range []struct {
				tool string
				args map[string]any
				want string
			}{
				{"echo", map[string]any{"text": "hi"}, "hi"},
				{"add", map[string]any{"a": 1.5, "b": 2}, "3.5"},
				{"big", map[string]any{"bytes": 100}, strings.Repeat("x", 100)},
				{"notify", map[string]any{"steps": 2}, "done"},
				{"slow", nil, "done"},
			} {
				if got := call(t, session, c.tool, c.args); got != c.want {
					t.Errorf("%s = %q", c.tool, got)
				}
			}
			if name != "JSON" { // JSON answers cannot carry a server's request
				if got := call(t, session, "ask", map[string]any{"text": "who?"}); got != "accept Ada" {
					t.Errorf("ask = %q", got)
				}
				if got := call(t, session, "sample", map[string]any{"text": "write"}); got != "a poem" {
					t.Errorf("sample = %q", got)
				}
				p := &mcp.CallToolParams{Name: "slow", Arguments: map[string]any{"steps": 2}}
				p.SetProgressToken("p")
				if _, err := session.CallTool(soon.Context(t), p); err != nil {
					t.Fatal(err)
				}
				if a, b := soon.Receive(t, progress, "progress"), soon.Receive(t, progress, "more progress"); a+b != 3 {
					t.Errorf("progress %v %v", a, b)
				}
			}
			res, err := session.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "fail"})
			if err != nil || !res.IsError {
				t.Errorf("fail: %+v, %v", res, err)
			}
		})
	}
}

func TestStatelessSpeaksTheNewProtocol(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{Stateless: true})
	session := connect(t, s.MCPURL(), nil)
	call(t, session, "whoami", nil)
	for _, r := range s.Requests(sandbox.KindMCP) {
		if r.Method != http.MethodPost || r.Header.Get("Mcp-Protocol-Version") != "2026-07-28" || r.Header.Get("Mcp-Session-Id") != "" {
			t.Errorf("%s %v", r.Method, r.Header)
		}
	}
}

func TestOpenServer(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{Open: true})
	c := mcp.NewClient(&mcp.Implementation{Name: "t", Version: "1"}, nil)
	session, err := c.Connect(soon.Context(t), &mcp.StreamableClientTransport{Endpoint: s.MCPURL()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if got := call(t, session, "whoami", nil); got != "nobody" {
		t.Errorf("whoami = %q", got)
	}
	p := &party{t: t, s: s, client: s.Client()}
	p.want(p.prm().is(404, ""), "an open server has no metadata")
}

func TestCloseEndsCallsUnderWay(t *testing.T) {
	t.Parallel()
	for _, stateless := range []bool{false, true} {
		s := start(t, sandbox.Options{Stateless: stateless})
		session := connect(t, s.MCPURL(), nil)
		ctx, cancel := context.WithCancel(soon.Context(t))
		ended := make(chan error, 1)
		go func() {
			_, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "wait"})
			ended <- err
		}()
		if _, err := s.WaitFor(soon.Context(t), sandbox.KindMCP, func(r sandbox.Request) bool { return strings.Contains(string(r.Body), `"wait"`) }); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		cancel() // a client with a session would go on trying to resume its stream
		if err := soon.Receive(t, ended, "the end of the call"); err == nil {
			t.Error("wait answered")
		}
	}
}

func TestAnnounceReachesTheStream(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	told := make(chan struct{}, 10)
	session := connect(t, s.MCPURL(), &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { told <- struct{}{} },
	})
	if _, err := s.WaitFor(soon.Context(t), sandbox.KindMCP, func(r sandbox.Request) bool { return r.Method == http.MethodGet }); err != nil {
		t.Fatal(err)
	}
	call(t, session, "whoami", nil)
	s.Announce()
	soon.Receive(t, told, "the change of the list")
}

func TestClientLeavingIsSeen(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{Stateless: true})
	session := connect(t, s.MCPURL(), nil)
	ctx, cancel := context.WithCancel(soon.Context(t))
	waiting := func(r sandbox.Request) bool { return strings.Contains(string(r.Body), `"wait"`) }
	go func() {
		defer cancel()
		_, _ = s.WaitFor(ctx, sandbox.KindMCP, waiting)
	}()
	if _, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "wait"}); err == nil {
		t.Error("wait answered")
	}
	if _, err := s.WaitFor(soon.Context(t), sandbox.KindMCP, func(r sandbox.Request) bool { return waiting(r) && r.Canceled && r.Done }); err != nil {
		t.Error(err)
	}
}

func TestBreakAndForget(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	p.signIn()
	session := p.initialize().header.Get("Mcp-Session-Id")
	get := request(p, http.MethodGet, p.s.MCPURL(), "")
	get.Header = http.Header{"Authorization": {"Bearer " + p.access}, "Accept": {"text/event-stream"}, "Mcp-Session-Id": {session}}
	resp, err := p.client.Do(get)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()
	if n := p.s.Break(sandbox.KindMCP); n != 1 {
		t.Errorf("broke %d", n)
	}
	if _, err := io.ReadAll(resp.Body); !isLost(reply{err: err}) {
		t.Errorf("the stream ended with %v", err)
	}
	ping := func() reply {
		return p.send(http.MethodPost, p.s.MCPURL(), "application/json", `{"jsonrpc":"2.0","id":2,"method":"ping"}`,
			"Accept", "application/json, text/event-stream", "Authorization", "Bearer "+p.access, "Mcp-Session-Id", session)
	}
	p.want(ping().is(200, ""), "the session lives")
	p.s.ForgetSessions()
	p.want(ping().is(404, ""), "the session is gone")
}

func TestGetStreamFault(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	p.signIn()
	p.s.Set(func(f *sandbox.Faults) { f.GetStream = &sandbox.Stream{Events: 2} })
	p.want(p.get(p.s.MCPURL(), "Authorization", "Bearer "+p.access).is(200, "") && strings.Count(string(p.body), "data:") == 2, "GET")
	p.want(p.initialize().is(200, ""), "POST")
}

func TestEcho(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	p.signIn()
	p.want(p.get(p.s.EchoURL()).is(401, ""), "no token")
	r := p.send(http.MethodPut, p.s.EchoURL()+"/a%2Fb//c?q=1&q=%20", "text/plain", "hello", "Authorization", "Bearer "+p.access, "X-Odd_name", "v")
	var e sandbox.Echoed
	if err := json.Unmarshal(r.body, &e); err != nil {
		t.Fatal(err)
	}
	p.want(e.Method == "PUT" && e.RequestURI == "/mcp/echo/a%2Fb//c?q=1&q=%20" && e.BodyBytes == 5 && e.Length == 5 &&
		e.BodySHA256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" &&
		e.Header.Get("X-Odd_name") == "v" && "http://"+e.Host == p.s.Origin(), "echo")
}

func TestStreamURL(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	p.signIn()
	r := p.get(p.s.StreamURL(sandbox.Stream{Events: 3, IDs: true, Interval: time.Millisecond}), "Authorization", "Bearer "+p.access)
	p.want(r.is(200, "") && strings.Count(string(r.body), "id: ") == 3 && r.header.Get("Content-Type") == "text/event-stream", "stream")
	p.want(p.get(p.s.MCPURL()+"/stream?v=x", "Authorization", "Bearer "+p.access).is(400, ""), "bad query")
}

type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

func TestLegacyTransport(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "legacy-relative", "legacy-absolute"} {
		p := newParty(t, sandbox.Options{})
		p.register()
		p.trade(p.authorize("resource", p.s.LegacyURL()).Get("code"), "resource", p.s.LegacyURL())
		if name != "" {
			p.switchOn(name)
		}
		c := mcp.NewClient(&mcp.Implementation{Name: "t", Version: "1"}, nil)
		session, err := c.Connect(soon.Context(t), &mcp.SSEClientTransport{Endpoint: p.s.LegacyURL(), HTTPClient: &http.Client{Transport: bearer(p.access)}}, nil)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := call(t, session, "echo", map[string]any{"text": "old"}); got != "old" {
			t.Errorf("%s: echo = %q", name, got)
		}
		_ = session.Close()
	}
}
