package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func TestListenRefuses(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0", "example.com:0", "127.0.0.1", "", "127.0.0.1:port", "127.0.0.1:65536"} {
		if l, err := Listen(addr, ListenOptions{}); err == nil {
			t.Errorf("%q opened at %s", addr, l.Addr())
			l.Close(context.Background())
		}
	}
}

func TestBusyPortNamesItsOwner(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} { // A23, A22
		other := lonely(t, addr)
		defer other.Close()
		_, port, _ := net.SplitHostPort(other.Addr().String())
		l, err := Listen("127.0.0.1:"+port, ListenOptions{})
		var busy *BusyError
		if !errors.As(err, &busy) {
			t.Fatalf("got %v, %v", l, err)
		}
		if busy.Addr != other.Addr().String() || !strings.Contains(err.Error(), busy.Addr) || !strings.Contains(err.Error(), "listen") {
			t.Errorf("got %v", err)
		}
		if want := fmt.Sprintf("(pid %d)", os.Getpid()); runtime.GOOS == "linux" && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if addr == "[::1]:0" { // nothing half open
			if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
				c.Close()
				t.Error("A22: a half is open")
			}
		}
	}
}

// lonely listens at addr, on a port that is free at 127.0.0.1 unless it is that one's.
func lonely(t *testing.T, addr string) net.Listener {
	t.Helper()
	for {
		other, err := net.Listen("tcp", addr)
		if err != nil {
			t.Skip(err)
		}
		_, port, _ := net.SplitHostPort(other.Addr().String())
		if twin, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			twin.Close()
		} else if addr != "127.0.0.1:0" {
			other.Close()
			continue
		}
		return other
	}
}

// F45: an address is free again at once, and a restart never fails.
func TestListenAgain(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) {})
	s := serve(t, to.URL)
	addr := s.Addr()
	for range 50 {
		post(t, "http://"+addr+"/", call)
		err := s.Close(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if s.Listener, err = Listen(addr, ListenOptions{}); err != nil {
			t.Fatal(err)
		}
		s.mount(t, to.URL)
	}
	s.Close(context.Background())
}

func TestBothLoopbacks(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) {})
	s := serve(t, to.URL)
	_, port, _ := net.SplitHostPort(s.Addr())
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		r, _ := http.NewRequest("POST", "http://"+host+":"+port+"/", strings.NewReader(call))
		r.Header.Set("Content-Type", "application/json")
		answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if host == "[::1]" && err != nil {
			t.Skip("no IPv6 here")
		}
		if err != nil || answer.StatusCode != 200 {
			t.Errorf("%s: %v %v", host, answer, err)
		}
	}
}

func TestNothingMounted(t *testing.T) {
	t.Parallel()
	l := listen(t)
	answer, body := post(t, "http://"+l.Addr()+"/", call)
	if localError(t, answer, body); answer.StatusCode != 503 || answer.Header.Get("Retry-After") == "" {
		t.Errorf("got %s %s", answer.Status, body)
	}
	to := target(t, func(w http.ResponseWriter, r *http.Request) {})
	h, err := New(Options{Profile: profileFor(to.URL), Addr: l.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	unmountFirst := l.Mount(h)
	second, _ := New(Options{Profile: profileFor(to.URL), Addr: l.Addr()})
	unmountSecond := l.Mount(second)
	unmountFirst()
	if answer, _ := post(t, "http://"+l.Addr()+"/", call); answer.StatusCode != 200 {
		t.Errorf("the first's unmount took the second down: %s", answer.Status)
	}
	unmountSecond()
	if answer, _ := post(t, "http://"+l.Addr()+"/", call); answer.StatusCode != 503 {
		t.Errorf("unmounted: %s", answer.Status)
	}
}

// Exchanging the handler under load loses no request.
func TestMountUnderLoad(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	s := serve(t, to.URL)
	var stop atomic.Bool
	var calls atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			for !stop.Load() {
				r, _ := http.NewRequest("POST", s.url("/"), strings.NewReader(call))
				r.Header.Set("Content-Type", "application/json")
				answer, err := transport.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if answer.StatusCode != 200 || string(body) != call || err != nil {
					t.Errorf("%s %q %v", answer.Status, body, err)
					return
				}
				calls.Add(1)
			}
		})
	}
	for range 100 {
		s.mount(t, to.URL)
		time.Sleep(2 * time.Millisecond)
	}
	stop.Store(true)
	all.Wait()
	if calls.Load() == 0 {
		t.Error("no calls")
	}
}

// A stream opened under one handler goes on under the next.
func TestMountKeepsStreams(t *testing.T) {
	t.Parallel()
	next := make(chan string)
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		for piece := range next {
			io.WriteString(w, piece)
			w.(http.Flusher).Flush()
		}
	})
	s := serve(t, to.URL)
	answer := open(t, t.Context(), "GET", s.url("/"), "")
	s.mount(t, "http://127.0.0.1:1")
	next <- "data: x\n\n"
	close(next)
	if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "data: x\n\n" {
		t.Errorf("%q, %v", body, err)
	}
}

// F62: requests in flight are finished, streams opened by GET are ended properly.
func TestCloseDrains(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 2)
	finish := make(chan struct{})
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, ": hi\n\n")
			w.(http.Flusher).Flush()
			reached <- struct{}{}
			<-r.Context().Done()
			return
		}
		reached <- struct{}{}
		<-finish
		io.Copy(w, r.Body)
	})
	s := serve(t, to.URL)
	stream := open(t, t.Context(), "GET", s.url("/"), "")
	answered := make(chan string)
	go func() {
		answer, body := post(t, s.url("/"), call)
		answered <- answer.Status + body
	}()
	soon.Receive(t, reached, "the stream")
	soon.Receive(t, reached, "the request")
	closed := make(chan error)
	go func() { closed <- s.Close(context.Background()) }()
	if body, err := io.ReadAll(stream.Body); err != nil || string(body) != ": hi\n\n" {
		t.Errorf("stream: %q, %v", body, err)
	}
	if _, err := net.Dial("tcp", s.Addr()); err == nil {
		t.Error("still accepting")
	}
	select {
	case err := <-closed:
		t.Fatalf("closed with a request in flight: %v", err)
	default:
	}
	close(finish)
	if got := soon.Receive(t, answered, "the answer"); got != "200 OK"+call {
		t.Errorf("got %s", got)
	}
	if err := soon.Receive(t, closed, "the end of Close"); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	reached, finish := make(chan struct{}), make(chan struct{})
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		close(reached)
		<-finish
		io.Copy(w, r.Body)
	})
	s := serve(t, to.URL)
	answered := make(chan string)
	go func() {
		answer, body := post(t, s.url("/"), call)
		answered <- answer.Status + body
	}()
	soon.Receive(t, reached, "the request")
	s.Release()
	again, err := Listen(s.Addr(), ListenOptions{})
	if err != nil {
		t.Fatalf("the address is not free: %v", err)
	}
	defer again.Close(context.Background())
	close(finish)
	if got := soon.Receive(t, answered, "the answer"); got != "200 OK"+call {
		t.Errorf("got %s", got)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestReleaseAtOnce(t *testing.T) {
	t.Parallel()
	first, err := Listen("127.0.0.1:0", ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		first.Release()
		if first, err = Listen(first.Addr(), ListenOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	first.Close(context.Background())
}

func TestCloseCutsOff(t *testing.T) {
	t.Parallel()
	reached, left := make(chan struct{}), make(chan struct{})
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(reached)
		<-r.Context().Done()
		close(left)
	})
	s := serve(t, to.URL)
	go http.Post(s.url("/"), "application/json", strings.NewReader(call))
	soon.Receive(t, reached, "the request")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	soon.Receive(t, left, "that the target is left")
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	l, err := Listen("127.0.0.1:0", ListenOptions{MaxConns: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(context.Background())
	var conns []net.Conn
	answers := func(c net.Conn) bool {
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.SetReadDeadline(time.Now().Add(soon.Limit))
		_, err := c.Read(make([]byte, 1024))
		return err == nil
	}
	for i := range 4 {
		c, err := net.Dial("tcp", l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
		if answers(c) != (i < 3) {
			t.Errorf("connection %d", i)
		}
	}
	conns[0].Close()
	soon.Until(t, "there is room again", func() bool {
		c, err := net.Dial("tcp", l.Addr())
		if err != nil {
			return false
		}
		defer c.Close()
		return answers(c)
	})
}

func TestNoGoroutineLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("traffic", func(t *testing.T) {
		to := target(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: x\n\n")
			if r.Method == "GET" {
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}
		})
		s := serve(t, to.URL)
		for range 20 {
			post(t, s.url("/"), call)
			ctx, cancel := context.WithCancel(t.Context())
			open(t, ctx, "GET", s.url("/"), "")
			cancel()
		}
		open(t, t.Context(), "GET", s.url("/"), "")
		s.Close(t.Context())
	})
	soon.Until(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}
