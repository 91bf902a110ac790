package stdio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func toolNames(t *testing.T, s *mcp.ClientSession) []string {
	t.Helper()
	list, err := s.ListTools(soon.Context(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	return names
}

func TestSignInWhileConnected(t *testing.T) {
	t.Parallel()
	for name, era := range eras {
		for _, version := range []string{era.version, modernVersion} {
			if strings.HasSuffix(name, "2026-07-28 JSON") || version == era.version && name == "2025-03-26" {
				continue
			}
			t.Run(name+" to a client of "+version, func(t *testing.T) {
				t.Parallel()
				box := sandboxed(t, era.options)
				url := box.MCPURL()
				if era.old {
					url = box.LegacyURL()
				}
				signInWhileConnected(t, box, url, version)
			})
		}
	}
}

func signInWhileConnected(t *testing.T, box *sandbox.Sandbox, url, version string) {
	up := newApp(signedOut)
	up.signIn = func(context.Context) (string, error) {
		up.become(ready(url))
		return "Signed in.", nil
	}
	changed := make(chan bool, 100)
	s := connect(t, up, &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- true },
	}, version)
	if got := s.InitializeResult(); got.ProtocolVersion != version || !strings.Contains(got.Instructions, "sign-in") {
		t.Errorf("met with %+v", got)
	}
	if got := toolNames(t, s); !slices.Equal(got, []string{"sign_in_to_test"}) {
		t.Errorf("tools %q", got)
	}
	for _, method := range []func() error{
		func() error { _, err := s.ListPrompts(soon.Context(t), nil); return err },
		func() error { _, err := s.ListResources(soon.Context(t), nil); return err },
		func() error { _, err := s.ListResourceTemplates(soon.Context(t), nil); return err },
	} {
		if err := method(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "echo"}); err == nil || !strings.Contains(err.Error(), "a sign-in is needed") {
		t.Errorf("a call meanwhile: %v", err)
	}
	result, err := s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "sign_in_to_test"})
	if err != nil || result.IsError {
		t.Fatalf("%+v %v", result, err)
	}
	if got := result.Content[0].(*mcp.TextContent).Text; got != "Signed in. Its tools are there now; list the tools again." {
		t.Errorf("the tool says %q", got)
	}
	if got := toolNames(t, s); !slices.Contains(got, "echo") {
		t.Errorf("tools %q", got)
	}
	if say(t, s, "hello") != "hello" {
		t.Error("no echo")
	}
	soon.Receive(t, changed, "that the client is told")
	result, err = s.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "sign_in_to_test"})
	if err != nil || result.IsError {
		t.Errorf("the tool afterwards: %+v %v", result, err)
	}
	announced(t, box, changed)
	up.become(signedOut)
	soon.Until(t, "the client is told of the sign-out", func() bool {
		soon.Receive(t, changed, "a change of the tools") // or one of before
		return slices.Equal(toolNames(t, s), []string{"sign_in_to_test"})
	})
}

func TestAppIsStartedLater(t *testing.T) {
	t.Parallel()
	box := sandboxed(t, sandbox.Options{})
	up := newApp(absent)
	w := dial(t, up)
	w.send(hello)
	if got := w.next(); !strings.Contains(got, `"protocolVersion":"2025-06-18"`) {
		t.Error(got)
	}
	w.send(initialized, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	w.expect("sign_in_to_test", "not running")
	w.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"sign_in_to_test"}}`)
	w.expect(`"id":2`, `"isError":true`)
	up.become(ready(box.MCPURL()))
	w.expect("notifications/tools/list_changed")
	w.expect("notifications/prompts/list_changed")
	w.expect("notifications/resources/list_changed")
	w.send(`{"jsonrpc":"2.0","id":3,"method":"tools/list"}`)
	w.expect(`"id":3`, `"whoami"`)
	if err := w.end(); err != nil {
		t.Error(err)
	}
}

func TestAppGoesAndComesBack(t *testing.T) {
	t.Parallel()
	box := sandboxed(t, sandbox.Options{})
	up := newApp(ready(box.MCPURL()))
	var bridge *Bridge
	s := connect(t, up, nil, latestSession, func(b *Bridge) { bridge = b })
	up.become(absent)
	soon.Until(t, "the bridge knows that the app is gone", func() bool { at, _ := bridge.link.now(); return at == nil })
	answer := make(chan string, 1)
	go func() { answer <- say(t, s, "held") }()
	select {
	case got := <-answer:
		t.Errorf("answered %q without the app", got)
	case <-time.After(100 * time.Millisecond):
	}
	up.become(ready(box.MCPURL() + "?moved=1"))
	if got := soon.Receive(t, answer, "the answer"); got != "held" {
		t.Errorf("answered %q", got)
	}
}

// A server that cannot be had yet does not lose the client, and is asked again.
func TestServerIsLate(t *testing.T) {
	t.Parallel()
	box := sandboxed(t, sandbox.Options{})
	var served atomic.Bool
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		if !served.Load() {
			m := body(r)
			answerJSON(w, http.StatusOK, string(failure{code: 31002, says: "sign-in under way", reason: "sign_in_running"}.answer("test", m.id)))
			return
		}
		r.URL.Path = "/mcp"
		forward(w, r, box.MCPURL())
	})
	for _, version := range []string{latestSession, modernVersion} {
		served.Store(false)
		changed := make(chan bool, 10)
		s := connect(t, newApp(ready(url)), &mcp.ClientOptions{
			ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- true },
		}, version)
		if got := toolNames(t, s); !slices.Equal(got, []string{"sign_in_to_test"}) {
			t.Errorf("tools %q", got)
		}
		served.Store(true)
		soon.Receive(t, changed, "the change of the list")
		if say(t, s, "x") != "x" {
			t.Error("no echo")
		}
	}
}

func forward(w http.ResponseWriter, r *http.Request, to string) {
	out, _ := http.NewRequestWithContext(r.Context(), r.Method, to, r.Body)
	out.Header = r.Header.Clone()
	answer, err := http.DefaultClient.Do(out)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	for k, v := range answer.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.StatusCode)
	buf := make([]byte, 4096)
	for {
		n, err := answer.Body.Read(buf)
		_, _ = w.Write(buf[:n])
		_ = http.NewResponseController(w).Flush()
		if err != nil {
			return
		}
	}
}

func TestUnknownProfile(t *testing.T) {
	t.Parallel()
	w := dial(t, newApp(Endpoint{State: Unknown, Says: "no such profile", Code: 31008, Reason: "profile_error"}))
	for n, line := range []string{hello, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, modernCall("2", methodDiscover, ""), `{"jsonrpc":"2.0","id":3,"method":"ping"}`} {
		w.send(line)
		if got := w.next(); !strings.Contains(got, `"code":31008`) {
			t.Errorf("%d: %s", n, got)
		}
	}
	if err := w.end(); !errors.Is(err, ErrUnknownProfile) {
		t.Errorf("ended with %v", err)
	}
}

// What the bridge promised stays true at a server that has less.
func TestPromisesAreKept(t *testing.T) {
	t.Parallel()
	url, _ := sessions(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"error":{"code":-32601,"message":"no"}}`)
	})
	for _, early := range []bool{true, false} {
		up := newApp(signedOut)
		if !early {
			up.become(ready(url))
		}
		w := dial(t, up)
		w.greet()
		if early {
			w.send(`{"jsonrpc":"2.0","id":"p","method":"ping"}`)
			w.expect(`"id":"p"`)
			up.become(ready(url))
			w.expect("list_changed")
		}
		for method := range empty {
			w.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%q,"method":%q}`, method, method))
			if got := w.expect(`"id":"` + method + `"`); strings.Contains(got, `"result"`) != early {
				t.Errorf("early %v: %s", early, got)
			}
		}
	}
}

func TestSignInCanBeCancelled(t *testing.T) {
	t.Parallel()
	up := newApp(signedOut)
	var once sync.Once
	began, ended := make(chan bool), make(chan bool)
	up.signIn = func(ctx context.Context) (string, error) {
		once.Do(func() { close(began) })
		<-ctx.Done()
		close(ended)
		return "", ctx.Err()
	}
	w := dial(t, up)
	w.greet()
	w.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"sign_in_to_test"}}`)
	soon.Receive(t, began, "the sign-in")
	w.send(`{"jsonrpc":"2.0","id":2,"method":"ping"}`)
	w.expect(`"id":2`)
	w.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	soon.Receive(t, ended, "the end of the sign-in")
	w.silent(50 * time.Millisecond)
}

func TestSettlingIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		up := newApp(Endpoint{State: Settling, Says: "starting"})
		w := dial(t, up, inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			answerJSON(w, http.StatusOK, sessionAnswer)
		}))
		w.send(hello)
		time.Sleep(settleTime - 1)
		if len(w.lines) != 0 {
			t.Errorf("it said %s", w.next())
		}
		up.become(ready("http://server.example/mcp"))
		if got := w.next(); got != sessionAnswer {
			t.Errorf("it said %s", got)
		}
	})
}
