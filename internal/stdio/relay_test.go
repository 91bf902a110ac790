package stdio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// eras are the kinds of servers there are.
var eras = map[string]struct {
	options sandbox.Options
	version string
	old     bool
}{
	"sessions":        {sandbox.Options{}, latestSession, false},
	"sessions, JSON":  {sandbox.Options{JSONResponse: true}, latestSession, false},
	"2025-03-26":      {sandbox.Options{}, "2025-03-26", false},
	"2026-07-28":      {sandbox.Options{Stateless: true}, modernVersion, false},
	"2026-07-28 JSON": {sandbox.Options{Stateless: true, JSONResponse: true}, modernVersion, false},
	"HTTP+SSE":        {sandbox.Options{}, "2024-11-05", true},
}

func eachEra(t *testing.T, parallel bool, run func(t *testing.T, box *sandbox.Sandbox, url, version string)) {
	for name, era := range eras {
		t.Run(name, func(t *testing.T) {
			if parallel {
				t.Parallel()
			}
			box := sandboxed(t, era.options)
			url := box.MCPURL()
			if era.old {
				url = box.LegacyURL()
			}
			run(t, box, url, era.version)
		})
	}
}

func TestRealClientAndServer(t *testing.T) {
	t.Parallel()
	eachEra(t, true, func(t *testing.T, _ *sandbox.Sandbox, url, version string) {
		s := connect(t, newApp(ready(url)), nil, version)
		if got := s.InitializeResult().ProtocolVersion; got != version && version != modernVersion {
			t.Errorf("negotiated %s, want %s", got, version)
		}
		if got := say(t, s, "hällo\n\u2028 <&>"); got != "hällo\n\u2028 <&>" {
			t.Errorf("echo said %q", got)
		}
	})
}

func TestDirectAndBridgedAreIdentical(t *testing.T) {
	t.Parallel()
	for _, version := range []string{latestSession, modernVersion} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			box := sandboxed(t, sandbox.Options{Stateless: version == modernVersion})
			client := mcp.NewClient(&mcp.Implementation{Name: "t", Version: "1"}, nil)
			direct, err := client.Connect(soon.Context(t), &mcp.StreamableClientTransport{Endpoint: box.MCPURL()}, &mcp.ClientSessionOptions{ProtocolVersion: version})
			if err != nil {
				t.Fatal(err)
			}
			defer direct.Close()
			bridged := connect(t, newApp(ready(box.MCPURL())), nil, version)
			ask := func(s *mcp.ClientSession) string {
				tools, err := s.ListTools(soon.Context(t), nil)
				if err != nil {
					t.Fatal(err)
				}
				failed, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "fail", Arguments: map[string]any{}})
				if err != nil {
					t.Fatal(err)
				}
				_, unknown := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "no such tool"})
				var rpc *jsonrpc.Error
				if !errors.As(unknown, &rpc) {
					t.Fatalf("an unknown tool gives %v", unknown)
				}
				text, _ := json.Marshal([]any{s.InitializeResult(), tools, failed, rpc})
				return string(text)
			}
			if a, b := ask(direct), ask(bridged); a != b {
				t.Errorf("direct:\n%s\nbridged:\n%s", a, b)
			}
		})
	}
}

func TestServerTalksToTheClient(t *testing.T) {
	t.Parallel()
	eachEra(t, true, func(t *testing.T, box *sandbox.Sandbox, url, version string) {
		if strings.HasSuffix(t.Name(), "2026-07-28_JSON") {
			t.Skip("the server does not stream in this mode")
		}
		changed, steps := make(chan bool, 100), make(chan string, 10)
		s := connect(t, newApp(ready(url)), &mcp.ClientOptions{
			ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
				return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ann"}}, nil
			},
			CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
				return &mcp.CreateMessageResult{Model: "m", Role: "assistant", Content: &mcp.TextContent{Text: "sampled"}}, nil
			},
			ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) {
				changed <- true
			},
			ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { steps <- r.Params.Message },
		}, version)
		if version >= "2025-06-18" {
			result, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "ask", Arguments: map[string]any{"text": "who?"}})
			if err != nil || result.Content[0].(*mcp.TextContent).Text != "accept Ann" {
				t.Errorf("ask: %+v %v", result, err)
			}
		}
		if result, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "sample", Arguments: map[string]any{"text": "x"}}); err != nil || result.Content[0].(*mcp.TextContent).Text != "sampled" {
			t.Errorf("sample: %+v %v", result, err)
		}
		call := &mcp.CallToolParams{Name: "slow", Arguments: map[string]any{"steps": 2}}
		call.SetProgressToken("p")
		if _, err := s.CallTool(soon.Context(t), call); err != nil {
			t.Error(err)
		}
		if got := soon.Receive(t, steps, "the progress"); got != "step 1 of 2" {
			t.Errorf("progress %q", got)
		}
		announced(t, box, changed)
	})
}

// announced waits until a change of the server's list of tools reaches the client. It is
// made again and again: the stream may still be on its way up.
func announced(t *testing.T, box *sandbox.Sandbox, changed <-chan bool) {
	t.Helper()
	soon.Until(t, "the change of the list arrives", func() bool {
		box.Announce()
		select {
		case <-changed:
			return true
		case <-time.After(200 * time.Millisecond):
			return false
		}
	})
}

func TestCancelReachesTheServer(t *testing.T) {
	t.Parallel()
	eachEra(t, true, func(t *testing.T, box *sandbox.Sandbox, url, version string) {
		s := connect(t, newApp(ready(url)), nil, version)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			_, err := s.CallTool(ctx, &mcp.CallToolParams{Name: "wait", Arguments: map[string]any{}})
			cancel()
			if err == nil {
				t.Error("the call was not cancelled")
			}
		}
		if say(t, s, "still here") != "still here" {
			t.Error("the session is gone")
		}
	})
}

func TestManyInterleavedCalls(t *testing.T) {
	t.Parallel()
	for _, version := range []string{latestSession, modernVersion} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			box := sandboxed(t, sandbox.Options{Stateless: version == modernVersion, JSONResponse: true})
			s := connect(t, newApp(ready(box.MCPURL())), nil, version)
			const workers, each = 50, 20
			var group sync.WaitGroup
			for w := range workers {
				group.Go(func() {
					for n := range each {
						text := fmt.Sprintf("%d/%d", w, n)
						if got := say(t, s, text); got != text {
							t.Errorf("%s came back as %s", text, got)
						}
					}
				})
			}
			group.Wait()
		})
	}
}

func TestHugeMessages(t *testing.T) {
	eachEra(t, false, func(t *testing.T, _ *sandbox.Sandbox, url, version string) {
		const size = huge
		w := dial(t, newApp(ready(url)))
		call := modernCall("1", "tools/call", fmt.Sprintf(`"name":"big","arguments":{"bytes":%d}`, size))
		if version != modernVersion {
			w.greet()
			call = strings.Replace(call, meta+",", "", 1)
		}
		w.send(call)
		if got := w.expect(`"id":1`); len(got) < size {
			t.Errorf("%d bytes came: %.300s", len(got), got)
		}
	})
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":`+string(m.params)+`}`)
	})
	w := dial(t, newApp(ready(url)))
	params := `{"text":"` + strings.Repeat("x", huge) + `"}`
	w.send(`{"jsonrpc":"2.0","id":1,"method":"m","params":` + params + `}`)
	if got := w.next(); got != `{"jsonrpc":"2.0","id":1,"result":`+params+`}` {
		t.Errorf("%d bytes came back", len(got))
	}
}

func TestSessionIsOpenedAgain(t *testing.T) {
	t.Parallel()
	box := sandboxed(t, sandbox.Options{})
	changed := make(chan bool, 100)
	s := connect(t, newApp(ready(box.MCPURL())), &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- true },
	}, latestSession)
	for range 3 {
		if say(t, s, "x") != "x" {
			t.Error("no echo")
		}
		box.ForgetSessions()
	}
	announced(t, box, changed)
}
