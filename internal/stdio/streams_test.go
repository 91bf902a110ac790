package stdio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// Many servers have a route for POST alone, and answer 404 to the rest. That says
// nothing of the session.
func TestStreamThatIsNotThere(t *testing.T) {
	t.Parallel()
	var hellos, gets atomic.Int32
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		switch {
		case r.Method == http.MethodGet:
			gets.Add(1)
			w.WriteHeader(http.StatusNotFound)
		case m.method == methodInitialize:
			hellos.Add(1)
			w.Header().Set("Mcp-Session-Id", "s1")
			answerJSON(w, http.StatusOK, sessionAnswer)
		case m.kind == request:
			answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{}}`)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})
	w := dial(t, newApp(ready(url)))
	w.greet()
	for n := range 20 {
		w.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"m"}`, n))
		w.expect(fmt.Sprintf(`"id":%d`, n), "result")
	}
	if err := w.end(); err != nil {
		t.Error(err)
	}
	if hellos.Load() != 1 || gets.Load() > 1 {
		t.Errorf("%d sessions and %d streams were asked for", hellos.Load(), gets.Load())
	}
}

// A server may end the stream of an answer again and again and be asked for the rest
// (transports, "Sending Messages to the Server").
func TestAnswerIsPolledFor(t *testing.T) {
	t.Parallel()
	const polls = 12
	var gets atomic.Int32
	url, _ := sessions(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			answerEvents(w, "id: p\nretry: 100\ndata:")
		case r.Header.Get("Last-Event-ID") == "p" && gets.Add(1) <= polls:
			answerEvents(w, ": nothing yet")
		case r.Header.Get("Last-Event-ID") == "p":
			answerEvents(w, `data: {"jsonrpc":"2.0","id":1,"result":{"late":true}}`)
		default:
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	})
	w := dial(t, newApp(ready(url)))
	w.greet()
	w.send(`{"jsonrpc":"2.0","id":1,"method":"m"}`)
	w.expect(`"late":true`)
}

// The server is gone for a while in the middle of an answer.
func TestAnswerOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	var gets atomic.Int32
	url, _ := sessions(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			answerEvents(w, "id: p\nretry: 100\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}")
			panic(http.ErrAbortHandler)
		case r.Header.Get("Last-Event-ID") != "p":
			w.WriteHeader(http.StatusMethodNotAllowed)
		case gets.Add(1) <= 3:
			w.WriteHeader(http.StatusBadGateway)
		default:
			answerEvents(w, "id: q\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"late\":true}}")
		}
	})
	w := dial(t, newApp(ready(url)))
	w.greet()
	w.send(`{"jsonrpc":"2.0","id":1,"method":"m"}`)
	w.expect("notifications/progress")
	w.expect(`"late":true`)
}

// A server need not answer what was cancelled, nor end its stream. Nothing may be kept for it.
func TestCancelledCallsAreLetGo(t *testing.T) {
	t.Parallel()
	const many = 2 * maxUnderWay
	var cancelled, left atomic.Int32
	url, _ := sessions(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		switch {
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case m.method == methodCancelled:
			cancelled.Add(1)
			w.WriteHeader(http.StatusAccepted)
		case m.method == "ping":
			answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{}}`)
		default:
			answerEvents(w, `data: {"jsonrpc":"2.0","method":"notifications/began"}`)
			<-r.Context().Done()
			left.Add(1)
		}
	})
	w := dial(t, newApp(ready(url)))
	w.greet()
	for n := range many {
		w.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"m"}`, n))
		w.expect("notifications/began")
		w.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, n))
	}
	w.send(`{"jsonrpc":"2.0","id":"p","method":"ping"}`)
	w.expect(`"id":"p"`)
	if err := w.end(); err != nil {
		t.Error(err)
	}
	if cancelled.Load() != many {
		t.Errorf("the server was told of %d of %d", cancelled.Load(), many)
	}
}

// The session's stream is not the only one: answers that a server gives on another one
// find their request, and each only once.
func TestServerRestartsInMidStream(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotFound, http.StatusBadRequest} {
		var restarted atomic.Bool
		var hellos atomic.Int32
		url := server(t, func(w http.ResponseWriter, r *http.Request) {
			m := body(r)
			session := r.Header.Get("Mcp-Session-Id")
			lost := restarted.Load() && session == "s1"
			switch {
			case m.method == methodInitialize:
				w.Header().Set("Mcp-Session-Id", fmt.Sprint("s", hellos.Add(1)))
				answerJSON(w, http.StatusOK, sessionAnswer)
			case lost:
				answerJSON(w, status, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}`)
			case r.Method == http.MethodGet:
				answerEvents(w, ": up")
				<-r.Context().Done()
			case m.method == "long":
				answerEvents(w, "id: 1\nretry: 100\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}")
				restarted.Store(true)
				panic(http.ErrAbortHandler)
			case m.kind == request:
				answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{"by":"`+session+`"}}`)
			default:
				w.WriteHeader(http.StatusAccepted)
			}
		})
		w := dial(t, newApp(ready(url)))
		w.greet()
		w.send(`{"jsonrpc":"2.0","id":1,"method":"long"}`)
		w.expect("notifications/progress")
		w.expect(`"id":1`, "-32603", "without an answer")
		for n := 2; n < 12; n++ {
			w.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"short"}`, n))
		}
		for range 10 {
			w.expect(`"by":"s2"`)
		}
		if hellos.Load() != 2 {
			t.Errorf("%d sessions", hellos.Load())
		}
	}
}

func TestEventsInAnyShape(t *testing.T) {
	t.Parallel()
	const answer = `{"jsonrpc":"2.0","id":1,"result":{"ok":true}}`
	for name, stream := range map[string]string{
		"comments":              ": a\n:\n\ndata: " + answer + "\n\n",
		"CR":                    "data: " + answer + "\r\r",
		"CRLF":                  "event: message\r\ndata: " + answer + "\r\n\r\n",
		"a byte order mark":     "\ufeffdata: " + answer + "\n\n",
		"many lines":            "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\ndata:\"result\":{\"ok\":true}}\n\n",
		"no space":              "data:" + answer + "\n\n",
		"unknown fields":        "foo: bar\ndata: " + answer + "\nbaz\n\n",
		"other events":          "event: ping\ndata: x\n\nevent: message\ndata: " + answer + "\n\n",
		"a NUL in an id":        "id: a\x00b\ndata: " + answer + "\n\n",
		"NDJSON in its place":   "",
		"a mark within a field": "data: {\"jsonrpc\":\"2.0\"\n\ufeffdata: garbage\ndata: ,\"id\":1,\"result\":{\"ok\":true}}\n\n",
	} {
		url := server(t, func(w http.ResponseWriter, r *http.Request) {
			if stream == "" {
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				_, _ = io.WriteString(w, `{"jsonrpc":"2.0","method":"n"}`+"\n"+answer+"\n")
				return
			}
			w.Header().Set("Content-Type", "Text/Event-Stream; charset=UTF-8")
			for _, c := range []byte(stream) {
				_, _ = w.Write([]byte{c})
				_ = http.NewResponseController(w).Flush()
			}
		})
		w := dial(t, newApp(ready(url)))
		w.send(`{"jsonrpc":"2.0","id":1,"method":"m"}`)
		if got := w.expect(`"id":1`); !strings.Contains(got, `"ok":true`) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A client that stops reading holds the server up, and nothing piles up meanwhile.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	var written atomic.Int64
	line := "data: " + `{"jsonrpc":"2.0","method":"notifications/n","params":{"x":"` + strings.Repeat("x", 64<<10) + `"}}` + "\n\n"
	stuck := make(chan bool)
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		go func() {
			for seen := int64(-1); seen != written.Load(); time.Sleep(300 * time.Millisecond) {
				seen = written.Load()
			}
			close(stuck)
		}()
		for r.Context().Err() == nil {
			n, err := io.WriteString(w, line)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	in, out, ended := pipes(t, newApp(ready(url)))
	_, _ = io.WriteString(in, `{"jsonrpc":"2.0","id":1,"method":"m"}`+"\n")
	soon.Receive(t, stuck, "that the server is held up")
	if n := written.Load(); n > 64<<20 {
		t.Errorf("the server wrote %d MB that nobody reads", n>>20)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	in.Close()
	if err := soon.Receive(t, ended, "the end of the bridge"); err != nil {
		t.Error(err)
	}
}

// stuckWriter never takes anything.
type stuckWriter struct{ free chan struct{} }

func (s stuckWriter) Write(p []byte) (int, error) {
	<-s.free
	return 0, io.ErrClosedPipe
}

// A client that reads no more, and is gone: the bridge ends all the same.
func TestEndsThoughNobodyReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := stuckWriter{make(chan struct{})}
		defer close(out.free)
		b := New(Options{Name: "test", In: strings.NewReader(hello + "\n" + `{"jsonrpc":"2.0","id":1,"method":"ping"}` + "\n"), Out: out, Upstream: newApp(absent)})
		began := time.Now()
		if err := b.Run(context.Background()); err != nil || time.Since(began) > drainTime+leaveTime {
			t.Errorf("ended with %v after %v", err, time.Since(began))
		}
	})
}

// A killed parent ends the context.
func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("gone")
		out := stuckWriter{make(chan struct{})}
		defer close(out.free)
		in, feed := io.Pipe()
		defer feed.Close()
		ctx, cancel := context.WithCancelCause(context.Background())
		b := New(Options{Name: "test", In: in, Out: out, Upstream: newApp(absent)})
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		_, _ = io.WriteString(feed, hello+"\n")
		began := time.Now()
		cancel(gone)
		if err := <-done; !errors.Is(err, gone) || time.Since(began) > leaveTime {
			t.Errorf("ended with %v after %v", err, time.Since(began))
		}
	})
}

// The server is restarted while it waits for an answer of the client: that answer is not
// for whatever the new session asks by the same id.
func TestAnswerToASessionThatIsOver(t *testing.T) {
	t.Parallel()
	var hellos atomic.Int32
	answers := &seen{}
	restarted := make(chan bool)
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		session := r.Header.Get("Mcp-Session-Id")
		switch {
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case m.method == methodInitialize:
			w.Header().Set("Mcp-Session-Id", fmt.Sprint("s", hellos.Add(1)))
			answerJSON(w, http.StatusOK, sessionAnswer)
		case session == "s1" && m.method == "forget":
			w.WriteHeader(http.StatusNotFound)
		case m.method == "ask":
			answerEvents(w, `data: {"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{"of":"`+session+`"}}`)
			if session == "s1" {
				<-restarted
				panic(http.ErrAbortHandler)
			}
			answers.await(t, session+" answer "+session)
			answerEvents(w, `data: {"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{}}`)
		case m.kind == response:
			answers.add("%s answer %s", session, text(member(m.raw, "result", "of")))
			w.WriteHeader(http.StatusAccepted)
		case m.kind == request:
			answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{}}`)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})
	w := dial(t, newApp(ready(url)))
	w.greet()
	w.send(`{"jsonrpc":"2.0","id":1,"method":"ask"}`)
	w.expect("elicitation/create", `"of":"s1"`)
	w.send(`{"jsonrpc":"2.0","id":2,"method":"forget"}`)
	w.expect(`"id":2`, "result")
	close(restarted)
	w.expect(`"id":1`, "error")
	w.send(`{"jsonrpc":"2.0","id":0,"result":{"of":"s1"}}`)
	w.send(`{"jsonrpc":"2.0","id":3,"method":"ask"}`)
	w.expect("elicitation/create", `"of":"s2"`)
	w.send(`{"jsonrpc":"2.0","id":0,"result":{"of":"s2"}}`)
	w.expect(`"id":3`, "result")
	if got := answers.list(); len(got) != 1 {
		t.Errorf("the server got %q", got)
	}
}
