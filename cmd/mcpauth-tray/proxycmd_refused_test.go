package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// askedAt is what a client is told at url.
func askedAt(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestProxyWithARefusedToken: there is no sign-in that would help, and the proxy stays up to
// say so.
func TestProxyWithARefusedToken(t *testing.T) {
	t.Parallel()
	box := startBox(t)
	r := startProxy(t, t.TempDir(), "--target-uri", box.MCPURL(), "--token-store", "memory", "--remote-auth-bearer-token", "hush4hush")
	first := askedAt(t, r.url)
	if said := r.await("refuses the token"); !strings.Contains(said, "Put a new token there") || strings.Contains(said, "signin") {
		t.Errorf("it said:\n%s", said)
	}
	if second := askedAt(t, r.url); !strings.Contains(first, "refuses the token") || !strings.Contains(second, "refuses the token") {
		t.Errorf("clients are told %s\nand %s", first, second)
	}
	r.stop()
}

// TestProxySaysHowToSignIn: there is no tray, and the state is not in its usual place.
func TestProxySaysHowToSignIn(t *testing.T) {
	t.Parallel()
	box := startBox(t)
	r := startProxy(t, t.TempDir(), "--target-uri", box.MCPURL(), "--token-store", "memory", "--remote-auth-skip-browser", "--remote-auth-timeout", "1s",
		"--remote-auth-callback-port", freePort(t))
	r.await("Run: mcpauth-tray signin box --state-dir")
	if told := askedAt(t, r.url); !strings.Contains(told, "signin box --state-dir") || strings.Contains(told, "tray menu") {
		t.Errorf("clients are told %s", told)
	}
	r.stop()
}
