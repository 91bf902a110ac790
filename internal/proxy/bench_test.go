//go:build unix

package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
)

// Each benchmark compares the same exchange made directly, through a tuned
// httputil.ReverseProxy, and through ours. Run them with -count and compare medians:
// one run says little on a busy machine.

type fixedTokens struct{ token string }

func (f *fixedTokens) Token(context.Context) (oauth.Token, error) {
	return oauth.Token{Value: f.token, Type: "Bearer"}, nil
}

func (f *fixedTokens) Accepted(oauth.Token) {}

func (f *fixedTokens) Refused(context.Context, oauth.Token, []string) (oauth.Token, error) {
	return oauth.Token{}, errNoSignIn
}

// lab runs f for each way to the server.
func lab(b *testing.B, f func(b *testing.B, way *process)) {
	server := startRole(b, "server", "")
	b.Run("direct", func(b *testing.B) { f(b, server) })
	for _, role := range []string{"reverseproxy", "ours"} {
		b.Run(role, func(b *testing.B) { f(b, startRole(b, role, server.addr)) })
	}
}

func BenchmarkCall(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			lab(b, func(b *testing.B, way *process) { exchanges(b, way, "/mcp", clients) })
		})
	}
}

func BenchmarkEventAnswer(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			lab(b, func(b *testing.B, way *process) { exchanges(b, way, "/mcp/sse", clients) })
		})
	}
}

func BenchmarkLargeAnswer(b *testing.B) {
	lab(b, func(b *testing.B, way *process) {
		b.SetBytes(largeAnswer)
		exchanges(b, way, "/mcp/large", 4)
	})
}

// BenchmarkCompare makes the same calls through httputil.ReverseProxy and through ours,
// taking turns every few milliseconds, and reports medians of their ratios (throughput:
// above 1 is faster; p99 and CPU time: below 1 is better). That holds on a busy machine
// too. b.N counts the turns: use -benchtime 100x.
func BenchmarkCompare(b *testing.B) {
	for _, c := range []struct {
		path    string
		clients int
	}{{"/mcp", 1}, {"/mcp", 16}, {"/mcp", 64}, {"/mcp/sse", 16}, {"/mcp/large", 4}, {"/mcp/paced", 1}} {
		b.Run(fmt.Sprintf("%s/clients=%d", path.Base(c.path), c.clients), func(b *testing.B) {
			server := startRole(b, "server", "")
			ways := []*process{startRole(b, "reverseproxy", server.addr), startRole(b, "ours", server.addr)}
			var turns [2][]turn
			b.ResetTimer()
			for range b.N {
				for i, way := range ways {
					turns[i] = append(turns[i], callsFor(b, way, c.path, c.clients))
				}
			}
			b.StopTimer()
			ratio := func(f func(turn) float64) float64 {
				var all []float64
				for i := range turns[0] {
					all = append(all, f(turns[1][i])/f(turns[0][i]))
				}
				slices.Sort(all)
				return all[len(all)/2]
			}
			b.ReportMetric(ratio(func(t turn) float64 { return 1 / t.wall.Seconds() }), "x-throughput")
			b.ReportMetric(ratio(func(t turn) float64 { return t.cpu }), "x-cpu")
			b.ReportMetric(ratio(func(t turn) float64 { return t.p99.Seconds() }), "x-p99")
		})
	}
}

// turn is what a number of calls took.
type turn struct {
	wall, p99 time.Duration
	cpu       float64
}

func callsFor(b *testing.B, way *process, path string, clients int) turn {
	calls := 40*clients + 200
	if path == "/mcp/large" {
		calls = 4 * clients
	}
	if path == "/mcp/paced" {
		calls = 50
	}
	took := make(chan time.Duration, calls)
	var next atomic.Int64
	var all sync.WaitGroup
	conns := way.clients(b, path, clients)
	_, before := way.usage(b)
	begin := time.Now()
	for _, c := range conns {
		all.Go(func() {
			for next.Add(1) <= int64(calls) {
				begin := time.Now()
				if path == "/mcp/paced" {
					waitForEvent(b, way.addr, path)
				} else {
					for c.call() != nil {
						*c = *dialRaw(b, way.addr, path)
					}
				}
				took <- time.Since(begin)
			}
		})
	}
	all.Wait()
	t := turn{wall: time.Since(begin)}
	_, after := way.usage(b)
	t.cpu = float64(after - before)
	close(took)
	var each []time.Duration
	for d := range took {
		each = append(each, d)
	}
	slices.Sort(each)
	t.p99 = each[len(each)*99/100]
	return t
}

// clients are connections kept from turn to turn.
func (p *process) clients(b *testing.B, path string, n int) []*rawClient {
	for len(p.conns) < n {
		p.conns = append(p.conns, dialRaw(b, p.addr, path))
	}
	return p.conns
}

// exchanges makes b.N calls from a number of clients, each on a connection of its own.
// The client is written for this, so that it takes little of the machine itself.
// A call whose answer breaks off is counted as lost and made again: httputil.ReverseProxy
// loses some (golang/go#40747).
func exchanges(b *testing.B, way *process, path string, clients int) {
	conns := make([]*rawClient, clients)
	for i := range conns {
		conns[i] = dialRaw(b, way.addr, path)
		for conns[i].call() != nil {
			conns[i] = dialRaw(b, way.addr, path)
		}
	}
	took := make([][]time.Duration, clients)
	var next, lost atomic.Int64
	var all sync.WaitGroup
	_, before := way.usage(b)
	b.ResetTimer()
	for i, c := range conns {
		all.Go(func() {
			for next.Add(1) <= int64(b.N) {
				begin := time.Now()
				for c.call() != nil {
					lost.Add(1)
					c = dialRaw(b, way.addr, path)
				}
				took[i] = append(took[i], time.Since(begin))
			}
		})
	}
	all.Wait()
	b.StopTimer()
	_, after := way.usage(b)
	b.ReportMetric(float64(after-before)/1e3/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(lost.Load()), "lost")
	quantiles(b, slices.Concat(took...))
}

func quantiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))]) / 1e3 }
	b.ReportMetric(at(.5), "p50-µs")
	b.ReportMetric(at(.99), "p99-µs")
}

type rawClient struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
}

func dialRaw(tb testing.TB, addr, path string) *rawClient {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"` + strings.Repeat("y", 400) + `"}}}`
	return &rawClient{conn, bufio.NewReaderSize(conn, 64<<10), fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\n"+
		"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\nMcp-Protocol-Version: 2025-11-25\r\n"+
		"Mcp-Session-Id: 0123456789abcdef\r\nUser-Agent: lab\r\nContent-Length: %d\r\n\r\n%s", path, addr, len(body), body)}
}

func (c *rawClient) call() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	return c.answer()
}

func (c *rawClient) answer() error {
	size, chunked := 0, false
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && string(line[9:12]) != "200" {
			return fmt.Errorf("status %s", line)
		}
		if len(line) == 2 {
			break
		}
		if value, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			size, _ = strconv.Atoi(strings.TrimSpace(value))
		}
		chunked = chunked || string(line) == "Transfer-Encoding: chunked\r\n"
	}
	for chunked {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(line)), 16, 32)
		if err != nil {
			return err
		}
		if _, err := c.in.Discard(int(n) + 2); err != nil || n == 0 {
			return err
		}
	}
	_, err := c.in.Discard(size)
	return err
}

// BenchmarkEvents says how late events of a paced stream are.
func BenchmarkEvents(b *testing.B) {
	lab(b, func(b *testing.B, way *process) {
		body := openStream(b, way.addr, "/mcp/paced")
		var late []time.Duration
		b.ResetTimer()
		for lines := bufio.NewScanner(body); len(late) < b.N && lines.Scan(); {
			if stamp, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				sent, _ := strconv.ParseInt(stamp, 10, 64)
				late = append(late, time.Duration(time.Now().UnixNano()-sent))
			}
		}
		b.StopTimer()
		quantiles(b, late)
	})
}

// BenchmarkFirstEvent opens a stream and waits for its first event.
func BenchmarkFirstEvent(b *testing.B) {
	lab(b, func(b *testing.B, way *process) {
		var took []time.Duration
		for b.Loop() {
			begin := time.Now()
			waitForEvent(b, way.addr, "/mcp/paced")
			took = append(took, time.Since(begin))
		}
		quantiles(b, took)
	})
}

// waitForEvent connects, opens a stream and waits for its first event.
func waitForEvent(b *testing.B, addr, path string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", path, addr)
	for lines := bufio.NewScanner(c); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data: ") {
			return
		}
	}
	b.Error("no event")
}

// BenchmarkIdleStreams says what a stream that is open and silent costs.
func BenchmarkIdleStreams(b *testing.B) {
	const streams = 1000
	lab(b, func(b *testing.B, way *process) {
		before, _ := way.usage(b)
		for range streams {
			defer openStream(b, way.addr, "/mcp/idle").Close()
		}
		after, _ := way.usage(b)
		b.ReportMetric(float64(after-before)/streams, "B/stream")
		b.ReportMetric(0, "ns/op")
	})
}

func openStream(b *testing.B, addr, path string) io.ReadCloser {
	r, err := http.NewRequest(http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		b.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		b.Fatal(answer.Status)
	}
	return answer.Body
}
