package stdio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

const sessionAnswer = `{"jsonrpc":"2.0","id":"hello","result":{"protocolVersion":"2025-03-26","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"s","version":"1"}}}`

// seen is what a handwritten server got.
type seen struct {
	mu  sync.Mutex
	all []string
}

func (s *seen) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, fmt.Sprintf(format, args...))
}

func (s *seen) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// await waits for another goroutine's entry, which has no channel.
func (s *seen) await(t *testing.T, want string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("there is %q", s.list())
		}
	}()
	soon.Until(t, "there is "+want, func() bool { return slices.Contains(s.list(), want) })
}

// sessions is a handwritten server with one session; other is what it does with the rest.
func sessions(t *testing.T, other http.HandlerFunc) (string, *seen) {
	log, h := sessionsOf(other)
	return server(t, h), log
}

func sessionsOf(other http.HandlerFunc) (*seen, http.HandlerFunc) {
	log := &seen{}
	return log, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			raw, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(raw)))
			m := read(raw)
			log.add("POST %s session=%s version=%s", m.method, r.Header.Get("Mcp-Session-Id"), r.Header.Get("MCP-Protocol-Version"))
			switch m.method {
			case methodInitialize:
				w.Header().Set("Mcp-Session-Id", "s1")
				answerJSON(w, http.StatusOK, sessionAnswer)
				return
			case methodInitialized:
				w.WriteHeader(http.StatusAccepted)
				return
			}
		} else {
			log.add("%s session=%s version=%s last=%s accept=%s", r.Method, r.Header.Get("Mcp-Session-Id"),
				r.Header.Get("MCP-Protocol-Version"), r.Header.Get("Last-Event-ID"), r.Header.Get("Accept"))
		}
		other(w, r)
	}
}

func TestB1LaterLinesWaitForInitialize(t *testing.T) {
	t.Parallel()
	order, release := &seen{}, make(chan struct{})
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		if m.method == methodInitialize || m.method == methodInitialized {
			<-release
		}
		order.add("%s%s", r.Method, m.method)
		if m.kind == request {
			answerJSON(w, http.StatusOK, strings.Replace(sessionAnswer, `"hello"`, string(m.id), 1))
		} else {
			w.WriteHeader(http.StatusAccepted)
		}
	})
	w := dial(t, newApp(ready(url)))
	w.send(hello, initialized, `{"jsonrpc":"2.0","id":2,"method":"ping"}`)
	w.silent(100 * time.Millisecond)
	close(release)
	w.expect(`"id":2`)
	posts := slices.DeleteFunc(order.list(), func(s string) bool { return s == "GET" })
	if want := []string{"POSTinitialize", "POSTnotifications/initialized", "POSTping"}; !slices.Equal(posts, want) {
		t.Errorf("order %q, want %q", posts, want)
	}
}

func TestB1AnswersInAnyOrder(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		if string(m.id) == "1" {
			<-release
		}
		answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{}}`)
	})
	w := dial(t, newApp(ready(url)))
	w.send(`{"jsonrpc":"2.0","id":1,"method":"m"}`, `{"jsonrpc":"2.0","id":2,"method":"m"}`)
	if first := w.next(); !strings.Contains(first, `"id":2`) {
		t.Errorf("first came %s", first)
	}
	close(release)
	w.expect(`"id":1`)
}

func TestB2FailuresBecomeErrorsWithTheID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind, body string
		status           int
		want             []string
	}{
		{"an error without an id", typeJSON, `{"jsonrpc":"2.0","error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}}`, 400,
			[]string{`"id":"a"`, `"code":-32022`, `"supported":["2026-07-28"]`}},
		{"an error with id null", typeJSON, "{\"jsonrpc\":\"2.0\",\n\"id\":null,\"error\":{\"code\":-32601,\"message\":\"no\"}}", 404, []string{`"id":"a"`, `-32601`}},
		{"a page", "text/html", `<html>`, 500, []string{`"id":"a"`, `-32603`, `500`}},
		{"nothing", "", ``, 502, []string{`"id":"a"`, `-32603`, `502`}},
		{"200 with nothing", typeJSON, ``, 200, []string{`"id":"a"`, `-32603`}},
		{"202 to a request", typeJSON, ``, 202, []string{`"id":"a"`, `-32603`}},
		{"200 with a page", "text/html", `<html>`, 200, []string{`"id":"a"`, `-32603`, "text/html"}},
		{"200 with half an answer", typeJSON, `{"jsonrpc":"2.0","id":"a"`, 200, []string{`"id":"a"`, `-32603`}},
		{"200 with a string", typeJSON, `"x"`, 200, []string{`"id":"a"`, `-32603`}},
		{"a redirect", "", ``, 307, []string{`"id":"a"`, `-32603`, `307`}},
		{"another's answer", typeJSON, `{"jsonrpc":"2.0","id":"b","result":{}}`, 200, []string{`"id":"a"`, `-32603`}},
		{"an event that is no JSON", typeEvents, "data: x\n\n", 200, []string{`"id":"a"`, `-32603`}},
		{"an answer without an id", typeJSON, `{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"x"}}`, 200, []string{`"id":"a"`, `"code":-1`}},
	} {
		for _, line := range []string{`{"jsonrpc":"2.0","id":"a","method":"m"}`, modernCall(`"a"`, "m", "")} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				url := server(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", c.kind)
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.body)
				})
				w := dial(t, newApp(ready(url)))
				w.send(`{"jsonrpc":"2.0","method":"notifications/x"}`, line)
				got := w.next()
				for _, want := range c.want {
					if !strings.Contains(got, want) {
						t.Errorf("%s\nlacks %s", got, want)
					}
				}
				w.silent(20 * time.Millisecond)
			})
		}
	}
}

func TestB2ListenerIsGone(t *testing.T) {
	t.Parallel()
	w := dial(t, newApp(ready("http://127.0.0.1:1/mcp")))
	w.send(`{"jsonrpc":"2.0","id":7,"method":"m"}`)
	w.expect(`"id":7`, `-32603`, `"source":"mcpauth-tray"`, "Try again")
}

func TestB3EraByMessage(t *testing.T) {
	t.Parallel()
	url, log := sessions(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		log := r.Header.Get("Mcp-Method") + r.Header.Get("Mcp-Session-Id")
		answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{"got":"`+log+`"}}`)
	})
	_ = log
	w := dial(t, newApp(ready(url)))
	w.send(modernCall("1", "tools/list", ""))
	w.expect(`"got":"tools/list"`)
	w.greet()
	w.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
	w.expect(`"got":"s1"`)
}

func TestB4B5SessionHeaders(t *testing.T) {
	t.Parallel()
	url, log := sessions(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		if got := r.Header.Get("Accept"); got != "application/json, text/event-stream" {
			t.Errorf("Accept: %s", got)
		}
		answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":1,"result":{}}`)
	})
	w := dial(t, newApp(ready(url)))
	w.greet()
	w.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	w.expect(`"id":1`)
	for _, want := range []string{
		"POST initialize session= version=", "POST notifications/initialized session=s1 version=2025-03-26",
		"POST ping session=s1 version=2025-03-26", "GET session=s1 version=2025-03-26 last= accept=text/event-stream",
	} {
		log.await(t, want)
	}
	// B10, and B6: 405 means that there is no stream.
	if err := w.end(); err != nil {
		t.Error(err)
	}
	all := log.list()
	if !slices.Contains(all, "DELETE session=s1 version=2025-03-26 last= accept=") {
		t.Errorf("no DELETE in %q", all)
	}
	if n := len(slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, "GET") })); n != 1 {
		t.Errorf("%d GETs", n)
	}
}

func TestB6StreamIsResumed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const wish = 300 * time.Millisecond
		var gets []time.Time
		log, serve := sessionsOf(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				return
			}
			gets = append(gets, time.Now())
			n := len(gets)
			answerEvents(w, fmt.Sprintf("retry: %d\nid: e%d\ndata:", wish.Milliseconds(), n), fmt.Sprintf("id: f%d\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"method\":\"notifications/n%d\"}", n, n))
			if n == 2 {
				<-r.Context().Done()
			}
		})
		w := dial(t, newApp(ready("http://server.example/mcp")), inMemory(t, serve))
		w.greet()
		if got := w.next(); got != `{"jsonrpc":"2.0","method":"notifications/n1"}` {
			t.Errorf("got %s", got)
		}
		w.expect("notifications/n2")
		synctest.Wait()
		if want := "GET session=s1 version=2025-03-26 last=f1 accept=text/event-stream"; !slices.Contains(log.list(), want) {
			t.Errorf("no %q in %q", want, log.list())
		}
		if pause := gets[1].Sub(gets[0]); pause != wish {
			t.Errorf("the stream was asked for again after %s", pause)
		}
	})
}

func TestB7AnswerIsResumed(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"id: p1\n", ""} {
		url, log := sessions(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				answerEvents(w, id+"retry: 200\ndata:")
			case r.Header.Get("Last-Event-ID") == "p1":
				answerEvents(w, "id: p2\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"late\":true}}")
			default:
				w.WriteHeader(http.StatusMethodNotAllowed)
			}
		})
		w := dial(t, newApp(ready(url)))
		w.greet()
		w.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`)
		if id == "" {
			w.expect(`"id":1`, "-32603")
			continue
		}
		w.expect(`"late":true`)
		log.await(t, "GET session=s1 version=2025-03-26 last=p1 accept=text/event-stream")
	}
}

func TestB8ServerAsksTheClient(t *testing.T) {
	t.Parallel()
	answered := make(chan string, 1)
	url, _ := sessions(t, func(w http.ResponseWriter, r *http.Request) {
		switch m := body(r); {
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case m.kind == response:
			answered <- string(m.raw)
			w.WriteHeader(http.StatusAccepted)
		default:
			answerEvents(w, `data: {"jsonrpc":"2.0","id":"hello","method":"sampling/createMessage"}`)
			select {
			case <-answered:
			case <-r.Context().Done():
			}
			answerEvents(w, `data: {"jsonrpc":"2.0","id":1,"result":{}}`)
		}
	})
	w := dial(t, newApp(ready(url)))
	w.greet()
	w.send(`{"jsonrpc":"2.0","id":1,"method":"m"}`)
	w.expect("sampling/createMessage")
	w.send(`{"jsonrpc":"2.0","id":"hello","result":{}}`)
	w.expect(`"id":1`)
}

func TestB9SessionIsRestored(t *testing.T) {
	t.Parallel()
	for _, refusal := range []struct {
		status int
		body   string
	}{
		{404, ""},
		{404, `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}`},
		{400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}`},
	} {
		log := &seen{}
		var mu sync.Mutex
		session := 0
		url := server(t, func(w http.ResponseWriter, r *http.Request) {
			m := body(r)
			mu.Lock()
			defer mu.Unlock()
			if m.method == methodInitialize {
				session++
				w.Header().Set("Mcp-Session-Id", fmt.Sprint("s", session))
				answerJSON(w, http.StatusOK, sessionAnswer)
				return
			}
			log.add("%s%s %s", r.Method, m.method, r.Header.Get("Mcp-Session-Id"))
			switch {
			case r.Method != http.MethodPost:
				w.WriteHeader(http.StatusMethodNotAllowed)
			case m.method == "forget" && session == 1, session == 1 && len(log.list()) > 5:
				answerJSON(w, refusal.status, refusal.body)
			case m.kind == request:
				answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{}}`)
			default:
				w.WriteHeader(http.StatusAccepted)
			}
		})
		w := dial(t, newApp(ready(url)))
		w.greet()
		w.send(`{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"info"}}`)
		w.expect(`"id":1`)
		w.send(`{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"a"}}`)
		w.expect(`"id":2`)
		w.send(`{"jsonrpc":"2.0","id":3,"method":"forget"}`)
		w.expect(`"id":3`, `"result"`)
		for _, want := range []string{"POSTnotifications/initialized s2", "POSTlogging/setLevel s2", "POSTresources/subscribe s2", "POSTforget s2"} {
			log.await(t, want)
		}
		w.silent(20 * time.Millisecond)
	}
}

func TestB9OnlyOnce(t *testing.T) {
	t.Parallel()
	url, _ := sessions(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotFound) })
	w := dial(t, newApp(ready(url)))
	w.greet()
	w.send(`{"jsonrpc":"2.0","id":1,"method":"m"}`)
	w.expect(`"id":1`, "404")
}

func TestB10DrainAtTheEnd(t *testing.T) {
	t.Parallel()
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		time.Sleep(200 * time.Millisecond) // the server's work
		answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{}}`)
	})
	w := dial(t, newApp(ready(url)))
	for n := range 10 {
		w.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"m"}`, n))
	}
	w.in.Close()
	for range 10 {
		w.expect(`"result"`)
	}
	if err := w.end(); err != nil {
		t.Error(err)
	}
}

func TestB10HangingCallsAreGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		left := make(chan bool, 1)
		w := dial(t, newApp(ready("http://server.example/mcp")), inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			_ = body(r)
			<-r.Context().Done()
			left <- true
		}))
		w.send(`{"jsonrpc":"2.0","id":1,"method":"m"}`)
		synctest.Wait()
		began := time.Now()
		if err := w.end(); err != nil || time.Since(began) != drainTime {
			t.Errorf("ended with %v after %s", err, time.Since(began))
		}
		<-left
	})
}

func TestB11Batch(t *testing.T) {
	t.Parallel()
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(raw), "fail"):
			w.WriteHeader(http.StatusInternalServerError)
		default:
			answerJSON(w, http.StatusOK, `[{"jsonrpc":"2.0","id":2,"result":{}}, {"jsonrpc":"2.0","id":1,"result":{}}]`)
		}
	})
	w := dial(t, newApp(ready(url)))
	w.send(`[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","method":"n"},{"jsonrpc":"2.0","id":2,"method":"b"}]`)
	if got := w.next(); got != `[{"jsonrpc":"2.0","id":2,"result":{}}, {"jsonrpc":"2.0","id":1,"result":{}}]` {
		t.Errorf("got %s", got)
	}
	w.send(`[{"jsonrpc":"2.0","id":3,"method":"fail"},{"jsonrpc":"2.0","id":4,"method":"b"}]`)
	w.expect(`"id":3`, "-32603")
	w.expect(`"id":4`, "-32603")
	if err := w.end(); err != nil {
		t.Error(err)
	}
}

func TestB12ModernHeaders(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			t.Errorf("%s at a server without sessions", r.Method)
			return
		}
		m := body(r)
		got <- r.Header
		w.Header().Set("Mcp-Session-Id", "not for us")
		answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{}}`)
	})
	w := dial(t, newApp(ready(url)))
	for _, c := range []struct{ method, members, name string }{
		{"tools/call", `"name":"echo"`, "echo"},
		{"prompts/get", `"name":"a \u00e4"`, "=?base64?YSDDpA==?="},
		{"resources/read", `"uri":"file:///x"`, "file:///x"},
		{"tasks/get", `"taskId":"t 1"`, "t 1"},
		{"tools/call", `"name":" x"`, "=?base64?IHg=?="},
		{"tools/call", `"name":"=?base64?x?="`, "=?base64?PT9iYXNlNjQ/eD89?="},
		{"tools/list", ``, ""},
	} {
		w.send(modernCall("1", c.method, c.members))
		w.expect(`"id":1`)
		h := soon.Receive(t, got, "the headers")
		if h.Get("Mcp-Method") != c.method || h.Get("Mcp-Name") != c.name || h.Get("MCP-Protocol-Version") != modernVersion || h.Get("Mcp-Session-Id") != "" {
			t.Errorf("%s %s: %v", c.method, c.members, h)
		}
	}
	w.send(`{"jsonrpc":"2.0","id":9,"result":{}}`) // never an answer of the client
	if err := w.end(); err != nil {
		t.Error(err)
	}
	select {
	case h := <-got:
		t.Errorf("posted: %v", h)
	default:
	}
}

const annotated = `{"name":"t","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},` +
	`"deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}},"on":{"type":"boolean","x-mcp-header":"On"}}}}`

func TestB13ParamHeaders(t *testing.T) {
	t.Parallel()
	const bad = `{"name":"bad","inputSchema":{"properties":{"x":{"type":"number","x-mcp-header":"X"}}}}`
	calls := &seen{}
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		h := r.Header
		switch {
		case m.method == methodTools && m.param("cursor") == nil:
			calls.add("list")
			answerJSON(w, 200, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{"tools":[{"name":"plain"}, `+bad+`],"nextCursor":"2"}}`)
		case m.method == methodTools:
			answerJSON(w, 200, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{"tools":[ `+annotated+` ],"x":1.0}}`)
		case h.Get("Mcp-Param-Region") == "":
			answerJSON(w, 400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"mismatch"}}`)
		default:
			answerJSON(w, 200, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"got":"%s/%s/%s"}}`, m.id, h.Get("Mcp-Param-Region"), h.Get("Mcp-Param-N"), h.Get("Mcp-Param-On")))
		}
	})
	call := func(id string) string {
		return modernCall(id, "tools/call", `"name":"t","arguments":{"region":"eu ä","deep":{"n":1e2},"on":null}`)
	}
	// The list was never asked for: the bridge asks once, then repeats the call once.
	w := dial(t, newApp(ready(url)))
	w.send(call("1"))
	w.expect(`"id":1`, `"got":"=?base64?ZXUgw6Q=?=/100/"`)
	w.send(modernCall("2", "tools/call", `"name":"plain"`))
	w.expect(`"id":2`, "-32020")
	if n := len(calls.list()); n != 2 {
		t.Errorf("the list was asked for %d times", n)
	}
	// From lists on their way to the client; invalid tools are taken out.
	w = dial(t, newApp(ready(url)))
	w.send(modernCall("3", "tools/list", ""))
	if got := w.next(); got != `{"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"plain"}],"nextCursor":"2"}}` {
		t.Errorf("got %s", got)
	}
	w.send(modernCall("4", "tools/list", `"cursor":"2"`))
	if got := w.next(); got != `{"jsonrpc":"2.0","id":4,"result":{"tools":[ `+annotated+` ],"x":1.0}}` {
		t.Errorf("got %s", got)
	}
	w.send(call("5"))
	w.expect(`"id":5`, `"got"`)
	if n := len(calls.list()); n != 3 {
		t.Errorf("the list was asked for %d times", n)
	}
}

func TestB14CancelLeavesTheCall(t *testing.T) {
	t.Parallel()
	left, began := make(chan bool, 1), make(chan bool, 1)
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		if m.method == methodCancelled {
			t.Error("the cancellation was posted")
		}
		began <- true
		answerEvents(w, ": hello")
		<-r.Context().Done()
		left <- true
	})
	w := dial(t, newApp(ready(url)))
	w.send(modernCall("1", "tools/call", `"name":"wait"`))
	soon.Receive(t, began, "the call")
	w.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
	soon.Receive(t, left, "that the call is left")
	w.silent(50 * time.Millisecond)
}

func TestB15BrokenStreamLosesTheCall(t *testing.T) {
	t.Parallel()
	posts := &seen{}
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		posts.add("%s", r.Method)
		_ = body(r)
		answerEvents(w, "id: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}")
		panic(http.ErrAbortHandler)
	})
	w := dial(t, newApp(ready(url)))
	w.send(modernCall("1", "tools/call", `"name":"x"`))
	w.expect("notifications/progress")
	w.expect(`"id":1`, "-32603")
	if got := posts.list(); !slices.Equal(got, []string{"POST"}) {
		t.Errorf("requests: %q", got)
	}
}

func TestB16Subscriptions(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	n := 0
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		mu.Lock()
		n++
		try := n
		mu.Unlock()
		if try == 3 {
			answerJSON(w, 400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"no"}}`)
			return
		}
		answerEvents(w, "data: "+string(tagged(methodAck, m.id, "")), "data: "+string(tagged(fmt.Sprint("notifications/n", try), m.id, "")))
		panic(http.ErrAbortHandler)
	})
	w := dial(t, newApp(ready(url)))
	w.send(modernCall(`"L"`, methodListen, `"notifications":{"toolsListChanged":true}`))
	w.expect(methodAck)
	w.expect("notifications/n1")
	// Asked for again under the same id: no second acknowledgement, but what may be stale.
	if got := w.next(); got != string(tagged("notifications/tools/list_changed", []byte(`"L"`), "")) {
		t.Errorf("got %s", got)
	}
	w.expect("notifications/n2")
	// Refused in the end: told as a stdio server does.
	w.expect(methodCancelled, `"requestId":"L"`)
}

func TestB16SubscriptionEndsGracefully(t *testing.T) {
	t.Parallel()
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		answerEvents(w, "data: "+string(tagged(methodAck, m.id, "")), `data: {"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{}}`)
	})
	w := dial(t, newApp(ready(url)))
	w.send(modernCall(`7`, methodListen, `"notifications":{}`))
	w.expect(methodAck)
	w.expect(`"id":7`, `"result"`)
	w.silent(20 * time.Millisecond)
}

func TestB17NothingIsInvented(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		got <- string(m.raw)
		answerJSON(w, 200, "{\"jsonrpc\" : \"2.0\",\r\n \"zeta\":1.50, \"id\":1e0,\n \"result\":{\"b\":12345678901234567890.10,\"a\":\"\\u00e4\\/\",\"a\":2}}")
	})
	w := dial(t, newApp(ready(url)))
	line := `{"id":1e0, "params":{` + meta + `,"requestState":"\u0061","n":1.0,"n":2}, "extra" : [1E400] ,"method":"tools/\u0063all","jsonrpc":"2.0"}`
	w.send("  " + line + " \r")
	if posted := soon.Receive(t, got, "the message"); posted != line {
		t.Errorf("posted %s", posted)
	}
	if answer := w.next(); answer != `{"jsonrpc":"2.0","zeta":1.50,"id":1e0,"result":{"b":12345678901234567890.10,"a":"\u00e4\/","a":2}}` {
		t.Errorf("answer %s", answer)
	}
}

func TestB18NoTimeouts(t *testing.T) {
	if newLibrary().ResponseHeaderTimeout != 0 {
		t.Error("the client owns the timeouts")
	}
}

func TestLinesThatAreNoMessages(t *testing.T) {
	t.Parallel()
	w := dial(t, newApp(absent))
	for line, code := range map[string]string{`{`: "-32700", `x y`: "-32700", `"x"`: "-32600", `{}`: "-32600", `{"id":5}`: "-32600", `{"method":1,"id":1}`: "-32600", `[]`: "-32600"} {
		w.send(line)
		w.expect(code, `"error"`)
	}
	w.send("", "   ")
	w.silent(20 * time.Millisecond)
}

func TestStdoutIsClosed(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	in, feed := io.Pipe()
	defer feed.Close()
	b := New(Options{Name: "test", In: in, Out: failing{gone}, Upstream: newApp(absent)})
	done := make(chan error, 1)
	go func() { done <- b.Run(context.Background()) }()
	_, _ = io.WriteString(feed, hello+"\n")
	if err := soon.Receive(t, done, "the end of the bridge"); !errors.Is(err, gone) {
		t.Errorf("ended with %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
