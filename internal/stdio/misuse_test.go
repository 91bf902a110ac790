package stdio

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// echoing answers every request with its id as another program would write it, and counts.
func echoing(t testing.TB, id func(raw string) string) (string, *seen) {
	log := &seen{}
	return server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		if m.kind != request {
			log.add("%s", m.raw)
			w.WriteHeader(http.StatusAccepted)
			return
		}
		answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+id(string(m.id))+`,"result":{"of":`+quoted(m.method)+`}}`)
	}), log
}

// A server reads ids and writes them anew. Numbers and strings that mean the same are
// the same id.
func TestIDsAreComparedByWhatTheyMean(t *testing.T) {
	t.Parallel()
	anew := map[string]string{`1.0`: `1`, `1e2`: `100`, `"\u00e9\/"`: `"é/"`, `"a"`: `"\u0061"`, `-0`: `0`, `1.50`: `1.5`,
		`12345678901234567890`: `12345678901234567890`, `"1"`: `"1"`, `2`: `2`, `""`: `""`}
	url, _ := echoing(t, func(raw string) string { return anew[raw] })
	w := dial(t, newApp(ready(url)))
	for sent, got := range anew {
		w.send(`{"jsonrpc":"2.0","id":` + sent + `,"method":"m"}`)
		w.expect(`"id":`+got+`,`, `"result"`)
	}
	// 1 and "1" are two.
	w.send(`{"jsonrpc":"2.0","id":2,"method":"a"}`, `{"jsonrpc":"2.0","id":"1","method":"b"}`)
	for range 2 {
		w.expect(`"result"`)
	}
}

// An id that the server cannot keep loses the answer, not the client.
func TestIDThatTheServerLost(t *testing.T) {
	t.Parallel()
	url, _ := echoing(t, func(string) string { return "12345678901234567000" })
	w := dial(t, newApp(ready(url)))
	w.send(`{"jsonrpc":"2.0","id":12345678901234567890,"method":"m"}`)
	w.expect(`"id":12345678901234567890,`, `"error"`)
	w.silent(20 * time.Millisecond)
}

func TestOddMessages(t *testing.T) {
	t.Parallel()
	url, log := echoing(t, func(raw string) string { return raw })
	w := dial(t, newApp(ready(url)))
	w.send(`{"jsonrpc":"2.0","method":"notifications/unheard-of","params":{"n":1.00}}`)
	log.await(t, `{"jsonrpc":"2.0","method":"notifications/unheard-of","params":{"n":1.00}}`)
	w.send(`{"jsonrpc":"2.0","id":null,"method":"null-is-no-id"}`)
	log.await(t, `{"jsonrpc":"2.0","id":null,"method":"null-is-no-id"}`)
	w.send(`{"jsonrpc":"2.0","id":99,"result":{"to":"nothing"}}`)
	log.await(t, `{"jsonrpc":"2.0","id":99,"result":{"to":"nothing"}}`)
	huge := `"` + strings.Repeat("i", 1<<20) + `"`
	w.send(`{"jsonrpc":"2.0","id":` + huge + `,"method":"m"}`)
	w.expect(`"id":` + huge)
	w.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\xff\xfe\"}")
	w.expect(`"id":1,`, "m\ufffd")
	w.send(`{"jsonrpc":"2.0","id":[1,{"a":2}],"method":"m"}`)
	w.expect(`"id":[1,{"a":2}]`)
	w.send(`{"jsonrpc":"2.0","id":true,"method":"m"}`)
	w.expect(`"id":true`)
	w.send(`{"jsonrpc":"2.0","id":5,"method":"m","params":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`)
	w.expect(`"id":5`, "result")
	w.silent(20 * time.Millisecond)
}

// Of two requests with one id the first has it.
func TestOneIDTwice(t *testing.T) {
	t.Parallel()
	release := make(chan bool)
	var once sync.Once
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		<-release
		answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{"of":`+quoted(m.method)+`}}`)
	})
	w := dial(t, newApp(ready(url)))
	w.send(`{"jsonrpc":"2.0","id":1,"method":"a"}`, `{"jsonrpc":"2.0","id":1.0,"method":"b"}`)
	w.silent(20 * time.Millisecond)
	once.Do(func() { close(release) })
	w.expect(`"id":1,`, `"of":"a"`)
	w.silent(20 * time.Millisecond)
	w.send(`{"jsonrpc":"2.0","id":1,"method":"c"}`) // free again
	w.expect(`"id":1,`, `"of":"c"`)
}

// Several clients, each with a bridge of its own and many requests under way, and ids
// that they have in common: every answer finds its request, and none is lost.
func TestTenThousandInterleaved(t *testing.T) {
	t.Parallel()
	const clients, each = 4, 2500
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		answer := `{"jsonrpc":"2.0","id":` + string(m.id) + `,"result":{"of":` + string(m.param("n")) + `}}`
		switch n, _ := strconv.Atoi(string(m.id)); n % 3 {
		case 0:
			answerJSON(w, http.StatusOK, answer)
		case 1:
			answerEvents(w, "data: "+answer)
		default:
			answerEvents(w, `data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}`, "id: 1\ndata: "+answer)
		}
	})
	var all sync.WaitGroup
	for c := range clients {
		w := dial(t, newApp(ready(url)))
		all.Go(func() {
			for n := range each {
				of := fmt.Sprintf(`"n":"%d/%d"`, c, n)
				if c%2 == 0 {
					w.send(modernCall(strconv.Itoa(n), "m", of))
				} else {
					w.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"m","params":{%s}}`, n, of))
				}
			}
		})
		all.Go(func() {
			seen := map[string]bool{}
			for len(seen) < each {
				m := read([]byte(w.next()))
				if m.kind == notification {
					continue
				}
				id := string(m.id)
				if of := text(member(m.raw, "result", "of")); of != fmt.Sprintf("%d/%s", c, id) || seen[id] {
					t.Errorf("%d got %.200s, seen before: %v", c, m.raw, seen[id])
					return
				}
				seen[id] = true
			}
		})
	}
	all.Wait()
}

// Who sends more than anybody can have under way is told so.
func TestTooManyInFlight(t *testing.T) {
	t.Parallel()
	release := make(chan bool)
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		m := body(r)
		<-release
		answerJSON(w, http.StatusOK, `{"jsonrpc":"2.0","id":`+string(m.id)+`,"result":{}}`)
	})
	const most = 2 * maxUnderWay
	w := dial(t, newApp(ready(url)), func(b *Bridge) { b.calls.most = most })
	go func() {
		for n := range most + 1 {
			w.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"m"}`, n))
		}
	}()
	w.expect(fmt.Sprintf(`"id":%d,`, most), `"error"`, "too many")
	close(release)
	for range most {
		if got := w.next(); !strings.Contains(got, `"result"`) {
			t.Fatal(got)
		}
	}
}

// The reader is not among those that Run waits for: what it would have others do is not
// begun once Run waits.
func TestNothingBeginsBehindTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Name: "test", In: strings.NewReader(""), Out: io.Discard, Upstream: newApp(absent)})
		b.ctx, b.stop = context.WithCancelCause(t.Context())
		defer b.stop(nil)
		c := b.calls.add(b.ctx, read([]byte(`{"jsonrpc":"2.0","id":1,"method":"m"}`)))
		defer c.stop()
		b.finish()
		if !b.cancelled(read([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`))) {
			t.Fatal("it goes on to a server that was left")
		}
		b.work.Wait() // of somebody who waits for the call there would be no end
	})
}
