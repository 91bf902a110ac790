package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// open sends a request and returns its answer with the body open.
func open(t testing.TB, ctx context.Context, method, url, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "" {
		r.Body = http.NoBody
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	answer, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// Each piece must be there before the next is sent.
func TestStreamsAtOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"text/event-stream", "text/event-stream; charset=utf-8", "application/json", "application/x-ndjson", ""} {
		for _, method := range []string{"GET", "POST"} {
			next := make(chan string, 1)
			to := target(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", kind)
				if kind == "" {
					w.Header()["Content-Type"] = nil
				}
				w.(http.Flusher).Flush()
				for piece := range next {
					io.WriteString(w, piece)
					w.(http.Flusher).Flush()
				}
			})
			s := serve(t, to.URL)
			body := ""
			if method == "POST" {
				body = call
			}
			var answer *http.Response
			if strings.HasPrefix(kind, "text/event-stream") {
				answer = open(t, t.Context(), method, s.url("/"), body) // before the first event
			}
			for i, piece := range []string{": comment\n\n", "id: 1\nretry: 5\n\n", "event: message\ndata: {}\n\n", "data: " + strings.Repeat("x", 200<<10) + "\n\n", "data: y\n\n"} {
				next <- piece
				if answer == nil {
					answer = open(t, t.Context(), method, s.url("/"), body)
				}
				got := make([]byte, len(piece))
				if _, err := io.ReadFull(answer.Body, got); err != nil || string(got) != piece {
					t.Fatalf("%s %q: piece %d: %v %.60q", method, kind, i, err, got)
				}
			}
			close(next)
			if n, err := answer.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("%s %q: end: %d %v", method, kind, n, err)
			}
		}
	}
}

func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "POST"} {
		for _, begun := range []bool{true, false} {
			reached, left := make(chan struct{}), make(chan struct{})
			to := target(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if begun {
					w.Header().Set("Content-Type", "text/event-stream")
					w.(http.Flusher).Flush()
				}
				close(reached)
				<-r.Context().Done()
				close(left)
			})
			s := serve(t, to.URL)
			c, err := net.Dial("tcp", s.Addr())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(c, "%s / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n", method, s.Addr())
			if method == "POST" {
				fmt.Fprintf(c, "Content-Length: %d\r\n\r\n%s", len(call), call)
			} else {
				io.WriteString(c, "\r\n")
			}
			soon.Receive(t, reached, "the request")
			c.Close()
			soon.Receive(t, left, "that the target learns of it")
			soon.Until(t, "no stream is open", func() bool { return s.handler.counters.streams.Load() == 0 })
			if n := s.handler.counters.errors.Load(); n != 0 {
				t.Errorf("%s, begun %v: counted as %d errors", method, begun, n)
			}
		}
	}
}

// An answer that breaks off must not look complete.
func TestAnswerBreaksOff(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"stream": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n",
		"length": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\ndata: x\n\n",
	} {
		s := serve(t, "http://"+rawServer(t, head))
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", s.Addr(), len(call), call)
		var body []byte
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil {
			body, err = io.ReadAll(answer.Body)
		}
		if err == nil || !bytes.HasPrefix([]byte("data: x\n\n"), body) {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		soon.Until(t, "it is counted", func() bool { return s.handler.counters.errors.Load() == 1 })
	}
}

// rawServer reads the head of one request on each connection, writes answer and closes.
func rawServer(t testing.TB, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					io.Copy(io.Discard, r.Body)
					io.WriteString(c, answer)
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		code   int
	}{
		"nothing":          {"", 31005},
		"nonsense":         {"hello\r\n\r\n", 31007},
		"A79 large header": {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", 31007},
		"A79 many 1xx":     {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 5000) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 31007},
		"upgrade":          {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 31007},
		"proxy's 407":      {"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", 31005},
		"redirect nowhere": {"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://%zz\r\nContent-Length: 0\r\n\r\n", 31007},
	} {
		s := serve(t, "http://"+rawServer(t, c.answer))
		answer, body := post(t, s.url("/"), call)
		if e := localError(t, answer, body); answer.StatusCode != 502 || e.Error.Code != c.code || string(e.ID) != "7" {
			t.Errorf("%s: %s %s", name, answer.Status, body)
		}
	}
	s := serve(t, "http://"+rawServer(t, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))
	if answer, body := post(t, s.url("/"), call); answer.StatusCode != 200 || body != "{}" {
		t.Errorf("one 1xx: %s %s", answer.Status, body)
	}
	flood := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + strings.Repeat("X-T: "+strings.Repeat("y", 100)+"\r\n", 10000) + "\r\n"
	s = serve(t, "http://"+rawServer(t, flood))
	if answer := open(t, t.Context(), "POST", s.url("/"), call); true {
		if _, err := io.ReadAll(answer.Body); err == nil {
			t.Error("A79: a flood of trailers looks like a complete answer")
		}
	}
}

// A76: a line without an end is passed on with a bounded buffer.
func TestEndlessLine(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "event: message\ndata: 1\n\ndata: ")
		piece := bytes.Repeat([]byte("x"), 1<<20)
		for range 64 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	s := serve(t, to.URL)
	answer := open(t, t.Context(), "GET", s.url("/"), "")
	if n, err := io.Copy(io.Discard, answer.Body); err != nil || n < 64<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// A stream's server is slowed down by a client that does not read.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	left := make(chan struct{})
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		w.Header().Set("Content-Type", "text/event-stream")
		piece := []byte("data: " + strings.Repeat("x", 32<<10) + "\n\n")
		for {
			if _, err := w.Write(piece); err != nil {
				return
			}
			sent.Add(int64(len(piece)))
		}
	})
	s := serve(t, to.URL)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open(t, ctx, "GET", s.url("/"), "")
	var before int64 = -1
	soon.Until(t, "the server is held back", func() bool {
		time.Sleep(200 * time.Millisecond)
		now := sent.Load()
		stopped := now == before && now > 0
		before = now
		return stopped
	})
	if before > 64<<20 {
		t.Errorf("%d bytes are held somewhere", before)
	}
	cancel()
	soon.Receive(t, left, "that the target is left")
}

func TestActiveStreamsAreReported(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-next
	})
	reports := make(chan status.Requests, 10)
	s := serve(t, to.URL, func(o *Options) { o.Requests = func(r status.Requests) { reports <- r } })
	open(t, t.Context(), "GET", s.url("/"), "")
	reported := func(streams int64) {
		t.Helper()
		for {
			r := soon.Receive(t, reports, fmt.Sprint("a report of ", streams, " streams"))
			if r.Total != 1 {
				t.Errorf("got %+v", r)
			}
			if r.ActiveStreams == streams {
				return
			}
		}
	}
	reported(1)
	close(next)
	reported(0)
}

// The deadline of a body's first piece must not outlive the body.
func TestLongAnswerAfterBody(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 35 s")
	}
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		time.Sleep(bodyPause + 4*time.Second)
		io.WriteString(w, "data: late\n\n")
	})
	s := serve(t, to.URL)
	answer := open(t, t.Context(), "POST", s.url("/"), call+strings.Repeat(" ", 200<<10))
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "data: late\n\n" {
		t.Errorf("%q, %v", body, err)
	}
}

// A33: a body that stops coming is given up.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 30 s")
	}
	to := target(t, func(w http.ResponseWriter, r *http.Request) {})
	s := serve(t, to.URL)
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begin := time.Now()
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", s.Addr())
	time.Sleep(time.Second)
	io.WriteString(c, " ")
	all, _ := io.ReadAll(c)
	if took := time.Since(begin); !strings.HasPrefix(string(all), "HTTP/1.1 408") || took < bodyPause || took > bodyPause+soon.Limit || to.hits.Load() != 0 {
		t.Errorf("after %v: %q", took, all)
	}
}
