package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// engine is a scripted engine over the real Feed.
type engine struct {
	feed status.Feed
	do   func(context.Context, supervisor.Action) error
}

func (e *engine) Watch(ctx context.Context) iter.Seq[*status.Snapshot] { return e.feed.Watch(ctx) }

func (e *engine) Do(ctx context.Context, a supervisor.Action) error {
	if e.do == nil {
		return nil
	}
	return e.do(ctx, a)
}

func (e *engine) publish(serial uint64) {
	e.feed.Publish(&status.Snapshot{Serial: serial, Profiles: []status.Profile{{Name: "one", Phase: status.Ready}}})
}

func socketPath(t *testing.T) string {
	t.Helper()
	path, err := Path(filepath.Join(t.TempDir(), "state"), "")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// serve runs a Server for e until the test ends or stop is called, which waits for it.
func serve(t *testing.T, e *engine) (path string, stop func()) {
	t.Helper()
	path = socketPath(t)
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- NewServer(e, nil).Serve(ctx, l) }()
	stop = func() {
		cancel()
		if err := soon.Receive(t, served, "the end of Serve"); err != nil {
			t.Errorf("Serve: %v", err)
		}
		served <- nil
	}
	t.Cleanup(stop)
	return path, stop
}

func TestWatchSnapshotAndDo(t *testing.T) {
	t.Parallel()
	asked := make(chan supervisor.Action, 1)
	e := &engine{do: func(_ context.Context, a supervisor.Action) error { asked <- a; return nil }}
	e.publish(1)
	path, _ := serve(t, e)
	client, ctx := Dial(path), soon.Context(t)

	want := supervisor.Action{Verb: supervisor.SignOut, Profile: "one", Revoke: true}
	if err := client.Do(ctx, want); err != nil {
		t.Fatal(err)
	}
	if got := soon.Receive(t, asked, "the action"); got != want {
		t.Errorf("the engine was asked for %+v, want %+v", got, want)
	}
	s, err := client.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if s.Serial != 1 || s.Profile("one").Phase != status.Ready {
		t.Errorf("Snapshot = %+v", s)
	}
	var seen []uint64
	for s := range client.Watch(ctx) {
		seen = append(seen, s.Serial)
		if s.Serial == 3 {
			break
		}
		e.publish(s.Serial + 1)
	}
	if !reflect.DeepEqual(seen, []uint64{1, 2, 3}) {
		t.Errorf("Watch yielded %v", seen)
	}
}

func TestErrorsKeepTheirIdentity(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, c := range []struct {
		err      error
		sentinel error
		code     status.Code
		hint     string
	}{
		{supervisor.ErrUnknownVerb, supervisor.ErrUnknownVerb, "unknown_action", ""},
		{fmt.Errorf("%w: two", supervisor.ErrUnknownProfile), supervisor.ErrUnknownProfile, "unknown_profile", ""},
		{fmt.Errorf("%w: paused", supervisor.ErrNotNow), supervisor.ErrNotNow, "not_now", ""},
		{fmt.Errorf("%w: p.yaml:3:1: bad", supervisor.ErrInvalidConfig), supervisor.ErrInvalidConfig, "invalid_config", ""},
		{supervisor.ErrStopped, supervisor.ErrStopped, status.ShuttingDown, ""},
		{boom, nil, "failed", ""},
		{&supervisor.Fault{Code: status.SecretStoreLocked, Detail: "the keyring is locked", Action: "unlock it"}, nil, status.SecretStoreLocked, "unlock it"},
	} {
		e := &engine{do: func(context.Context, supervisor.Action) error { return c.err }}
		path, _ := serve(t, e)
		err := Dial(path).Do(soon.Context(t), supervisor.Action{Verb: supervisor.Reload})
		var answer *Error
		if !errors.As(err, &answer) {
			t.Errorf("%v: got %v, not an Error", c.err, err)
			continue
		}
		if answer.Error() != c.err.Error() || answer.Code != c.code || answer.Hint != c.hint {
			t.Errorf("%v: got %+v", c.err, *answer)
		}
		for _, row := range sentinels {
			if got, want := errors.Is(err, row.err), row.err == c.sentinel; got != want {
				t.Errorf("%v: errors.Is(%v) = %v", c.err, row.err, got)
			}
		}
	}
}

func TestAnErrorOfManyLinesIsCutToItsFirst(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("\np.yaml:4:1: worse", 10_000)
	e := &engine{do: func(context.Context, supervisor.Action) error {
		return fmt.Errorf("%w: p.yaml:3:1: bad%s", supervisor.ErrInvalidConfig, many)
	}}
	path, _ := serve(t, e)
	err := Dial(path).Do(soon.Context(t), supervisor.Action{Verb: supervisor.Reload})
	if !errors.Is(err, supervisor.ErrInvalidConfig) || err.Error() != "profiles.yaml is invalid: p.yaml:3:1: bad" {
		t.Errorf("Do = %v", err)
	}
}

func TestSlowWatcherHoldsUpNobody(t *testing.T) {
	t.Parallel()
	e := &engine{}
	e.publish(0)
	path, _ := serve(t, e)
	ctx := soon.Context(t)

	slow, stop := iter.Pull2(Dial(path).Stream(ctx))
	defer stop()
	if _, err, _ := slow(); err != nil {
		t.Fatal(err)
	}
	// Larger snapshots than any socket buffer holds: the slow one's connection is full.
	const last = 80
	big := strings.Repeat("x", 64<<10)
	quick, stopQuick := iter.Pull2(Dial(path).Stream(ctx))
	defer stopQuick()
	for serial := uint64(1); serial <= last; serial++ {
		e.feed.Publish(&status.Snapshot{Serial: serial, Config: status.Config{File: big}})
		for {
			s, err, _ := quick()
			if err != nil {
				t.Fatal(err)
			}
			if s.Serial == serial {
				break
			}
		}
	}
	var seen int
	for {
		s, err, _ := slow()
		if err != nil {
			t.Fatal(err)
		}
		if seen++; s.Serial == last {
			break
		}
	}
	if seen >= last/2 {
		t.Errorf("the slow watcher was sent %d of %d snapshots; it should have skipped", seen, last)
	}
}

func TestTheEndOfTheAppEndsWatchers(t *testing.T) {
	t.Parallel()
	e := &engine{}
	e.publish(1)
	path, stop := serve(t, e)
	next, done := iter.Pull2(Dial(path).Stream(soon.Context(t)))
	defer done()
	if _, err, _ := next(); err != nil {
		t.Fatal(err)
	}
	stop()
	if _, err, _ := next(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("the stream ended with %v", err)
	}
	for range Dial(path).Watch(soon.Context(t)) {
		t.Error("Watch yielded something of an app that is gone")
	}
}

func TestAnEndedContextEndsAStreamWithItsError(t *testing.T) {
	t.Parallel()
	e := &engine{}
	e.publish(1)
	path, _ := serve(t, e)
	ctx, cancel := context.WithCancel(soon.Context(t))
	defer cancel()
	for s, err := range Dial(path).Stream(ctx) {
		if s != nil {
			cancel()
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("the stream ended with %v", err)
		}
	}
}

func TestAnAnswerUnderWayOutlivesTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan struct{})
		e := &engine{do: func(ctx context.Context, _ supervisor.Action) error {
			close(asked)
			time.Sleep(drainTimeout - time.Millisecond)
			return ctx.Err()
		}}
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		client := &Client{http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: l.dial}}}
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- NewServer(e, nil).Serve(ctx, l) }()
		answered := make(chan error, 1)
		go func() { answered <- client.Do(t.Context(), supervisor.Action{Verb: supervisor.Quit}) }()
		<-asked
		cancel()
		<-l.closed // the socket goes first
		if err := <-answered; err != nil {
			t.Errorf("quit was answered with %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// pipes is a listener in memory, for a bubble of fake time.
type pipes struct {
	net.Listener
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	theirs, ours := net.Pipe()
	p.conns <- theirs
	return ours, nil
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func TestACallerWhoLeavesEndsItsAction(t *testing.T) {
	t.Parallel()
	started, ended := make(chan struct{}), make(chan struct{})
	e := &engine{do: func(ctx context.Context, _ supervisor.Action) error {
		close(started)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}}
	path, _ := serve(t, e)
	ctx, cancel := context.WithCancel(soon.Context(t))
	defer cancel()
	go func() { <-started; cancel() }()
	if err := Dial(path).Do(ctx, supervisor.Action{Verb: supervisor.Reload}); !errors.Is(err, context.Canceled) {
		t.Errorf("Do = %v", err)
	}
	soon.Receive(t, ended, "the end of the action")
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	client, ctx := Dial(socketPath(t)), soon.Context(t)
	if err := client.Do(ctx, supervisor.Action{Verb: supervisor.Pause}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Do = %v", err)
	}
	if _, err := client.Snapshot(ctx); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Snapshot = %v", err)
	}
	for _, err := range client.Stream(ctx) {
		if !errors.Is(err, ErrNotRunning) {
			t.Errorf("Stream ended with %v", err)
		}
	}
}

func TestTwoServers(t *testing.T) {
	t.Parallel()
	e := &engine{}
	e.publish(7)
	path, stop := serve(t, e)
	if _, err := Listen(path); !errors.Is(err, ErrInUse) {
		t.Fatalf("a second Listen = %v", err)
	}
	if s, err := Dial(path).Snapshot(soon.Context(t)); err != nil || s.Serial != 7 {
		t.Fatalf("the first no longer answers: %v", err)
	}
	stop()
	l, err := Listen(path)
	if err != nil {
		t.Fatalf("Listen after the first ended = %v", err)
	}
	_ = l.Close()
}

// TestRefusals sends what a browser, or a stranger to this API, would.
func TestRefusals(t *testing.T) {
	t.Parallel()
	e := &engine{do: func(context.Context, supervisor.Action) error { t.Error("the engine was asked"); return nil }}
	e.publish(1)
	path, _ := serve(t, e)
	ok := `{"verb":"quit"}`
	for _, c := range []struct {
		name, method, path, host, header, body string
		status                                 int
		code                                   status.Code
	}{
		{"foreign host", "GET", pathSnapshot, "127.0.0.1", "", "", 403, status.HostNotAllowed},
		{"host with a port", "GET", pathSnapshot, host + ":80", "", "", 403, status.HostNotAllowed},
		{"origin", "POST", pathDo, host, "Origin: http://" + host, ok, 403, status.OriginNotAllowed},
		{"null origin", "POST", pathDo, host, "Origin: null", ok, 403, status.OriginNotAllowed},
		{"empty origin", "POST", pathDo, host, "Origin:", ok, 403, status.OriginNotAllowed},
		{"referer", "GET", pathSnapshot, host, "Referer: http://localhost/", "", 403, status.OriginNotAllowed},
		{"fetch metadata", "GET", pathSnapshot, host, "sec-fetch-site: none", "", 403, status.OriginNotAllowed},
		{"path", "GET", "/v1/tokens", host, "", "", 404, status.NotFound},
		{"path not cleaned", "GET", "/v1/../v1/snapshot", host, "", "", 404, status.NotFound},
		{"GET do", "GET", pathDo, host, "", "", 405, status.MethodNotAllowed},
		{"POST snapshot", "POST", pathSnapshot, host, "", ok, 405, status.MethodNotAllowed},
		{"HEAD watch", "HEAD", pathWatch, host, "", "", 405, ""},
		{"no content type", "POST", pathDo, host, "", ok, 415, status.BadContentType},
		{"form", "POST", pathDo, host, "Content-Type: text/plain", ok, 415, status.BadContentType},
		{"empty body", "POST", pathDo, host, "Content-Type: application/json", "", 400, status.BadRequest},
		{"unknown key", "POST", pathDo, host, "Content-Type: application/json", `{"verb":"quit","x":1}`, 400, status.BadRequest},
		{"two actions", "POST", pathDo, host, "Content-Type: application/json", ok + ok, 400, status.BadRequest},
		{"large", "POST", pathDo, host, "Content-Type: application/json", `{"verb":"` + strings.Repeat("q", maxBody) + `"}`, 413, status.BodyTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			req := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n", c.method, c.path, c.host, len(c.body))
			if c.header != "" {
				req += c.header + "\r\n"
			}
			resp := exchange(t, path, req+"\r\n"+c.body)
			if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d", resp.StatusCode, c.status)
			}
			var e Error
			if c.code != "" {
				if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || e.Code != c.code || e.Message == "" {
					t.Errorf("answer %+v (%v), want code %s", e, err, c.code)
				}
			}
		})
	}
}

func exchange(t *testing.T, path, request string) *http.Response {
	t.Helper()
	conn, err := dial(soon.Context(t), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, request) }()
	raw, err := io.ReadAll(conn)
	if err != nil && len(raw) == 0 {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%v in %q", err, raw)
	}
	return resp
}

func TestServeSaysWhenItsSocketFails(t *testing.T) {
	t.Parallel()
	l, err := Listen(socketPath(t))
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := NewServer(&engine{}, nil).Serve(soon.Context(t), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve = %v", err)
	}
}

// TestNoFieldHoldsASecret guards the promise that tokens cannot be read out: the only
// thing this API hands out is a Snapshot.
func TestNoFieldHoldsASecret(t *testing.T) {
	t.Parallel()
	if len(routes) != 3 {
		t.Errorf("%d routes: does the new one hand out a secret?", len(routes))
	}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type, string)
	walk = func(v reflect.Type, at string) {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct || seen[v] || v == reflect.TypeFor[time.Time]() {
			return
		}
		seen[v] = true
		for i := range v.NumField() {
			name := strings.ToLower(v.Field(i).Name)
			for _, bad := range []string{"token", "secret", "password", "verifier", "key"} {
				if strings.Contains(name, bad) {
					t.Errorf("%s.%s", at, v.Field(i).Name)
				}
			}
			walk(v.Field(i).Type, at+"."+v.Field(i).Name)
		}
	}
	walk(reflect.TypeFor[status.Snapshot](), "Snapshot")
}

func FuzzDecodeAction(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `[]`, `{"verb":"quit"}`, `{"verb":"sign-out","profile":"a","revoke":true}`,
		`{"verb":1}`, `{"verb":"quit"}{"verb":"quit"}`, `{"verb":"quit"} x`, `{"token":""}`, `{"verb":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := decodeAction(bytes.NewReader(data))
		if err != nil {
			if a != (supervisor.Action{}) {
				t.Errorf("an error and %+v", a)
			}
			return
		}
		again, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := decodeAction(bytes.NewReader(again))
		if err != nil || a != b {
			t.Errorf("%+v became %+v (%v)", a, b, err)
		}
	})
}
