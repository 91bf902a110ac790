package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	benchHello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"b","version":"1"}}}`
	benchReady = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	benchCall  = `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}`

	benchStarts = 7   // of each program
	benchSlices = 30  // of calls to each program
	sliceCalls  = 50  // one at a time
	sliceFlight = 400 // benchFlight at a time
	benchFlight = 16
)

// benchServer answers as quickly as a server can.
func benchServer(b *testing.B) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var m struct{ ID json.RawMessage }
		_ = json.Unmarshal(body, &m)
		switch {
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case m.ID == nil:
			w.WriteHeader(http.StatusAccepted)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Mcp-Session-Id", "s")
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"b","version":"1"},"content":[{"type":"text","text":"hello"}]}}`, m.ID)
		}
	}))
	b.Cleanup(server.Close)
	return server.URL + "/mcp"
}

// benchBuild builds a program as releases are built.
func benchBuild(b *testing.B, dir, pkg string) (exe string) {
	b.Helper()
	exe = filepath.Join(dir, filepath.Base(pkg)+".bench")
	build := exec.Command("go", "build", "-trimpath", "-o", exe, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return exe
}

// benchApp runs the real program with one profile for target and returns its command
// for a bridge, and the profile's port.
func benchApp(b *testing.B, dir, target string) (bridge []string, url string) {
	b.Helper()
	exe := benchBuild(b, dir, ".")
	file, ready, state := filepath.Join(dir, "profiles.yaml"), filepath.Join(dir, "ready.json"), filepath.Join(dir, "state")
	yaml := fmt.Sprintf("version: 1\nsettings: {token_store: memory}\nprofiles:\n  box: {target: %q, sign_in: {method: none}}\n", target)
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		b.Fatal(err)
	}
	run := exec.Command(exe, "run", "--no-tray", "--profiles", file, "--state-dir", state, "--ready-file", ready)
	if err := run.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = run.Process.Signal(os.Interrupt); _ = run.Wait() })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if data, err := os.ReadFile(ready); err == nil {
			_, rest, _ := strings.Cut(string(data), `"url"`)
			url = strings.Split(rest, `"`)[1]
			break
		}
		if time.Now().After(deadline) {
			b.Fatal("the app was not ready in time")
		}
	}
	return []string{exe, "bridge", "box", "--state-dir", state}, url
}

// route is one way for a client to reach the server: a program that speaks MCP on its
// pipes or, without a command, a URL.
type route struct {
	name    string
	command []string
	url     string

	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	calls  int
	starts []time.Duration
	took   []time.Duration // of calls one at a time
	median []time.Duration // of each slice of them
	rates  []float64       // calls a second
}

// start starts the program and notes how long its first answer took.
func (w *route) start(b *testing.B) {
	w.cmd = exec.Command(w.command[0], w.command[1:]...)
	w.cmd.Env = append(os.Environ(), "MCP_REMOTE_CONFIG_DIR="+b.TempDir())
	in, err := w.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	w.in, w.out, w.calls = in, bufio.NewReader(out), 1
	began := time.Now()
	if err := w.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	w.send(b, benchHello)
	w.receive(b)
	w.starts = append(w.starts, time.Since(began))
	w.send(b, benchReady)
}

func (w *route) end() { w.in.Close(); _ = w.cmd.Wait() }

func (w *route) send(b *testing.B, line string) {
	if _, err := io.WriteString(w.in, line+"\n"); err != nil {
		b.Fatal(w.name, err)
	}
}

func (w *route) receive(b *testing.B) {
	if _, err := w.out.ReadSlice('\n'); err != nil {
		b.Fatal(w.name, err)
	}
}

func (w *route) next() string { w.calls++; return fmt.Sprintf(benchCall, w.calls) }

func (w *route) call(b *testing.B) {
	line := w.next()
	if w.command != nil {
		w.send(b, line)
		w.receive(b)
		return
	}
	r, err := http.NewRequest(http.MethodPost, w.url, strings.NewReader(line))
	if err != nil {
		b.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
}

// oneByOne makes a slice of calls, of which the first ones only warm up.
func (w *route) oneByOne(b *testing.B) {
	var slice []time.Duration
	for n := range sliceCalls {
		began := time.Now()
		w.call(b)
		if n >= sliceCalls/10 {
			slice = append(slice, time.Since(began))
		}
	}
	w.took = append(w.took, slice...)
	w.median = append(w.median, quantile(slice, 0.5))
}

// inFlight makes a slice of calls of which several are always under way.
func (w *route) inFlight(b *testing.B) {
	began := time.Now()
	for n := range sliceFlight + benchFlight {
		if n >= benchFlight {
			w.receive(b)
		}
		if n < sliceFlight {
			w.send(b, w.next())
		}
	}
	w.rates = append(w.rates, sliceFlight/time.Since(began).Seconds())
}

// benchWays are the ways that are compared. mcp-remote and supergateway call the same
// port as the bridge does, and are left out where build/bench is not installed.
func benchWays(b *testing.B) (programs, urls []*route) {
	dir, err := os.MkdirTemp("", "mt")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	server := benchServer(b)
	bridge, port := benchApp(b, dir, server)
	plain := benchBuild(b, dir, "./testdata/plainbridge")
	programs = []*route{
		{name: "bridge", command: bridge},
		{name: "plain", command: []string{plain, port}},
		{name: "plain-at-server", command: []string{plain, server}},
	}
	npm := filepath.Join("..", "..", "build", "bench", "node_modules")
	for name, command := range map[string][]string{
		"mcp-remote":   {filepath.Join(npm, "mcp-remote", "dist", "proxy.js"), port, "--silent"},
		"supergateway": {filepath.Join(npm, "supergateway", "dist", "index.js"), "--streamableHttp", port, "--logLevel", "none"},
	} {
		if _, err := os.Stat(command[0]); err == nil {
			programs = append(programs, &route{name: name, command: append([]string{"node"}, command...)})
		}
	}
	return programs, []*route{{name: "port", url: port}, {name: "server", url: server}}
}

// BenchmarkBridge answers: how long until a client has its first answer, what does a call
// cost beside one at the port, how many calls a second go through, and how much memory
// does a bridge hold? The ways take turns, so that each has its share of a busy moment;
// build/bench holds mcp-remote and supergateway. The number of turns is fixed.
func BenchmarkBridge(b *testing.B) {
	programs, urls := benchWays(b)
	for range benchStarts {
		for _, w := range programs {
			if w.cmd != nil {
				w.end()
			}
			w.start(b)
		}
	}
	port, plain := urls[0], programs[1]
	var idle []memory
	for _, w := range programs {
		defer w.end()
		w.call(b)
		idle = append(idle, held(w))
	}
	for range benchSlices {
		for _, w := range slices.Concat(urls, programs) {
			w.oneByOne(b)
		}
		for _, w := range programs {
			w.inFlight(b)
		}
	}
	for _, w := range programs {
		reportFigures(b, "start/"+w.name, figures{"p50-ms": ms(quantile(w.starts, 0.5))})
	}
	for _, w := range slices.Concat(urls, programs) {
		reportFigures(b, "call/"+w.name, figures{
			"p50-ms": ms(quantile(w.took, 0.5)), "p99-ms": ms(quantile(w.took, 0.99)),
			"added-p50-ms": ms(quantile(paired(w.median, port.median, minus), 0.5)),
		})
	}
	for _, w := range programs {
		reportFigures(b, "16_in_flight/"+w.name, figures{
			"calls/s": quantile(w.rates, 0.5), "x-plain": quantile(paired(w.rates, plain.rates, over), 0.5),
		})
	}
	for i, w := range programs {
		reportFigures(b, "memory_idle/"+w.name, idle[i].figures())
		reportFigures(b, "memory_used/"+w.name, held(w).figures())
	}
}

type figures map[string]float64

// reportFigures prints what is measured already as the result of a benchmark.
func reportFigures(b *testing.B, name string, f figures) {
	b.Run(name, func(b *testing.B) {
		for unit, value := range f {
			b.ReportMetric(value, unit)
		}
		b.ReportMetric(0, "ns/op")
	})
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func quantile[T cmp.Ordered](all []T, q float64) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(q*float64(len(sorted)-1))]
}

// paired compares the slices of two ways that were made one after the other.
func paired[T any](a, b []T, how func(a, b T) T) []T {
	var all []T
	for i := range a {
		all = append(all, how(a[i], b[i]))
	}
	return all
}

func minus(a, b time.Duration) time.Duration { return a - b }

func over(a, b float64) float64 { return a / b }

// memory is what a process holds, in MB. own is what no other process shares; of the rest
// nearly all are pages of the program's file, which are in memory once for the app and
// all its bridges.
type memory struct{ resident, own float64 }

func (m memory) figures() figures { return figures{"resident-MB": m.resident, "own-MB": m.own} }

func held(w *route) (m memory) {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	for field, to := range map[string]*float64{"VmRSS:": &m.resident, "RssAnon:": &m.own} {
		if _, rest, ok := strings.Cut(string(data), field); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			*to = float64(kb) / 1024
		}
	}
	return m
}
