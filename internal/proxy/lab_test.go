//go:build unix

package proxy

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// The benchmarks run client, proxy and server in processes of their own, so that
// neither scheduler nor garbage collector is shared. The test binary plays all roles.

const roleEnv, upstreamEnv = "PROXY_LAB_ROLE", "PROXY_LAB_UPSTREAM"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		fmt.Println(roles[role](os.Getenv(upstreamEnv)))
		serveUsage()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// roles start something and return its address.
var roles = map[string]func(upstream string) string{
	"server":       labServer,
	"reverseproxy": labReverseProxy,
	"ours":         labOurs,
}

// serveUsage answers each line on stdin with what the process uses, until its end.
func serveUsage() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(residentBytes(), cpuTime())
	}
}

func residentBytes() int {
	text, _ := os.ReadFile("/proc/self/statm") // in pages: size resident …
	if fields := strings.Fields(string(text)); len(fields) > 1 {
		pages, _ := strconv.Atoi(fields[1])
		return pages * os.Getpagesize()
	}
	return 0
}

// cpuTime is what the process used of user and system time, in nanoseconds.
func cpuTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

const largeAnswer = 4 << 20

// labServer answers a call with 1 KiB, /large with 4 MiB, /sse with one event, /paced
// with an event every 10 ms that says when it was sent, /idle with a stream that says
// nothing.
func labServer(string) string {
	small := []byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"` + strings.Repeat("x", 950) + `"}]}}`)
	large := []byte(`{"jsonrpc":"2.0","id":1,"result":"` + strings.Repeat("x", largeAnswer-36) + `"}`)
	answer := func(body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.Write(body)
		}
	}
	events := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-cache, no-transform")
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/mcp", answer(small))
	mux.HandleFunc("/mcp/large", answer(large))
	mux.HandleFunc("/mcp/sse", func(w http.ResponseWriter, r *http.Request) {
		events(w, r)
		fmt.Fprintf(w, "event: message\ndata: %s\n\n", small)
		w.(http.Flusher).Flush()
	})
	mux.HandleFunc("/mcp/paced", func(w http.ResponseWriter, r *http.Request) {
		events(w, r)
		for r.Context().Err() == nil {
			fmt.Fprintf(w, "data: %d\n\n", time.Now().UnixNano())
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	mux.HandleFunc("/mcp/idle", func(w http.ResponseWriter, r *http.Request) {
		events(w, r)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	return labListen(mux)
}

func labListen(h http.Handler) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(l, h)
	return l.Addr().String()
}

// labReverseProxy is httputil.ReverseProxy as well tuned as it gets.
func labReverseProxy(upstream string) string {
	target := &url.URL{Scheme: "http", Host: upstream}
	return labListen(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set("Authorization", "Bearer "+labToken)
		},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		BufferPool:    &labBuffers{sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}},
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 128, IdleConnTimeout: 90 * time.Second},
	})
}

type labBuffers struct{ pool sync.Pool }

func (b *labBuffers) Get() []byte  { return *b.pool.Get().(*[]byte) }
func (b *labBuffers) Put(p []byte) { b.pool.Put(&p) }

func labOurs(upstream string) string {
	l, err := Listen("127.0.0.1:0", ListenOptions{})
	if err != nil {
		panic(err)
	}
	p := profile.Profile{Name: "lab", Target: "http://" + upstream + "/mcp"}
	h, err := New(Options{Profile: p, Addr: l.Addr(), Tokens: &fixedTokens{token: labToken}})
	if err != nil {
		panic(err)
	}
	l.Mount(h)
	return l.Addr()
}

var labToken = strings.Repeat("t", 900) // about what a JWT takes

// process is a role that runs.
type process struct {
	addr  string
	in    io.WriteCloser
	out   *bufio.Scanner
	conns []*rawClient
}

func startRole(tb testing.TB, role, upstream string) *process {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role, upstreamEnv+"="+upstream)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p := &process{in: in, out: bufio.NewScanner(out)}
	tb.Cleanup(func() { in.Close(); cmd.Wait() })
	if !p.out.Scan() {
		tb.Fatalf("%s did not start", role)
	}
	p.addr = p.out.Text()
	return p
}

// usage is resident bytes and nanoseconds of CPU time.
func (p *process) usage(tb testing.TB) (resident int, cpu int64) {
	fmt.Fprintln(p.in)
	if !p.out.Scan() {
		tb.Fatal("the process is gone")
	}
	fmt.Sscan(p.out.Text(), &resident, &cpu)
	return resident, cpu
}
