// Command plainbridge posts the lines of stdin to a URL and writes the answers to stdout,
// with net/http and nothing else: what a bridge in Go costs that knows nothing of MCP.
// The benchmarks compare ours with it.
package main

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
)

func main() {
	var mu sync.Mutex // of stdout and session
	var session string
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 128}
	post := func(line []byte) {
		r, err := http.NewRequest(http.MethodPost, os.Args[1], bytes.NewReader(line))
		if err != nil {
			log.Fatal(err)
		}
		r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
		mu.Lock()
		if session != "" {
			r.Header.Set("Mcp-Session-Id", session)
		}
		mu.Unlock()
		answer, err := transport.RoundTrip(r)
		if err != nil {
			log.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		session = answer.Header.Get("Mcp-Session-Id")
		if len(body) > 0 {
			os.Stdout.Write(append(body, '\n'))
		}
	}
	in := bufio.NewReader(os.Stdin)
	var calls sync.WaitGroup
	for first := true; ; first = false {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		if first {
			post(line)
			continue
		}
		calls.Go(func() { post(line) })
	}
	calls.Wait()
}
