package stdio

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// A client that ends while the bridge introduces it to a server that has just come leaves
// no session behind there.
func TestNoSessionIsLeftBehind(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]bool{"while the server is told": true, "when it has been told": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told, gone := make(chan bool, 1), make(chan string, 1)
				up := newApp(absent)
				w := dial(t, up, inMemory(t, func(w http.ResponseWriter, r *http.Request) {
					m := body(r)
					switch {
					case r.Method == http.MethodDelete:
						gone <- r.Header.Get("Mcp-Session-Id")
					case m.method == methodInitialize:
						w.Header().Set("Mcp-Session-Id", "s1")
						answerJSON(w, http.StatusOK, sessionAnswer)
					case m.method == methodInitialized:
						told <- true
						if hangs {
							<-r.Context().Done()
						}
						w.WriteHeader(http.StatusAccepted)
					default:
						w.WriteHeader(http.StatusMethodNotAllowed)
					}
				}))
				w.greet()
				up.become(ready("http://server.example/mcp"))
				soon.Receive(t, told, "the introduction")
				if err := w.end(); err != nil {
					t.Error(err)
				}
				if id := soon.Receive(t, gone, "the session's end"); id != "s1" {
					t.Errorf("session %q was ended", id)
				}
			})
		})
	}
}
