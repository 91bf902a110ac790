package stdio

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// A client that goes before the app said anything learns by the exit code, too, that
// there is no such profile.
func TestUnknownProfileAtAnEarlyEnd(t *testing.T) {
	t.Parallel()
	unknown := Endpoint{State: Unknown, Says: "there is no such profile", Code: 31008, Reason: "profile_error"}
	for range 20 {
		if err := dial(t, newApp(unknown)).end(); !errors.Is(err, ErrUnknownProfile) {
			t.Fatalf("it ended with %v", err)
		}
	}
}

// What breaks off is told in words, not in those of the library.
func TestAnswersThatAreCutOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ begin, want string }{
		"before the answer": {"", "the local port was lost before it answered"},
		"in a body":         {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n{", "the connection was lost before the answer was whole"},
		"in a stream":       {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n: x", "the connection was lost before the answer was whole"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := server(t, func(w http.ResponseWriter, r *http.Request) {
				body(r)
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = conn.Write([]byte(c.begin))
				conn.Close()
			})
			w := dial(t, newApp(ready(url)))
			w.send(modernCall("1", "tools/call", `"name":"echo"`))
			got := w.expect(`"id":1`, `"error"`)
			if says := text(member([]byte(got), "error", "message")); says != "test: "+c.want+". Try again in a moment." {
				t.Errorf("it says %q", says)
			}
			if strings.Contains(got, "EOF") {
				t.Error(got)
			}
		})
	}
}
