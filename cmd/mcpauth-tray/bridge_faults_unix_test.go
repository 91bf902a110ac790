//go:build unix

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// pauseSignals stop a process and let it go on.
func pauseSignals(*testing.T) (stop, cont syscall.Signal) { return syscall.SIGSTOP, syscall.SIGCONT }

// Every signal that asks for an end leaves no session behind at the server.
func TestBridgeEndsItsSessionAtASignal(t *testing.T) {
	t.Parallel()
	gone := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.Method {
		case http.MethodDelete:
			gone <- r.Header.Get("Mcp-Session-Id")
		case http.MethodPost:
			w.Header().Set("Mcp-Session-Id", "s1")
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`)
		default:
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	}))
	t.Cleanup(server.Close)
	a := passing(t, server.URL+"/mcp")
	for _, args := range [][]string{{"box"}, {server.URL + "/mcp", "--token-store", "memory"}} {
		for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
			if signal.Ignored(end) {
				continue // as under nohup: it is not meant for us
			}
			c := lineBridge(t, a, args...)
			c.send(benchHello)
			c.answer("1")
			if err := c.cmd.Process.Signal(end); err != nil {
				t.Fatal(err)
			}
			select {
			case <-gone:
			case <-time.After(20 * time.Second):
				t.Fatalf("bridge %s, %v: the server was not told\n%s", args[0], end, c.err)
			}
			if err := c.cmd.Wait(); err != nil {
				t.Errorf("bridge %s, %v: it ended with %v\n%s", args[0], end, err, c.err)
			}
		}
	}
}
