package main

import (
	"bufio"
	"bytes"
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
)

// benchServer answers as quickly as a server can.
func benchServer(b *testing.B) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, rest, _ := bytes.Cut(body, []byte(`"id":`))
		id, _, ok := bytes.Cut(rest, []byte(","))
		switch {
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case !ok:
			w.WriteHeader(http.StatusAccepted)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Mcp-Session-Id", "s")
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"b","version":"1"},"content":[{"type":"text","text":"hello"}]}}`, id)
		}
	}))
	b.Cleanup(server.Close)
	return server.URL + "/mcp"
}

// benchApp runs the real program with one profile for target and returns its command
// for a bridge, and the profile's port.
func benchApp(b *testing.B, target string) (bridge []string, url string) {
	b.Helper()
	dir, err := os.MkdirTemp("", "mt")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	exe := filepath.Join(dir, "mcpauth-tray")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", exe, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
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

// stdioServer is a program that speaks MCP on its pipes.
type stdioServer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startServer starts one and says how long its first answer took.
func startServer(b *testing.B, command []string) (*stdioServer, time.Duration) {
	b.Helper()
	s := &stdioServer{cmd: exec.Command(command[0], command[1:]...)}
	in, err := s.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	s.in, s.out = in, bufio.NewReader(out)
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	s.send(b, benchHello)
	s.read(b)
	took := time.Since(began)
	s.send(b, benchReady)
	return s, took
}

func (s *stdioServer) send(b *testing.B, line string) {
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		b.Fatal(err)
	}
}

func (s *stdioServer) read(b *testing.B) string {
	line, err := s.out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return line
}

func (s *stdioServer) end() { s.in.Close(); _ = s.cmd.Wait() }

// BenchmarkBridge answers: how long until a client has its first answer, what does a call
// cost beside one at the port, how many calls a second go through, and how much memory
// does a bridge hold? mcp-remote and supergateway are measured too where they are installed.
func BenchmarkBridge(b *testing.B) {
	bridge, port := benchApp(b, benchServer(b))
	b.Run("port", func(b *testing.B) {
		var took []time.Duration
		for n := 0; b.Loop(); n++ {
			began := time.Now()
			r, _ := http.NewRequest(http.MethodPost, port, strings.NewReader(fmt.Sprintf(benchCall, n)))
			r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			took = append(took, time.Since(began))
		}
		reportMedian(b, took)
	})
	commands := map[string][]string{"bridge": bridge}
	for name, args := range map[string][]string{
		"mcp-remote":   {"mcp-remote/dist/proxy.js", port},
		"supergateway": {"supergateway/dist/index.js", "--streamableHttp", port},
	} {
		script := filepath.Join("..", "..", "build", "e2e", "node_modules", args[0])
		if _, err := os.Stat(script); err == nil {
			commands[name] = append([]string{"node", script}, args[1:]...)
		}
	}
	for name, command := range commands {
		b.Run(name+"/start", func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				s, first := startServer(b, command)
				took = append(took, first)
				if len(took) == 1 {
					reportMemory(b, s)
				}
				s.end()
			}
			reportMedian(b, took)
		})
		b.Run(name+"/call", func(b *testing.B) {
			s, _ := startServer(b, command)
			defer s.end()
			var took []time.Duration
			for n := 2; b.Loop(); n++ {
				began := time.Now()
				s.send(b, fmt.Sprintf(benchCall, n))
				s.read(b)
				took = append(took, time.Since(began))
			}
			reportMedian(b, took)
			reportMemory(b, s)
		})
		b.Run(name+"/16 in flight", func(b *testing.B) {
			s, _ := startServer(b, command)
			defer s.end()
			const flight = 16
			began, n := time.Now(), 0
			for ; n < flight; n++ {
				s.send(b, fmt.Sprintf(benchCall, n+2))
			}
			for b.Loop() {
				s.read(b)
				s.send(b, fmt.Sprintf(benchCall, n+2))
				n++
			}
			b.ReportMetric(float64(n)/time.Since(began).Seconds(), "calls/s")
		})
	}
}

func reportMedian(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(0, "ns/op")
}

// reportMemory tells what the process holds, and how much of that is its own: the rest
// are pages of the program's file, which all bridges and the app share.
func reportMemory(b *testing.B, s *stdioServer) {
	pid := s.cmd.Process.Pid
	b.ReportMetric(resident(b, pid), "resident-MB")
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if _, rest, ok := strings.Cut(string(data), "RssAnon:"); ok {
		kb, _ := strconv.Atoi(strings.Fields(rest)[0])
		b.ReportMetric(float64(kb)/1024, "own-MB")
	}
}
