package sandbox_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func start(t *testing.T, o sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

const redirectURI = "http://127.0.0.1:49152/callback"

// noFollow gives redirects back instead of following them.
var noFollow = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// visit plays the person's browser with a sandbox that approves by itself.
func visit(ctx context.Context, authorizeURL string) (url.Values, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizeURL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := noFollow.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	u, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	return u.Query(), nil
}

// connect signs in and connects with the SDK's own client and OAuth handler.
func connect(t *testing.T, target string, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	h, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		RedirectURL: redirectURI,
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			RedirectURIs: []string{redirectURI}, TokenEndpointAuthMethod: "none", ClientName: "SDK",
			GrantTypes: []string{"authorization_code", "refresh_token"}, ApplicationType: "native",
		}},
		AuthorizationCodeFetcher: func(ctx context.Context, a *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			q, err := visit(ctx, a.URL)
			return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o)
	session, err := c.Connect(soon.Context(t), &mcp.StreamableClientTransport{Endpoint: target, OAuthHandler: h}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// call calls a tool and returns its text.
func call(t *testing.T, session *mcp.ClientSession, tool string, args map[string]any) string {
	t.Helper()
	res, err := session.CallTool(soon.Context(t), &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Content) == 0 {
		t.Fatalf("%s: no content", tool)
	}
	return res.Content[0].(*mcp.TextContent).Text
}

func TestSDKClientSignsIn(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]sandbox.Options{
		"stateful":    {},
		"stateless":   {Stateless: true, JSONResponse: true},
		"issuer path": {IssuerPath: "/tenant/one"},
		"one origin":  {OneOrigin: true},
		"opaque":      {Opaque: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, o)
			session := connect(t, s.MCPURL(), nil)
			if got := call(t, session, "whoami", nil); got != "alice" {
				t.Errorf("whoami = %q", got)
			}
			if got := call(t, session, "add", map[string]any{"a": 2, "b": 3}); got != "5" {
				t.Errorf("add = %q", got)
			}
			token := s.Requests(sandbox.KindToken)
			if len(token) != 1 || token[0].Form.Get("resource") != s.MCPURL() || token[0].Status != 200 {
				t.Errorf("token requests: %+v", token)
			}
			if s.Count(sandbox.KindNotFound) != 0 {
				t.Errorf("asked at %v", s.Requests(sandbox.KindNotFound))
			}
		})
	}
}

// clock is a wall clock a test turns.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestForeignHostIsRefused(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	for _, address := range []string{p.s.MCPURL(), p.s.Issuer() + "/token", p.s.ElsewhereURL()} {
		req := request(p, http.MethodPost, address, "")
		req.Host = "evil.example"
		resp, err := p.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s: %d", address, resp.StatusCode)
		}
	}
	p.want(p.s.Count(sandbox.KindForeignHost) == 3 && p.s.Count(sandbox.KindToken) == 0, "log")
}

func TestElsewhereSeesAll(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	p.want(p.get(p.s.ElsewhereURL()+"/any/path?x=1", "Authorization", "Bearer leaked").is(200, ""), "elsewhere")
	got := p.s.Requests(sandbox.KindElsewhere)
	if len(got) != 1 || got[0].Path != "/any/path" || got[0].Header.Get("Authorization") != "Bearer leaked" {
		t.Errorf("%+v", got)
	}
}

func TestTLSSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{TLS: true})
	p.client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	p.signIn()
	p.want(p.initialize().is(200, ""), "MCP")
	last := p.s.Requests(sandbox.KindMCP)[0]
	p.want(last.Proto == "HTTP/2.0" && strings.HasPrefix(p.s.MCPURL(), "https://"), last.Proto)
	p.s.Set(func(f *sandbox.Faults) { f.Answer(sandbox.KindMCP, sandbox.Drop()) })
	p.want(p.initialize().err != nil, "stream reset")
}

func TestHoldLetsTestsDecide(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	gate := make(chan struct{})
	p.s.Set(func(f *sandbox.Faults) { f.Answer(sandbox.KindToken, sandbox.Answer{Hold: gate}) })
	ctx := soon.Context(t)
	go func() {
		_ = p.s.WaitCount(ctx, sandbox.KindToken, 1)
		close(gate)
	}()
	p.want(p.signIn().is(200, ""), "sign-in")
}

func TestFieldThatIsNotJSON(t *testing.T) {
	t.Parallel()
	p := newParty(t, sandbox.Options{})
	p.s.Set(func(f *sandbox.Faults) { f.Field(sandbox.KindMetadata, "issuer", "oops") })
	p.want(p.metadata().is(500, "") && strings.Contains(string(p.body), "not JSON"), "metadata")
	if p.s.Switch("no-such-switch") {
		t.Error("unknown switch")
	}
}

func TestBusyPort(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	u, _ := url.Parse(s.Origin())
	if _, err := sandbox.Start(t.Context(), sandbox.Options{Addr: u.Host}); err == nil {
		t.Error("started on a taken port")
	}
	if _, err := sandbox.Start(t.Context(), sandbox.Options{IssuerAddr: "0.0.0.0:0"}); err == nil {
		t.Error("started for the whole network")
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(soon.Context(t))
	s, err := sandbox.Start(ctx, sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Set(func(f *sandbox.Faults) { f.Answer(sandbox.KindPRM, sandbox.Hang()) })
	failed := make(chan error, 1)
	go func() {
		_, err := http.Get(s.Origin() + s.PRMPath("/mcp"))
		failed <- err
	}()
	if err := s.WaitCount(ctx, sandbox.KindPRM, 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if soon.Receive(t, failed, "the end of the request") == nil {
		t.Error("a hanging request was answered")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
