package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// protected answers 401 to every token but the right one, and echoes.
func protected(right string, refusals *[]string) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer "+right {
			mu.Lock()
			*refusals = append(*refusals, got)
			mu.Unlock()
			w.Header().Add("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.Header().Add("WWW-Authenticate", `Basic realm="x"`)
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(401)
			io.WriteString(w, strings.Repeat("go away ", 1000))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.Copy(w, r.Body)
	}
}

func TestReplayAfter401(t *testing.T) {
	t.Parallel()
	var refusals []string
	to := target(t, protected("new", &refusals))
	var asked []oauth.Token
	var challenges []string
	var given *tokens
	s := serve(t, to.URL, func(o *Options) {
		tokens := always("old")
		tokens.refused = func(_ context.Context, t oauth.Token, c []string) (oauth.Token, error) {
			asked, challenges = append(asked, t), c
			return oauth.Token{Value: "new"}, nil
		}
		o.Tokens, given = tokens, tokens
	})
	body := call + strings.Repeat(" ", 300<<10)
	answer, got := post(t, s.url("/"), body)
	if answer.StatusCode != 200 || got != body || to.hits.Load() != 2 {
		t.Errorf("F48: %s, %d bytes, %d requests", answer.Status, len(got), to.hits.Load())
	}
	if len(asked) != 1 || asked[0].Value != "old" || !reflect.DeepEqual(challenges, []string{`Bearer error="invalid_token"`, `Basic realm="x"`}) {
		t.Errorf("F48: refused %v with %q", asked, challenges)
	}
	if !reflect.DeepEqual(refusals, []string{"Bearer old"}) || !reflect.DeepEqual(given.accepted, []string{"new"}) {
		t.Errorf("the target refused %q and accepted %q", refusals, given.accepted)
	}
}

func TestTokenRefusedAgain(t *testing.T) {
	t.Parallel()
	var refusals []string
	to := target(t, protected("none", &refusals))
	var n atomic.Int64
	s := serve(t, to.URL, func(o *Options) {
		tokens := always("old")
		tokens.refused = func(context.Context, oauth.Token, []string) (oauth.Token, error) {
			n.Add(1)
			return oauth.Token{Value: "newer"}, nil
		}
		o.Tokens = tokens
	})
	answer, body := post(t, s.url("/"), call)
	if e := localError(t, answer, body); answer.StatusCode != 200 || e.Error.Code != 31014 || to.hits.Load() != 2 || n.Load() != 2 {
		t.Errorf("%s %s, %d requests, %d refusals told", answer.Status, body, to.hits.Load(), n.Load())
	}
}

func TestNoTokenForA401(t *testing.T) {
	t.Parallel()
	var refusals []string
	to := target(t, protected("none", &refusals))
	for name, tokens := range map[string]Tokens{"an account": always("old"), "none": nil} {
		s := serve(t, to.URL, func(o *Options) { o.Tokens = tokens })
		answer, body := do(t, "GET", s.url("/"), "")
		if e := localError(t, answer, body); answer.StatusCode != 503 || e.Error.Code != 31014 {
			t.Errorf("%s: %s %s", name, answer.Status, body)
		}
	}
}

// The zero Token means that none is sent.
func TestOpenServer(t *testing.T) {
	t.Parallel()
	var got []seen
	to := target(t, watch(&got))
	s := serve(t, to.URL, func(o *Options) { o.Tokens = always("") })
	post(t, s.url("/"), call)
	if _, sent := got[0].header["Authorization"]; sent {
		t.Errorf("got %v", got[0].header)
	}
}

func TestTokenType(t *testing.T) {
	t.Parallel()
	var got []seen
	to := target(t, watch(&got))
	kind := ""
	s := serve(t, to.URL, func(o *Options) {
		o.Tokens = &tokens{get: func(context.Context) (oauth.Token, error) { return oauth.Token{Value: "v", Type: kind}, nil }}
	})
	for _, kind = range []string{"", "bearer", "BEARER", "Special"} {
		post(t, s.url("/"), call)
	}
	for i, want := range []string{"Bearer v", "Bearer v", "Bearer v", "Special v"} {
		if auth := got[i].header.Get("Authorization"); auth != want {
			t.Errorf("got %q, want %q", auth, want)
		}
	}
}

// A request waits for the sign-in that runs.
func TestHeldDuringSignIn(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	done := make(chan struct{})
	waiting := make(chan struct{}, 10)
	s := serve(t, to.URL, func(o *Options) {
		o.Tokens = &tokens{get: func(context.Context) (oauth.Token, error) {
			select {
			case <-done:
				return oauth.Token{Value: token}, nil
			default:
				waiting <- struct{}{}
				return oauth.Token{}, &oauth.Error{Code: status.SignInRunning, Summary: "running", Action: "Finish it", Wait: done}
			}
		}}
	})
	answers := make(chan string)
	for range 3 {
		go func() {
			answer, body := post(t, s.url("/"), call)
			answers <- answer.Status + body
		}()
	}
	for range 3 {
		soon.Receive(t, waiting, "a request")
	}
	if to.hits.Load() != 0 {
		t.Fatal("the target was asked too soon")
	}
	close(done)
	for range 3 {
		if got := soon.Receive(t, answers, "an answer"); got != "200 OK"+call {
			t.Errorf("got %s", got)
		}
	}
}

func TestHeldNotForever(t *testing.T) {
	t.Parallel()
	s := serve(t, "http://127.0.0.1:1", func(o *Options) {
		o.Hold = 50 * time.Millisecond
		o.Tokens = never(&oauth.Error{Code: status.SignInRunning, Summary: "a sign-in is under way", Action: "Finish it in the browser", Wait: make(chan struct{})})
	})
	answer, body := post(t, s.url("/"), call)
	if e := localError(t, answer, body); answer.StatusCode != 200 || e.Error.Code != 31002 {
		t.Errorf("%s %s", answer.Status, body)
	}
}

func TestHeldClientGoesAway(t *testing.T) {
	t.Parallel()
	waiting, gone := make(chan struct{}), make(chan struct{})
	s := serve(t, "http://127.0.0.1:1", func(o *Options) {
		o.Tokens = &tokens{get: func(ctx context.Context) (oauth.Token, error) {
			close(waiting)
			context.AfterFunc(ctx, func() { close(gone) })
			return oauth.Token{}, &oauth.Error{Code: status.SignInRunning, Summary: "s", Action: "a", Wait: make(chan struct{})}
		}}
	})
	ctx, cancel := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, "POST", s.url("/"), strings.NewReader(call))
	r.Header.Set("Content-Type", "application/json")
	go func() { <-waiting; cancel() }()
	if _, err := new(http.Transport).RoundTrip(r); err == nil {
		t.Error("answered")
	}
	soon.Receive(t, gone, "that the token is not wanted any more")
}

func TestStartOnRequest(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) {})
	for name, c := range map[string]struct {
		after []error // what Token says once the sign-in was asked for
		code  int
	}{
		"succeeds": {[]error{signedOut, signedOut, &oauth.Error{Code: status.SignInRunning, Wait: closed()}, nil}, 0},
		"at once":  {[]error{nil}, 0},
		"fails":    {[]error{&oauth.Error{Code: status.SignInRunning, Wait: closed()}, &oauth.Error{Code: status.SignInFailed, Summary: "declined", Action: "a"}}, 31016},
		"stopped":  {[]error{&oauth.Error{Code: status.SignInRunning, Wait: closed()}, signedOut}, 31001},
		"breaks":   {[]error{errors.New("secret trouble")}, 31004},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wanted, calls atomic.Int64
			s := serve(t, to.URL, func(o *Options) {
				o.WantSignIn = func() { wanted.Add(1) }
				o.Tokens = &tokens{get: func(context.Context) (oauth.Token, error) {
					n := calls.Add(1)
					if n == 1 {
						return oauth.Token{}, signedOut
					}
					if err := c.after[min(int(n)-2, len(c.after)-1)]; err != nil {
						return oauth.Token{}, err
					}
					return oauth.Token{Value: token}, nil
				}}
			})
			answer, body := post(t, s.url("/"), call)
			if answer.StatusCode != 200 || wanted.Load() != 1 {
				t.Errorf("%s, asked for a sign-in %d times", answer.Status, wanted.Load())
			}
			if c.code == 0 && body != "" || c.code != 0 && localError(t, answer, body).Error.Code != c.code || strings.Contains(body, "secret") {
				t.Errorf("got %s", body)
			}
		})
	}
}

// A sign-in that was asked for may come to nothing: that is waited for once in a while, and
// not at all when it was seen to end.
func TestStartOnRequestInVain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reason, wanted := signedOut, 0
		h := &Handler{hold: holdFor, log: slog.New(slog.DiscardHandler), wantSignIn: func() { wanted++ }}
		h.tokens = &tokens{get: func(context.Context) (oauth.Token, error) { return oauth.Token{}, reason }}
		waits := func(want time.Duration) {
			t.Helper()
			began, before := time.Now(), wanted
			_, f := h.orWait(t.Context(), oauth.Token{}, signedOut)
			if took := time.Since(began); f == nil || f.code != status.NotSignedIn || took < want || took > want+2*lookAgain || wanted != before+1 {
				t.Errorf("%+v after %v, want %v, asked %d times", f, took, want, wanted-before)
			}
		}
		waits(appearWithin)
		waits(0)
		time.Sleep(vainFor)
		waits(appearWithin)
		time.Sleep(vainFor)
		reason = &oauth.Error{Code: status.NotSignedIn, Summary: "the sign-in failed", Action: "Sign in"}
		waits(lookAgain)
	})
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// Clients' requests start no sign-in by themselves, and do not wait for one.
func TestStartManual(t *testing.T) {
	t.Parallel()
	s := serve(t, "http://127.0.0.1:1", func(o *Options) { o.Tokens = never(signedOut) })
	if answer, _ := do(t, "GET", s.url("/"), ""); answer.StatusCode != 503 {
		t.Errorf("got %s", answer.Status)
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, f := s.handler.orWait(t.Context(), oauth.Token{}, signedOut)
		if took := time.Since(began); f == nil || f.code != status.NotSignedIn || took != 0 {
			t.Errorf("%+v after %v", f, took)
		}
	})
}

// A80: a target that sends the token back does not get it into the log, nor, in a
// header, to the client.
func TestTokenEchoIsNotLogged(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"body":        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n" + token,
		"header":      "HTTP/1.1 200 OK\r\nX-Echo: " + token + "\r\nContent-Length: 0\r\n\r\n",
		"status line": "HTTP/1.1 " + token + "\r\n\r\n",
		"header line": "HTTP/1.1 200 OK\r\n" + token + "\r\n\r\n",
		"location":    "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/" + token + "\r\nContent-Length: 0\r\n\r\n",
		"chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + token + "\r\n",
		"trailer":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + token + "\r\n\r\n",
		"challenge":   "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error=" + token + "\r\nContent-Length: 0\r\n\r\n",
		"type":        "HTTP/1.1 200 OK\r\nContent-Type: text/html;" + token + "\r\nContent-Length: 0\r\n\r\n",
		"endpoint":    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: endpoint\ndata: http://" + token + "/\n\n",
	} {
		s := serve(t, "http://"+rawServer(t, answer))
		method, body := "POST", call
		if name == "endpoint" {
			method, body = "GET", ""
		}
		r, _ := http.NewRequest(method, s.url("/"), strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r); err == nil {
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if name != "body" && (strings.Contains(string(text), token) || strings.Contains(fmt.Sprint(answer.Header), token)) {
				t.Errorf("%s: the client got %v %s", name, answer.Header, text)
			}
		}
		if strings.Contains(s.log.String(), token) {
			t.Errorf("%s: the log says\n%s", name, s.log)
		}
	}
}

// A 403 that asks for more scopes is noted for the account and passed on, once.
func TestMissingRightsAreNoted(t *testing.T) {
	t.Parallel()
	for challenge, want := range map[string]int64{
		`Bearer error="insufficient_scope", scope="mcp:admin"`: 1,
		`Bearer error="invalid_token"`:                         0,
		"":                                                     0,
	} {
		to := target(t, func(w http.ResponseWriter, r *http.Request) {
			if challenge != "" {
				w.Header().Set("WWW-Authenticate", challenge)
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"jsonrpc":"2.0"}`)
		})
		var noted atomic.Int64
		s := serve(t, to.URL, func(o *Options) {
			tokens := always("good")
			tokens.refused = func(context.Context, oauth.Token, []string) (oauth.Token, error) {
				noted.Add(1)
				return oauth.Token{}, errors.New("more rights are needed")
			}
			o.Tokens = tokens
		})
		answer, body := post(t, s.url("/"), call)
		if answer.StatusCode != 403 || body != `{"jsonrpc":"2.0"}` || to.hits.Load() != 1 || noted.Load() != want {
			t.Errorf("%q: %s %s, %d requests, noted %d times", challenge, answer.Status, body, to.hits.Load(), noted.Load())
		}
	}
}
