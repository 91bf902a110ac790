package stdio

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// mute is an app that never says anything.
type mute struct{}

func (mute) Watch(ctx context.Context) iter.Seq[Endpoint] {
	return func(func(Endpoint) bool) { <-ctx.Done() }
}

func (mute) SignIn(context.Context) (string, bool, error) { return "", false, nil }

// Clients give a server a few seconds; one is enough, whatever the app does.
func TestFirstAnswerIsQuick(t *testing.T) {
	t.Parallel()
	at := func(e Endpoint) func() Upstream { return func() Upstream { return newApp(e) } }
	for name, up := range map[string]func() Upstream{
		"signed out": at(signedOut), "not running": at(absent), "starting": at(Endpoint{State: Settling, Says: "starting", Code: 31019}),
		"hanging": func() Upstream { return mute{} },
	} {
		for _, line := range []string{hello, modernCall(`"hello"`, methodDiscover, "")} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := dial(t, up())
					began := time.Now()
					w.send(line)
					got := w.expect(`"id":"hello"`, `"result"`, "sign_in_to_test")
					if took := time.Since(began); took > time.Second {
						t.Errorf("it took %s", took)
					}
					if says := text(member([]byte(got), "result", "instructions")); strings.HasPrefix(says, ".") || strings.Contains(says, "..") {
						t.Errorf("it says %q", says)
					}
					w.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"other"}}`)
					if got := w.expect(`"id":2`, `"error"`); strings.Contains(got, `"code":0`) {
						t.Error(got)
					}
				})
			})
		}
	}
}

// The sign-in is done and the server is not to be had: the client's person is told that,
// and the tool tries again.
func TestServerIsDownAfterTheSignIn(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"refused": func(w http.ResponseWriter, r *http.Request) {
			answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(body(r).id)+`,"error":{"code":-32602,"message":"Unsupported protocol version"}}`)
		},
		"unreachable": func(w http.ResponseWriter, r *http.Request) {
			f := failure{code: 31005, says: "test (host): no answer. Check the network. (ref 1)", action: "Check the network", reason: "upstream_unreachable"}
			answerJSON(w, http.StatusBadGateway, string(f.answer("test", body(r).id)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var up atomic.Bool
			box := sandboxed(t, sandbox.Options{})
			url := server(t, func(w http.ResponseWriter, r *http.Request) {
				if up.Load() {
					forward(w, r, box.MCPURL())
					return
				}
				refuse(w, r)
			})
			app := newApp(signedOut)
			app.signIn = func(context.Context) (string, error) { t.Error("a sign-in was started"); return "", nil }
			w := dial(t, app)
			w.greet()
			app.become(ready(url))
			for deadline := time.Now().Add(soon.Limit); ; {
				w.send(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
				if got := w.expect(`"id":1`); strings.Contains(got, "tries it again") && !strings.Contains(got, "sign-in is needed") {
					if strings.Count(got, "Check the network") > 1 {
						t.Errorf("it repeats itself: %s", got)
					}
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("it does not say what is wrong")
				}
			}
			up.Store(true)
			w.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"sign_in_to_test"}}`)
			var tools, answer bool
			for !tools || !answer {
				got := w.next()
				tools = tools || strings.Contains(got, "tools/list_changed")
				answer = answer || strings.Contains(got, `"id":2`) && strings.Contains(got, "test is there")
			}
			w.send(`{"jsonrpc":"2.0","id":3,"method":"tools/list"}`)
			w.expect(`"id":3`, "whoami")
		})
	}
}

// The server comes while the client is between its two greetings.
func TestServerComesBetweenTheGreetings(t *testing.T) {
	t.Parallel()
	asked, release := make(chan bool, 1), make(chan bool)
	url, log := sessions(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		if m.kind == request {
			answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{"by":"it"}}`)
			return
		}
		w.WriteHeader(http.StatusMethodNotAllowed)
	})
	slow := server(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- true:
			<-release
		default:
		}
		forward(w, r, url)
	})
	app := newApp(signedOut)
	w := dial(t, app)
	w.send(hello)
	w.expect(`"id":"hello"`)
	app.become(ready(slow))
	soon.Receive(t, asked, "the opening of the session")
	w.send(initialized)
	w.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}`) // comes after it
	close(release)
	log.await(t, "POST notifications/initialized session=s1 version=2025-03-26")
	log.await(t, "GET session=s1 version=2025-03-26 last= accept=text/event-stream")
	w.send(`{"jsonrpc":"2.0","id":1,"method":"m"}`)
	w.expect(`"id":1`, `"by":"it"`)
}

// Who signs in after a sign-out may be somebody else, and gets a session of their own.
func TestSignOutEndsTheSession(t *testing.T) {
	t.Parallel()
	var sessions atomic.Int32
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		switch {
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case m.method == methodInitialize:
			if string(m.raw) != hello {
				t.Errorf("the server was told %s", m.raw)
			}
			w.Header().Set("Mcp-Session-Id", fmt.Sprint("s", sessions.Add(1)))
			answerJSON(w, http.StatusOK, sessionAnswer)
		case m.kind == request:
			answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{"by":"`+r.Header.Get("Mcp-Session-Id")+`"}}`)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})
	app := newApp(ready(url))
	w := dial(t, app)
	w.greet()
	w.send(`{"jsonrpc":"2.0","id":1,"method":"m"}`)
	w.expect(`"id":1`, `"by":"s1"`)
	app.become(absent) // the app is restarted: the same sign-in, the same session
	app.become(ready(url + "?new"))
	w.send(`{"jsonrpc":"2.0","id":2,"method":"m"}`)
	w.expect(`"id":2`, `"by":"s1"`)
	app.become(signedOut)
	w.expect("tools/list_changed")
	w.send(`{"jsonrpc":"2.0","id":3,"method":"m"}`)
	w.expect(`"id":3`, "31001", "test: a sign-in is needed. Sign in.")
	app.become(ready(url))
	w.expect("tools/list_changed")
	w.send(`{"jsonrpc":"2.0","id":4,"method":"m"}`)
	w.expect(`"id":4`, `"by":"s2"`)
}

// A profile that is taken away and given back.
func TestProfileIsRemovedAndComesBack(t *testing.T) {
	t.Parallel()
	box := sandboxed(t, sandbox.Options{})
	app := newApp(ready(box.MCPURL()))
	changed := make(chan bool, 100)
	s := connect(t, app, &mcp.ClientOptions{ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { changed <- true }}, latestSession)
	say(t, s, "x")
	app.become(Endpoint{State: Unknown, Says: "no such profile", Code: 31008, Reason: "profile_error"})
	<-changed
	if _, err := s.ListTools(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "no such profile") {
		t.Errorf("the list: %v", err)
	}
	app.become(ready(box.MCPURL()))
	soon.Receive(t, changed, "the change of the list")
	say(t, s, "x")
}

// A client of protocol 2026-07-28 whose server has sessions: what it cancels is cancelled there.
func TestAdaptedCallIsCancelled(t *testing.T) {
	t.Parallel()
	cancelled := make(chan string, 1)
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		switch {
		case r.Method != http.MethodPost, m.method == methodDiscover:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case m.method == methodInitialize:
			w.Header().Set("Mcp-Session-Id", "s1")
			answerJSON(w, http.StatusOK, strings.Replace(sessionAnswer, `"hello"`, string(m.id), 1))
		case m.method == methodCancelled:
			cancelled <- r.Header.Get("Mcp-Session-Id") + string(m.raw)
			w.WriteHeader(http.StatusAccepted)
		case m.method == methodInitialized:
			w.WriteHeader(http.StatusAccepted)
		case m.method == "ping":
			answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{}}`)
		default:
			answerEvents(w, `data: {"jsonrpc":"2.0","method":"notifications/progress"}`)
			<-r.Context().Done()
		}
	})
	app := newApp(signedOut)
	w := dial(t, app)
	w.send(modernCall("1", methodDiscover, ""))
	w.expect(`"id":1`, "sign_in_to_test")
	w.send(modernCall(`"L"`, methodListen, `"notifications":{"toolsListChanged":true}`))
	w.expect(methodAck)
	app.become(ready(url))
	w.expect("tools/list_changed")
	w.send(modernCall("2", "tools/call", `"name":"x"`))
	w.expect("notifications/progress")
	w.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{` + meta + `,"requestId":2}}`)
	if got := soon.Receive(t, cancelled, "the cancellation"); got != `s1{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"_meta":{},"requestId":2}}` {
		t.Errorf("the server was told %s", got)
	}
	w.send(modernCall("3", "ping", ""))
	w.expect(`"id":3`, "result")
}

// Some clients of protocol 2026-07-28 ask server/discover of another process than they
// then talk to. The server behind has sessions; that must not show.
func TestDiscoveredByAnotherProcess(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{true, false} {
		box := sandboxed(t, sandbox.Options{})
		app := newApp(ready(box.MCPURL()))
		if early {
			app.become(signedOut)
		}
		w := dial(t, app)
		if early {
			w.send(modernCall("1", methodTools, ""))
			w.expect(`"id":1`, "sign_in_to_test")
		}
		w.send(modernCall(`"L"`, methodListen, `"notifications":{"toolsListChanged":true}`))
		if early {
			w.expect(methodAck)
			app.become(ready(box.MCPURL()))
			if got := w.next(); got != string(tagged("notifications/tools/list_changed", []byte(`"L"`), "")) {
				t.Errorf("told %s", got)
			}
		}
		w.send(modernCall("2", "tools/call", `"name":"echo","arguments":{"text":"hello"}`))
		w.expect(`"id":2`, `"text":"hello"`)
		w.send(modernCall("3", "no/such/method", ""))
		w.expect(`"id":3`, `"error"`)
	}
	// Who asked it here was told, and begins again with initialize.
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		if m.method == methodInitialize {
			t.Error("a session was opened")
		}
		answerJSON(w, http.StatusBadRequest, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}`)
	})
	w := dial(t, newApp(ready(url)))
	w.send(modernCall("1", methodDiscover, ""))
	w.expect(`"id":1`, "-32000")
	w.send(modernCall("2", methodTools, ""))
	w.expect(`"id":2`, "-32000")
}
