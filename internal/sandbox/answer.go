package sandbox

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const maxDrained = 64 << 20

// Answer is how an endpoint answers instead. With Status 0 the request is processed
// and its real answer is what the other fields spoil.
type Answer struct {
	Hold      <-chan struct{} // wait for this, or the client's leaving, before anything else
	Delay     time.Duration   // and for that long
	Status    int             // 0: the real answer (a GET stream's is not spoiled, but for Drop)
	Header    http.Header     // added
	Body      string
	Challenge bool // add the WWW-Authenticate of the MCP server

	Early       int           // 103 answers sent first
	HeaderBytes int           // size of a useless header
	Pad         int64         // blanks sent behind the body
	Gzip        bool          // body compressed, asked for or not
	Drip        time.Duration // one byte of the body at a time
	Cut         int           // only that many bytes of the body; negative: all but that many
	CutBehind   string        // the body ends right behind this string member of its JSON
	Lost        bool          // the connection ends before the announced end of the body
	Drop        bool          // the connection is reset instead of an answer

	skip, times int // requests to let pass; how many to spoil, 0 for all
	turns       *turns
}

// turns counts which requests an Answer in force is for.
type turns struct {
	mu         sync.Mutex
	skip, left int // left < 0: for ever
}

func (t *turns) take() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.skip > 0 {
		t.skip--
		return false
	}
	if t.left > 0 {
		t.left--
		return true
	}
	return t.left < 0
}

// counted begins the counting.
func (a Answer) counted() Answer {
	a.turns = &turns{skip: a.skip, left: a.times}
	if a.times == 0 {
		a.turns.left = -1
	}
	return a
}

// Times limits a to n requests, counted from when it is put in force.
func (a Answer) Times(n int) Answer {
	a.times = n
	return a
}

// After lets n requests pass before a begins.
func (a Answer) After(n int) Answer {
	a.skip = n
	return a
}

// With adds a header.
func (a Answer) With(name, value string) Answer {
	a.Header = a.Header.Clone()
	if a.Header == nil {
		a.Header = http.Header{}
	}
	a.Header.Add(name, value)
	return a
}

// Status is an answer with no body to speak of.
func Status(code int) Answer { return Answer{Status: code, Body: http.StatusText(code) + "\n"} }

// HTML is a web page where JSON is due, as a captive portal or a firewall sends it.
func HTML(code int) Answer {
	return Answer{Status: code, Body: "<!doctype html><title>Sign in</title><p>Not what you asked for.\n"}.
		With("Content-Type", "text/html; charset=utf-8")
}

// JSON is an answer with that JSON body.
func JSON(code int, body string) Answer {
	return Answer{Status: code, Body: body}.With("Content-Type", "application/json")
}

// OAuthError is an error answer of RFC 6749 §5.2.
func OAuthError(code int, name string) Answer {
	return JSON(code, `{"error":`+strconv.Quote(name)+`,"error_description":"a switch of the sandbox is on"}`)
}

// Redirect sends the client to another place.
func Redirect(code int, location string) Answer {
	return Answer{Status: code}.With("Location", location)
}

// Unauthorized is a 401 with the MCP server's challenge, whatever the token.
func Unauthorized() Answer { return Answer{Status: http.StatusUnauthorized, Challenge: true} }

// Hang never answers; the request is not processed.
func Hang() Answer { return Answer{Hold: make(chan struct{})} }

// Drop resets the connection; the request is not processed.
func Drop() Answer { return Answer{Status: http.StatusOK, Drop: true} }

// DropAnswer processes the request and resets the connection instead of answering.
func DropAnswer() Answer { return Answer{Drop: true} }

// answer serves one request under the faults in force.
func (s *Sandbox) answer(rt route, w http.ResponseWriter, r *http.Request) {
	f := s.faults.Load()
	a, ok := f.paths[r.URL.EscapedPath()]
	if !ok {
		a, ok = f.answers[rt.kind]
	}
	if !ok || !a.turns.take() {
		rt.serve(w, r)
		return
	}
	drain(rt.kind, r)
	a.hold(r)
	if a.Challenge {
		for _, c := range s.challenges(r, "", "") {
			a = a.With("WWW-Authenticate", c)
		}
	}
	a.prelude(w)
	stream := r.Method == http.MethodGet && !rt.kind.buffered()
	switch {
	case a.Status != 0, a.Drop && stream:
		a.send(w, r, a.Status, nil, []byte(a.Body))
	case a.spoils() && !stream:
		var b buffer
		rt.serve(&b, r)
		a.send(w, r, b.status(), b.header, b.body.Bytes())
	default:
		rt.serve(w, r)
	}
}

// drain reads the body ahead: only then does a server notice that the client left.
func drain(k Kind, r *http.Request) {
	if k.buffered() {
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxDrained))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
}

func (a *Answer) hold(r *http.Request) {
	if a.Hold != nil {
		select {
		case <-a.Hold:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if a.Delay > 0 && !sleep(r, a.Delay) {
		panic(http.ErrAbortHandler)
	}
}

func (a *Answer) spoils() bool {
	return a.Pad > 0 || a.Gzip || a.Drip > 0 || a.Cut != 0 || a.CutBehind != "" || a.Lost || a.Drop
}

// prelude sends what comes before any answer.
func (a *Answer) prelude(w http.ResponseWriter) {
	for range a.Early {
		w.WriteHeader(http.StatusEarlyHints)
	}
	for k, vs := range a.Header {
		for _, v := range vs {
			w.Header().Add(k, v)
		}
	}
	for i, left := 0, a.HeaderBytes; left > 0; i++ {
		n := min(left, 4096)
		w.Header().Set("X-Flood-"+strconv.Itoa(i), strings.Repeat("x", n))
		left -= n
	}
}

func (a *Answer) send(w http.ResponseWriter, r *http.Request, status int, h http.Header, body []byte) {
	if a.Drop {
		reset(w)
	}
	maps.Copy(w.Header(), h)
	if a.Gzip {
		w.Header().Set("Content-Encoding", "gzip")
	}
	full := len(body)
	body = a.cut(body)
	w.Header().Del("Content-Length")
	if a.Lost {
		w.Header().Set("Content-Length", strconv.Itoa(full+1))
	}
	w.WriteHeader(status)
	out, end := io.Writer(w), func() {}
	if a.Gzip {
		z := gzip.NewWriter(w)
		out, end = z, func() { _ = z.Close() }
	}
	if a.Drip > 0 {
		drip(w, r, body, a.Drip)
	} else {
		_, _ = out.Write(body)
	}
	pad(out, a.Pad)
	end()
	if a.Lost {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func (a *Answer) cut(body []byte) []byte {
	if a.CutBehind != "" {
		mark := []byte(`"` + a.CutBehind + `":"`)
		if i := bytes.Index(body, mark); i >= 0 {
			i += len(mark)
			return body[:i+bytes.IndexByte(body[i:], '"')+1]
		}
	}
	switch {
	case a.Cut > 0:
		return body[:min(a.Cut, len(body))]
	case a.Cut < 0:
		return body[:max(len(body)+a.Cut, 0)]
	}
	return body
}

func drip(w http.ResponseWriter, r *http.Request, body []byte, every time.Duration) {
	c := http.NewResponseController(w)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := range body {
		if _, err := w.Write(body[i : i+1]); err != nil {
			return
		}
		_ = c.Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

func pad(w io.Writer, n int64) {
	blanks := bytes.Repeat([]byte{' '}, 64<<10)
	for n > 0 {
		m, err := w.Write(blanks[:min(n, int64(len(blanks)))])
		if err != nil {
			return
		}
		n -= int64(m)
	}
}

// reset ends the connection with RST instead of FIN, or the stream on HTTP/2.
func reset(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		raw := conn
		if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
			raw = t.NetConn()
		}
		if t, ok := raw.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// buffer holds a whole answer back.
type buffer struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (b *buffer) Header() http.Header {
	if b.header == nil {
		b.header = http.Header{}
	}
	return b.header
}

func (b *buffer) WriteHeader(code int) {
	if b.code == 0 {
		b.code = code
	}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

func (b *buffer) Flush() {}

func (b *buffer) status() int { return max(b.code, http.StatusOK) }
