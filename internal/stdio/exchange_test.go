package stdio

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// asked makes one exchange and returns the answer with its whole body.
func asked(ctx context.Context, e exchanger, url, body string) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	answer, err := e.exchange(r, nil)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	return answer, string(all), err
}

// script is a server that answers each connection with the given bytes, one after the
// other, each after a request with a body of one byte. It closes behind the last.
func script(t *testing.T, answers ...string) (url string, conns *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	conns = new(atomic.Int32)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for _, answer := range answers {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					_, _ = io.WriteString(c, answer)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/", conns
}

const okay = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestExchangeReadsEveryKindOfAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer, body string
		status       int
		kept         bool
	}{
		"length":            {okay, "ok", 200, true},
		"no body":           {"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", "", 202, true},
		"no content":        {"HTTP/1.1 204 No Content\r\n\r\n", "", 204, true},
		"chunks":            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nX: 1\r\n\r\n", "ok", 200, true},
		"until it closes":   {"HTTP/1.1 200 OK\r\n\r\nok", "ok", 200, false},
		"asked to close":    {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", 200, false},
		"HTTP/1.0":          {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", 200, false},
		"interim answers":   {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + okay, "ok", 200, true},
		"more than its due": {okay + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "ok", 200, false},
		"refusal":           {"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "no", 404, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := []string{c.answer}
			if c.kept {
				answers = append(answers, c.answer)
			}
			url, conns := script(t, answers...)
			e := newExchanger()
			defer e.close()
			for range 2 {
				answer, body, err := asked(soon.Context(t), e, url, "x")
				if err != nil || answer.StatusCode != c.status || body != c.body {
					t.Fatalf("got %v %q, %v", answer, body, err)
				}
			}
			if kept := conns.Load() == 1; kept != c.kept {
				t.Errorf("%d connections for two exchanges", conns.Load())
			}
		})
	}
}

func TestExchangeFails(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nothing":          "",
		"half a header":    "HTTP/1.1 200 OK\r\nContent-Le",
		"half a body":      "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok",
		"half a chunk":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
		"no HTTP":          "SSH-2.0-OpenSSH_9.9\r\n\r\n",
		"another protocol": "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
		"only interim":     strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100),
		"endless header":   "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: "+strings.Repeat("a", 1<<10)+"\r\n", 20<<10),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := script(t, answer)
			e := newExchanger()
			defer e.close()
			answer, body, err := asked(soon.Context(t), e, url, "x")
			if err == nil && answer.StatusCode != http.StatusSwitchingProtocols {
				t.Errorf("got %v %q", answer, body)
			}
		})
	}
}

// A connection that the other side closed meanwhile must not cost a request: a POST is
// not sent twice.
func TestExchangeAfterTheServerClosed(t *testing.T) {
	t.Parallel()
	var got, closed atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Add(1)
		_, _ = io.WriteString(w, "ok")
	}))
	ended := make(chan struct{}, 100)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			closed.Add(1)
			ended <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	e := newExchanger()
	defer e.close()
	const rounds = 50
	for range rounds {
		if _, body, err := asked(soon.Context(t), e, server.URL, "x"); err != nil || body != "ok" {
			t.Fatalf("got %q, %v", body, err)
		}
		server.CloseClientConnections()
		soon.Receive(t, ended, "the end of the connection")
	}
	if got.Load() != rounds || closed.Load() != rounds {
		t.Errorf("%d requests on %d connections", got.Load(), closed.Load())
	}
}

// A server may refuse a large body without reading it.
func TestExchangeOfALargeBody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	}))
	defer server.Close()
	e := newExchanger()
	defer e.close()
	for _, size := range []int{0, 1, 4 << 10, 64 << 10, 64<<10 + 1, 8 << 20} {
		if _, body, err := asked(soon.Context(t), e, server.URL+"/yes", strings.Repeat("x", size)); err != nil || body != fmt.Sprint(size) {
			t.Errorf("%d bytes: %q, %v", size, body, err)
		}
		if size > 1<<20 {
			continue // the answer may be lost behind what is still on its way
		}
		answer, _, err := asked(soon.Context(t), e, server.URL+"/no", strings.Repeat("x", size))
		if err != nil || answer.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%d bytes refused: %v, %v", size, answer, err)
		}
	}
}

func TestExchangeIsInterrupted(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{}, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "begin")
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	defer server.Close()
	e := newExchanger()
	defer e.close()
	for _, path := range []string{"/header", "/body"} {
		ctx, cancel := context.WithCancel(soon.Context(t))
		wrote := make(chan struct{})
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+path, strings.NewReader("x"))
		go func() {
			<-wrote
			if path == "/header" {
				cancel()
			}
		}()
		answer, err := e.exchange(r, func() { close(wrote) })
		if path == "/body" {
			if err != nil {
				t.Fatal(err)
			}
			begin := make([]byte, 5)
			if _, err := io.ReadFull(answer.Body, begin); err != nil {
				t.Fatal(err)
			}
			cancel()
			_, err = answer.Body.Read(begin)
			answer.Body.Close()
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the body ends with %v", err)
			}
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("the exchange ends with %v", err)
		}
		soon.Receive(t, gone, "that the server is left")
		cancel()
	}
}

// A stream is left without being read to its end.
func TestExchangeLeavesAStream(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, "data: x\n\n"); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer server.Close()
	e := newExchanger()
	r, _ := http.NewRequestWithContext(soon.Context(t), http.MethodGet, server.URL, nil)
	answer, err := e.exchange(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	soon.Receive(t, left, "that the server is left")
	e.close()
}

// What a request leaves behind must not outlive it: a bridge runs for weeks.
func TestACallsContextEndsWithIt(t *testing.T) {
	b := New(Options{Name: "test", In: strings.NewReader(""), Out: io.Discard, Upstream: newApp(absent)})
	b.ctx, b.stop = context.WithCancelCause(t.Context())
	defer b.stop(nil)
	b.link.set(&place{offline: true, endpoint: absent})
	c := b.calls.add(b.ctx, read([]byte(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)))
	b.serve(c)
	if !c.answered() || c.ctx.Err() == nil {
		t.Error("the context of an answered call goes on")
	}
}
