package stdio

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"
)

// TestWanted counts the requests that need the server; meeting a client and what the bridge
// offers by itself are none.
func TestWanted(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]int32{
		`"initialize","params":{"protocolVersion":"2025-06-18"}`: 0,
		`"server/discover"`: 0,
		`"ping"`:            0,
		`"tools/call","params":{"name":"sign_in_to_test","arguments":{}}`: 0,
		`"tools/call","params":{"name":"echo","arguments":{}}`:            1,
		`"tools/list"`:     1,
		`"resources/list"`: 1,
		`"resources/read"`: 1,
		`"of/tomorrow"`:    1,
	} {
		var times atomic.Int32
		var out bytes.Buffer
		b := New(Options{Name: "test", Out: &out, Upstream: newApp(signedOut), Wanted: func() { times.Add(1) },
			In: strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":` + method + "}\n")})
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := times.Load(); got != want || !strings.HasPrefix(out.String(), `{"jsonrpc":"2.0","id":1,`) {
			t.Errorf("%s: %d times, want %d; answered %s", method, got, want, out.String())
		}
	}
	b := New(Options{Name: "test", Out: new(bytes.Buffer), Upstream: newApp(ready("http://127.0.0.1:1/")), Wanted: func() { t.Error("wanted though it is there") },
		In: strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}` + "\n")})
	if err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}
