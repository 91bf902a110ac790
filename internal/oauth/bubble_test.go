package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// bubble is an account with a stored grant and a provider that a test plays, under
// synctest's clock.
type bubble struct {
	t        *testing.T
	store    *shelf
	accounts *Accounts
	account  *Account
	profile  profile.Profile

	mu     sync.Mutex
	hits   []hit
	answer func(context.Context, url.Values) (int, string, error)
	header http.Header
	n      int
}

type hit struct {
	at   time.Time
	form url.Values
}

// RoundTrip plays the token endpoint.
func (b *bubble) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.hits = append(b.hits, hit{time.Now(), form})
	answer, header := b.answer, b.header.Clone()
	b.mu.Unlock()
	code, body, err := answer(r.Context(), form)
	if err != nil {
		return nil, err
	}
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// issue answers with fresh tokens that live so many seconds, rotating strictly.
func (b *bubble) issue(seconds int) func(context.Context, url.Values) (int, string, error) {
	return func(_ context.Context, form url.Values) (int, string, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if form.Get("refresh_token") != fmt.Sprint("rt", b.n) {
			return 400, `{"error":"invalid_grant"}`, nil
		}
		b.n++
		return 200, fmt.Sprintf(`{"access_token":"at%d","token_type":"Bearer","expires_in":%d,"refresh_token":"rt%d"}`, b.n, seconds, b.n), nil
	}
}

func says(code int, body string) func(context.Context, url.Values) (int, string, error) {
	return func(context.Context, url.Values) (int, string, error) { return code, body, nil }
}

func fails(err error) func(context.Context, url.Values) (int, string, error) {
	return func(context.Context, url.Values) (int, string, error) { return 0, "", err }
}

func (b *bubble) provide(answer func(context.Context, url.Values) (int, string, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

func (b *bubble) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.hits)
}

const (
	bubbleTarget = "https://mcp.example.com/mcp"
	bubbleIssuer = "https://auth.example.com"
)

func bubbleRecord(life time.Duration) *record {
	now := wallNow()
	r := &record{
		Version: recordVersion, Gen: 1, State: stateLive, Issuer: bubbleIssuer, FoundAt: bubbleIssuer,
		TokenEndpoint: bubbleIssuer + "/token", ClientID: "mine", AuthMethod: authNone, Redirect: "http://localhost/callback",
		Resource: bubbleTarget, Upstream: "https://mcp.example.com", Access: "at0", Refresh: "rt0", Scopes: []string{"a", "b"}, Obtained: now,
	}
	if life != 0 {
		r.Expires = now.Add(life)
	}
	if life < 0 {
		r.Obtained = r.Expires.Add(-time.Hour)
	}
	return r
}

// expired is the life of a token that is gone already.
const expired = -time.Second

// inBubble runs f with an account whose token lives that long.
func inBubble(t *testing.T, life time.Duration, change func(*bubble, *record), f func(*bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, store: newShelf()}
		b.provide(b.issue(3600))
		b.profile = profile.Profile{Name: "tools", Target: bubbleTarget, SignIn: profile.SignIn{
			Method: profile.MethodBrowser, Issuer: bubbleIssuer, ClientID: "mine",
		}}
		rec := bubbleRecord(life)
		if change != nil {
			change(b, rec)
		}
		b.keep(rec)
		b.start()
		f(b)
		b.stop()
	})
}

func (b *bubble) start() {
	b.accounts = New(Options{Store: b.store})
	a, err := b.accounts.Account(b.profile)
	if err != nil {
		b.t.Fatal(err)
	}
	a.source.(*grant).web.transport = b
	b.account = a
}

func (b *bubble) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.accounts.Close(ctx); err != nil {
		b.t.Errorf("Close: %v", err)
	}
}

func (b *bubble) key() string { return accountKey(withDefaults(b.profile)) }

func (b *bubble) keep(r *record) {
	blob, err := json.Marshal(r)
	if err != nil {
		b.t.Fatal(err)
	}
	b.store.put(b.key(), blob)
}

func (b *bubble) stored() *record {
	b.t.Helper()
	blob, err := b.store.Load(context.Background(), b.key())
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := decodeRecord(blob)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// token wants that token.
func (b *bubble) token(want string) {
	b.t.Helper()
	tok, err := b.account.Token(context.Background())
	if err != nil || tok.Value != want {
		b.t.Errorf("token %q, %v; want %s", tok.Value, err, want)
	}
}

func (b *bubble) noToken(want status.Code) *Error {
	b.t.Helper()
	tok, err := b.account.Token(context.Background())
	if got := code(b.t, err); got != want || !tok.IsZero() {
		b.t.Errorf("token %q, %v; want %s", tok.Value, err, want)
	}
	if err == nil {
		return &Error{}
	}
	return asError(err)
}

// Renewal is ahead of time, behind the callers' backs, and only then awaited.
func TestRenewAhead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ life, ahead time.Duration }{
		{time.Hour, 5 * time.Minute},
		{10 * time.Minute, 2 * time.Minute},
		{time.Minute, 12 * time.Second},
		{30 * time.Second, 10 * time.Second},
	} {
		t.Run(c.life.String(), func(t *testing.T) {
			t.Parallel()
			inBubble(t, c.life, nil, func(b *bubble) {
				slow := b.issue(3600)
				b.provide(func(ctx context.Context, form url.Values) (int, string, error) {
					time.Sleep(3 * time.Second)
					return slow(ctx, form)
				})
				r := b.account.Check(context.Background())
				if r.Phase != status.Ready || time.Until(r.RenewAt) != c.life-c.ahead {
					t.Fatalf("renew in %v: %+v", time.Until(r.RenewAt), r)
				}
				time.Sleep(c.life - c.ahead - time.Millisecond)
				b.token("at0")
				if synctest.Wait(); b.count() != 0 {
					t.Fatal("renewed too early")
				}
				if c.ahead <= shortestAhead {
					return
				}
				time.Sleep(time.Millisecond)
				before := time.Now()
				b.token("at0")
				if time.Since(before) != 0 {
					t.Error("the caller had to wait")
				}
				time.Sleep(4 * time.Second)
				b.token("at1")
				if b.count() != 1 {
					t.Errorf("%d renewals", b.count())
				}
			})
		})
	}
}

func TestRenewBlocksAtTheEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, time.Hour, nil, func(b *bubble) {
		time.Sleep(time.Hour - 10*time.Second)
		b.token("at1")
		form := b.hits[0].form
		for name, want := range map[string]string{"grant_type": "refresh_token", "refresh_token": "rt0", "resource": bubbleTarget, "scope": "a b", "client_id": "mine"} {
			if form.Get(name) != want {
				t.Errorf("%s: %q", name, form.Get(name))
			}
		}
		r := b.stored()
		if r.Gen != 2 || r.Access != "at1" || r.Refresh != "rt1" || r.PrevSHA256 != fingerprint("rt0") || b.store.intents() != 0 {
			t.Errorf("stored: %+v, %d intents", *r, b.store.intents())
		}
	})
}

// The loss of a caller is not the loss of a renewal.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	inBubble(t, expired, nil, func(b *bubble) {
		good := b.issue(3600)
		b.provide(func(ctx context.Context, form url.Values) (int, string, error) {
			time.Sleep(5 * time.Second)
			if ctx.Err() != nil {
				t.Error("the renewal was cancelled")
			}
			return good(ctx, form)
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := b.account.Token(ctx); code(t, err) != status.Busy || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		b.token("at1")
	})
}

func TestOneRenewalForAll(t *testing.T) {
	t.Parallel()
	inBubble(t, expired, nil, func(b *bubble) {
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { b.token("at1") })
		}
		wg.Wait()
		if b.count() != 1 {
			t.Errorf("%d renewals", b.count())
		}
	})
}

// F20: while a token lives, trouble at the provider is nobody's trouble.
func TestProviderDownWhileTokenLives(t *testing.T) {
	t.Parallel()
	inBubble(t, time.Hour, nil, func(b *bubble) {
		time.Sleep(50 * time.Minute)
		b.provide(says(500, ""))
		time.Sleep(5 * time.Minute)
		for range 240 {
			b.token("at0")
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if n := b.count(); n < 3 || n > 12 {
			t.Errorf("%d tries in 4 minutes", n)
		}
		r := b.account.Check(context.Background())
		if r.Phase != status.Ready || !r.Failed || r.Code != status.IDPUnavailable || !r.RenewAt.Equal(*r.Account.ExpiresAt) {
			t.Errorf("%+v", r)
		}
		b.provide(b.issue(3600))
		if r := b.account.Check(context.Background()); r.Phase != status.Ready || r.Failed || r.Code != "" {
			t.Errorf("%+v", r)
		}
		b.token("at1")
	})
}

// Once the token is gone, requests may ask again every 2 s, and see why not.
func TestProviderDownAfterwards(t *testing.T) {
	t.Parallel()
	inBubble(t, expired, nil, func(b *bubble) {
		b.provide(fails(&net.OpError{Op: "dial", Err: errors.New("connection refused")}))
		time.Sleep(2 * time.Second)
		for range 20 {
			if e := b.noToken(status.IDPUnavailable); !strings.Contains(e.Detail, "connection refused") {
				t.Errorf("%v", e)
			}
			time.Sleep(500 * time.Millisecond)
		}
		if n := b.count(); n != 5 {
			t.Errorf("%d tries in 10 s", n)
		}
		if r := b.account.Check(context.Background()); r.Phase != status.Backoff || !r.Failed || r.Code != status.IDPUnavailable {
			t.Errorf("%+v", r)
		}
		b.provide(b.issue(3600))
		time.Sleep(2 * time.Second)
		b.token("at1")
	})
}

// F21, F22: what the provider asks for is granted, within reason.
func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	inBubble(t, expired, nil, func(b *bubble) {
		b.header = http.Header{"Retry-After": {"120"}}
		b.provide(says(503, ""))
		if e := b.noToken(status.IDPUnavailable); e.RetryAfter != 2*time.Minute {
			t.Errorf("retry after %v", e.RetryAfter)
		}
		for range 119 {
			time.Sleep(time.Second)
			b.noToken(status.IDPUnavailable)
			b.account.Check(context.Background())
		}
		if b.count() != 1 {
			t.Errorf("%d tries", b.count())
		}
		if r := b.account.Check(context.Background()); r.RetryAfter != 2*time.Minute {
			t.Errorf("%+v", r)
		}
		b.provide(b.issue(3600))
		time.Sleep(time.Second)
		b.token("at1")
	})
}

// F23: a provider that never answers.
func TestSlowTokenEndpoint(t *testing.T) {
	t.Parallel()
	inBubble(t, expired, nil, func(b *bubble) {
		b.provide(func(ctx context.Context, _ url.Values) (int, string, error) {
			<-ctx.Done()
			return 0, "", ctx.Err()
		})
		before := time.Now()
		e := b.noToken(status.IDPUnavailable)
		if took := time.Since(before); took != renewalTime || !strings.Contains(e.Detail, "in time") {
			t.Errorf("after %v: %v", took, e)
		}
		if b.count() != 2 || b.hits[1].at.Sub(b.hits[0].at) != requestTime+againAfter || b.stored().State != stateLive {
			t.Errorf("%d tries: %v", b.count(), b.hits)
		}
	})
}

// F28: an answer that got lost is asked for once more, with the same token.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]func(context.Context, url.Values) (int, string, error){
		"reset":     fails(&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}),
		"EOF":       fails(io.ErrUnexpectedEOF),
		"truncated": says(200, `{"access_token":"at`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, expired, nil, func(b *bubble) {
				good := b.issue(3600)
				b.provide(func(ctx context.Context, form url.Values) (int, string, error) {
					b.provide(good)
					return lost(ctx, form)
				})
				b.token("at1")
				if b.count() != 2 || b.hits[1].at.Sub(b.hits[0].at) != againAfter || b.hits[1].form.Get("refresh_token") != "rt0" {
					t.Errorf("%v", b.hits)
				}
			})
		})
	}
}

// A strict provider takes the second try for theft: that is told as what it is.
func TestLostAnswerEndsGrant(t *testing.T) {
	t.Parallel()
	inBubble(t, expired, nil, func(b *bubble) {
		b.provide(func(context.Context, url.Values) (int, string, error) {
			b.provide(says(400, `{"error":"invalid_grant"}`))
			return 0, "", io.ErrUnexpectedEOF
		})
		if e := b.noToken(status.NotSignedIn); !strings.Contains(e.Detail, "lost on the way") {
			t.Errorf("%v", e)
		}
	})
}

// What is known of an interruption outlives tries that reached nobody.
func TestInterruptedThenOffline(t *testing.T) {
	t.Parallel()
	inBubble(t, expired, nil, func(b *bubble) {
		dial := fails(&net.OpError{Op: "dial", Err: errors.New("connection refused")})
		b.provide(dial)
		b.noToken(status.IDPUnavailable)
		if b.store.intents() != 0 {
			t.Error("an intent is left though nothing was sent")
		}
		b.provide(says(500, ""))
		time.Sleep(time.Minute)
		b.noToken(status.IDPUnavailable)
		b.provide(dial)
		time.Sleep(time.Minute)
		b.noToken(status.IDPUnavailable)
		b.provide(says(400, `{"error":"invalid_grant"}`))
		time.Sleep(time.Minute)
		if e := b.noToken(status.NotSignedIn); !strings.Contains(e.Detail, "interrupted while renewing") {
			t.Errorf("%v", e)
		}
	})
}

// A provider that answers a renewal with the very same token is not asked in a loop.
func TestSameTokenAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, time.Hour, nil, func(b *bubble) {
		b.provide(says(200, `{"access_token":"at0","expires_in":3600}`))
		for range 60 {
			tok, err := b.account.Token(context.Background())
			if err == nil {
				_, _ = b.account.Refused(context.Background(), tok, nil)
			}
			time.Sleep(time.Second / 2)
		}
		if b.count() != 1 {
			t.Errorf("%d renewals in 30 s", b.count())
		}
	})
}

// Nothing was sent, so nothing is sent twice.
func TestNoSecondTryWithoutNeed(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(context.Context, url.Values) (int, string, error){
		"refused": fails(&net.OpError{Op: "dial", Err: errors.New("connection refused")}),
		"dns":     fails(&net.DNSError{Err: "no such host", IsNotFound: true}),
		"500":     says(500, `{"error":"server_error"}`),
		"html":    says(200, `<html>`),
		"waf":     says(403, `<html>`),
		"captive": says(302, ``),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, expired, nil, func(b *bubble) {
				b.provide(answer)
				b.noToken(status.IDPUnavailable)
				if b.count() != 1 || b.stored().State != stateLive || b.stored().Refresh != "rt0" {
					t.Errorf("%d tries, %+v", b.count(), *b.stored())
				}
			})
		})
	}
}

// F27, A69-A71: the rotated refresh token is kept whatever else is wrong.
func TestRotatedTokenIsKept(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"truncated":  `{"refresh_token":"rt1","access_token":"at`,
		"no access":  `{"refresh_token":"rt1"}`,
		"mac":        `{"access_token":"x","token_type":"mac","refresh_token":"rt1"}`,
		"line end":   `{"access_token":"x\ny","refresh_token":"rt1"}`,
		"expires_in": `{"refresh_token":"rt1","expires_in":{"a":`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, expired, nil, func(b *bubble) {
				b.provide(says(200, body))
				b.noToken(status.IDPUnavailable)
				if r := b.stored(); r.Refresh != "rt1" || r.Gen != 2 || r.State != stateLive || b.count() != 1 {
					t.Errorf("%+v after %d tries", *r, b.count())
				}
				b.n = 1
				b.provide(b.issue(3600))
				time.Sleep(2 * time.Second)
				b.token("at2")
			})
		})
	}
}

func TestOddExpiry(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"null", `"abc"`, "0", "-5"} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			inBubble(t, expired, nil, func(b *bubble) {
				b.provide(says(200, `{"access_token":"at1","refresh_token":"rt1","expires_in":`+value+`}`))
				b.token("at1")
				time.Sleep(1000 * time.Hour)
				b.token("at1")
				if r := b.account.Check(context.Background()); r.Phase != status.Ready || r.Summary != "ready" || !r.RenewAt.IsZero() || b.count() != 1 {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// invalid_grant ends a sign-in, keeps its record, and is asked once. Its token serves to the end.
func TestGrantEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, time.Hour, nil, func(b *bubble) {
		time.Sleep(56 * time.Minute)
		b.provide(says(400, `{"error":"invalid_grant"}`))
		r := b.account.Check(context.Background())
		if r.Phase != status.SignInNeeded || r.Code != status.NotSignedIn || !strings.Contains(r.Detail, "invalid_grant") ||
			!strings.HasSuffix(r.Detail, "; calls still work until "+r.Account.ExpiresAt.Local().Format("15:04")) || !r.RenewAt.Equal(*r.Account.ExpiresAt) {
			t.Errorf("%+v", r)
		}
		b.token("at0") // it lives
		time.Sleep(5 * time.Minute)
		if r := b.account.Check(context.Background()); r.Phase != status.SignInNeeded || strings.Contains(r.Detail, "calls") || !r.RenewAt.IsZero() {
			t.Errorf("%+v", r)
		}
		for range 100 {
			b.noToken(status.NotSignedIn)
			b.account.Check(context.Background())
			time.Sleep(time.Minute)
		}
		if s := b.stored(); b.count() != 1 || s.State != stateDead || s.Refresh != "rt0" || s.Gen != 2 {
			t.Errorf("%d tries, %+v", b.count(), *s)
		}
		b.stop()
		b.start()
		if e := b.noToken(status.NotSignedIn); !strings.Contains(e.Detail, "invalid_grant") || b.count() != 1 {
			t.Errorf("%v, %d tries", e, b.count())
		}
	})
}

// F29: somebody else renewed meanwhile.
func TestSiblingRenewed(t *testing.T) {
	t.Parallel()
	inBubble(t, expired, nil, func(b *bubble) {
		b.provide(func(context.Context, url.Values) (int, string, error) {
			r := bubbleRecord(time.Hour)
			r.Gen, r.Access, r.Refresh = 2, "at-sibling", "rt-sibling"
			b.keep(r)
			return 400, `{"error":"invalid_grant"}`, nil
		})
		b.token("at-sibling")
	})
	inBubble(t, expired, nil, func(b *bubble) {
		b.account.Check(context.Background()) // renewed to rt1
		r := bubbleRecord(2 * time.Hour)
		r.Gen, r.Access, r.Refresh = 9, "at-sibling", "rt-sibling"
		b.keep(r)
		time.Sleep(time.Hour - 20*time.Second)
		b.token("at1")
		synctest.Wait()
		if b.count() != 1 {
			t.Errorf("%d renewals: the stored token was good", b.count())
		}
		b.token("at-sibling")
	})
}

// F2: what a crash left behind is tried once, and explained.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	inBubble(t, expired, func(b *bubble, r *record) {
		blob, err := json.Marshal(intent{Gen: 1, SHA256: fingerprint("rt0"), Started: wallNow().Add(-time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		b.store.put(intentKey(b.key()), blob)
		b.provide(says(400, `{"error":"invalid_grant"}`))
	}, func(b *bubble) {
		want := "interrupted while renewing at " + time.Now().Add(-time.Hour).Local().Format("15:04")
		if e := b.noToken(status.NotSignedIn); !strings.Contains(e.Detail, want) {
			t.Errorf("%v", e)
		}
		if b.count() != 1 || b.store.intents() != 0 {
			t.Errorf("%d tries, %d intents", b.count(), b.store.intents())
		}
	})
	inBubble(t, expired, func(b *bubble, _ *record) {
		b.store.put(intentKey(b.key()), []byte(`{"gen":1,"rt_sha256_8":"another"}`))
		b.provide(says(400, `{"error":"invalid_grant"}`))
	}, func(b *bubble) {
		if e := b.noToken(status.NotSignedIn); strings.Contains(e.Detail, "interrupted") {
			t.Errorf("%v", e)
		}
	})
}

// F40, F42: a full disk keeps early renewals from happening, and loses nothing.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	inBubble(t, time.Hour, nil, func(b *bubble) {
		b.token("at0")
		b.store.fail(errors.New("no space left on device"))
		time.Sleep(56 * time.Minute)
		if r := b.account.Check(context.Background()); r.Phase != status.Ready || !r.Failed || r.Code != status.SignInUnsaved || b.count() != 0 {
			t.Errorf("%+v, %d renewals", r, b.count())
		}
		b.token("at0")
		time.Sleep(4 * time.Minute)
		b.token("at1")
		r := b.account.Check(context.Background())
		if r.Phase != status.Ready || r.Code != status.SignInUnsaved || !strings.Contains(r.Detail, "no space left") {
			t.Errorf("%+v", r)
		}
		if s := b.stored(); s.Access != "at0" || s.Refresh != "rt0" {
			t.Errorf("%+v", *s)
		}
		b.store.fail(nil)
		time.Sleep(saveEvery)
		synctest.Wait()
		if s := b.stored(); s.Access != "at1" || s.Refresh != "rt1" || s.Gen != 2 {
			t.Errorf("%+v", *s)
		}
		if r := b.account.Check(context.Background()); r.Code != "" {
			t.Errorf("%+v", r)
		}
	})
	inBubble(t, expired, nil, func(b *bubble) { // saved on the way out
		b.token("at1")
		b.store.fail(errors.New("no space left on device"))
		time.Sleep(time.Hour)
		b.token("at2")
		time.Sleep(time.Hour)
		b.token("at3")
		b.store.fail(nil)
		b.stop()
		if s := b.stored(); s.Access != "at3" {
			t.Errorf("%+v", *s)
		}
	})
}

func TestStoreLocked(t *testing.T) {
	t.Parallel()
	locked := &Error{Code: status.SecretStoreLocked, Summary: "the keyring is locked", Action: "Unlock it"}
	inBubble(t, time.Hour, func(b *bubble, _ *record) { b.store.lockUp(locked) }, func(b *bubble) {
		r := b.account.Check(context.Background())
		if r.Phase != status.Backoff || !r.Failed || r.Code != status.SecretStoreLocked || r.Action != "Unlock it" {
			t.Errorf("%+v", r)
		}
		if r.RetryAfter <= 0 || r.RetryAfter > 5*time.Second {
			t.Errorf("retry after %v", r.RetryAfter)
		}
		b.noToken(status.SecretStoreLocked)
		if err := b.account.SignIn(context.Background()); code(t, err) != status.SecretStoreLocked {
			t.Errorf("%v", err)
		}
		b.store.lockUp(nil)
		time.Sleep(5 * time.Second)
		if r := b.account.Check(context.Background()); r.Phase != status.Ready {
			t.Errorf("%+v", r)
		}
		b.token("at0")
	})
}

// What cannot be read is left alone.
func TestUnreadableRecord(t *testing.T) {
	t.Parallel()
	for _, blob := range []string{"rubbish", "{}", `{"version":99,"token_endpoint":"x","upstream_origin":"y"}`} {
		inBubble(t, time.Hour, nil, func(b *bubble) {
			b.stop()
			b.store.put(b.key(), []byte(blob))
			b.start()
			if e := b.noToken(status.NotSignedIn); !strings.Contains(e.Detail, "not used") {
				t.Errorf("%v", e)
			}
			b.account.Check(context.Background())
			left, err := b.store.Load(context.Background(), b.key())
			if err != nil || string(left) != blob || b.count() != 0 {
				t.Errorf("%q, %v", left, err)
			}
		})
	}
}

// A73: an upstream that refuses everything.
func TestRefusedEveryTime(t *testing.T) {
	t.Parallel()
	inBubble(t, time.Hour, nil, func(b *bubble) {
		refused, tries := 0, 0
		for range 30 * 60 {
			tok, err := b.account.Token(context.Background())
			if err == nil {
				tries++
				_, err = b.account.Refused(context.Background(), tok, []string{`Bearer error="invalid_token"`})
			}
			if err != nil {
				if code(t, err) != status.CredentialsRejected {
					t.Fatal(err)
				}
				refused++
				if r := b.account.Check(context.Background()); r.Phase != status.SignInNeeded || r.Code != status.CredentialsRejected || r.Failed || !r.RenewAt.IsZero() {
					t.Fatalf("%+v", r)
				}
			}
			time.Sleep(time.Second)
		}
		if tries < 800 || tries > 1000 || refused < 1700 {
			t.Errorf("%d tries and %d refusals in 30 minutes", tries, refused)
		}
		b.account.Accepted(b.tried())
		if r := b.account.Check(context.Background()); r.Phase != status.Ready || r.Code != "" {
			t.Errorf("%+v", r)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for i, h := range b.hits {
			if i > 0 && h.at.Sub(b.hits[i-1].at) < forcedEvery {
				t.Errorf("renewals %v apart", h.at.Sub(b.hits[i-1].at))
			}
			if i >= 3 && h.at.Sub(b.hits[i-3].at) < forcedWindow {
				t.Errorf("four renewals in %v", h.at.Sub(b.hits[i-3].at))
			}
		}
		if n := len(b.hits); n < 3 || n > 9 {
			t.Errorf("%d renewals in 30 minutes", n)
		}
	})
}

// A token that is refused after it was taken has ended early: it is renewed, if too soon
// then a little later, by itself.
func TestRefusedBeforeItsTime(t *testing.T) {
	t.Parallel()
	inBubble(t, time.Hour, nil, func(b *bubble) {
		refused := func() (Token, error) {
			return b.account.Refused(context.Background(), b.tried(), nil)
		}
		for range 2 {
			tok, err := refused()
			if err != nil {
				t.Fatal(err)
			}
			b.account.Accepted(tok)
			if r := b.account.Check(context.Background()); r.Phase != status.Ready {
				t.Errorf("%+v", r)
			}
			time.Sleep(forcedEvery - 20*time.Second)
			if _, err := refused(); code(t, err) != status.CredentialsRejected || strings.Contains(err.Error(), "renewed tokens") || !strings.Contains(err.Error(), "Try again at ") {
				t.Errorf("%v", err)
			}
			r := b.account.Check(context.Background())
			if r.Phase != status.Backoff || !r.Failed || r.RetryAfter <= 10*time.Second || r.RetryAfter > 20*time.Second {
				t.Errorf("%+v", r)
			}
			time.Sleep(r.RetryAfter)
			if r := b.account.Check(context.Background()); r.Phase != status.Ready || r.Code != "" {
				t.Errorf("%+v", r)
			}
			b.account.Accepted(b.tried())
			time.Sleep(forcedWindow)
		}
		if b.count() != 4 {
			t.Errorf("%d renewals", b.count())
		}
	})
}

// tried is the token that a request may try with.
func (b *bubble) tried() Token {
	b.t.Helper()
	time.Sleep(requestStep)
	tok, err := b.account.Token(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return tok
}

func TestRefusedOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, time.Hour, nil, func(b *bubble) {
		old, err := b.account.Token(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				tok, err := b.account.Refused(context.Background(), old, nil)
				if err != nil || tok.Value != "at1" {
					t.Errorf("%q, %v", tok.Value, err)
				}
			})
		}
		wg.Wait()
		if b.count() != 1 {
			t.Errorf("%d renewals", b.count())
		}
		if r := b.account.Check(context.Background()); r.Phase != status.Ready {
			t.Errorf("%+v", r)
		}
	})
}

// The refused token is not handed out again while its renewal fails.
func TestRefusedWhileProviderIsDown(t *testing.T) {
	t.Parallel()
	inBubble(t, time.Hour, nil, func(b *bubble) {
		old, err := b.account.Token(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		b.provide(says(500, ""))
		for range 10 {
			if _, err := b.account.Refused(context.Background(), old, nil); code(t, err) != status.IDPUnavailable {
				t.Errorf("%v", err)
			}
			b.noToken(status.IDPUnavailable)
		}
		if b.count() != 1 {
			t.Errorf("%d tries", b.count())
		}
		if r := b.account.Check(context.Background()); r.Phase != status.Backoff {
			t.Errorf("%+v", r)
		}
		b.provide(b.issue(3600))
		time.Sleep(2 * time.Second)
		b.token("at1")
	})
}

// A token that cannot be renewed is over when it is refused, until the upstream takes it again.
func TestRefusedForGood(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(_ *bubble, r *record) { r.Refresh = "" }, func(b *bubble) {
		tok, err := b.account.Token(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.account.Refused(context.Background(), tok, nil); code(t, err) != status.NotSignedIn {
			t.Errorf("%v", err)
		}
		b.noToken(status.NotSignedIn)
		time.Sleep(requestStep - 1)
		b.noToken(status.NotSignedIn)
		time.Sleep(1)
		b.token("at0") // one request may try
		b.noToken(status.NotSignedIn)
		if r := b.account.Check(context.Background()); r.Phase != status.SignInNeeded || r.Code != status.NotSignedIn {
			t.Errorf("%+v", r)
		}
		b.account.Accepted(Token{Value: "another"})
		b.noToken(status.NotSignedIn)
		b.account.Accepted(tok)
		b.token("at0")
		if r := b.account.Check(context.Background()); r.Phase != status.Ready || r.Code != "" || b.count() != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// A72: more rights are offered, calmly, and nothing else changes.
func TestMoreRights(t *testing.T) {
	t.Parallel()
	inBubble(t, time.Hour, nil, func(b *bubble) {
		changes := 0
		b.account.Check(context.Background())
		defer b.account.Subscribe(func(status.Report) { changes++ })()
		tok, err := b.account.Token(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			_, err := b.account.Refused(context.Background(), tok, []string{fmt.Sprintf(`Bearer error="insufficient_scope", scope="a admin%d"`, i)})
			if code(t, err) != status.NotSignedIn {
				t.Fatal(err)
			}
		}
		r := b.account.Check(context.Background())
		if r.Phase != status.Ready || !strings.Contains(r.Detail, "admin0") || changes > 1+offersMost || b.count() != 0 {
			t.Errorf("%d changes: %+v", changes, r)
		}
		b.token("at0")
	})
}

func TestSettingsAtTheProvider(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"invalid_client", "invalid_target", "unsupported_grant_type"} {
		inBubble(t, expired, nil, func(b *bubble) {
			b.provide(says(400, `{"error":"`+name+`"}`))
			e := b.noToken(status.ProviderRefused)
			if !strings.Contains(e.Error(), name) {
				t.Errorf("%v", e)
			}
			for range 299 {
				time.Sleep(time.Second)
				b.noToken(status.ProviderRefused)
			}
			if s := b.stored(); b.count() != 1 || s.State != stateLive || s.Refresh != "rt0" || b.store.intents() != 0 {
				t.Errorf("%s: %d tries, %+v", name, b.count(), *s)
			}
		})
	}
}

// A renewal that wants no scope gets none, from then on.
func TestRenewalWithoutScope(t *testing.T) {
	t.Parallel()
	inBubble(t, expired, nil, func(b *bubble) {
		good := b.issue(1)
		b.provide(func(ctx context.Context, form url.Values) (int, string, error) {
			if form.Has("scope") {
				return 400, `{"error":"invalid_scope"}`, nil
			}
			return good(ctx, form)
		})
		b.token("at1")
		time.Sleep(time.Second)
		b.token("at2")
		if b.count() != 3 {
			t.Errorf("%d requests", b.count())
		}
	})
}

// A63, A120, N18: what a grant is bound to.
func TestBinding(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*record){
		"upstream":   func(r *record) { r.Upstream = "https://other.example" },
		"issuer":     func(r *record) { r.FoundAt = "https://other.example" },
		"client":     func(r *record) { r.ClientID = "other" },
		"auth":       func(r *record) { r.AuthMethod = authBasic },
		"resource":   func(r *record) { r.Resource = "https://other.example/" },
		"no binding": func(r *record) { r.Upstream = "" },
	} {
		inBubble(t, expired, func(b *bubble, r *record) {
			b.profile.SignIn.TokenAuth, b.profile.SignIn.Resource = authNone, bubbleTarget
			change(r)
		}, func(b *bubble) {
			e := b.noToken(status.NotSignedIn)
			if !strings.Contains(e.Detail, "not used") || b.count() != 0 {
				t.Errorf("%s: %v, %d requests", name, e, b.count())
			}
		})
	}
}

func TestSignedOutElsewhere(t *testing.T) {
	t.Parallel()
	inBubble(t, time.Minute, nil, func(b *bubble) {
		b.token("at0")
		if err := b.store.Delete(context.Background(), b.key()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		b.noToken(status.NotSignedIn)
		if b.count() != 0 {
			t.Errorf("%d requests", b.count())
		}
	})
}

// A renewal in flight is finished and stored when the app ends (F62).
func TestCloseFinishesRenewal(t *testing.T) {
	t.Parallel()
	inBubble(t, expired, nil, func(b *bubble) {
		good := b.issue(3600)
		b.provide(func(ctx context.Context, form url.Values) (int, string, error) {
			time.Sleep(3 * time.Second)
			return good(ctx, form)
		})
		go func() { _, _ = b.account.Token(context.Background()) }()
		time.Sleep(time.Second)
		b.stop()
		if s := b.stored(); s.Access != "at1" || s.Refresh != "rt1" {
			t.Errorf("%+v", *s)
		}
		time.Sleep(time.Hour)
		b.noToken(status.ShuttingDown)
	})
}

// F36: clocks that jump sign nobody out.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	r := bubbleRecord(0)
	r.Obtained, r.Expires = now, now.Add(time.Hour)
	for _, c := range []struct {
		at    time.Time
		lives bool
	}{
		{now.Add(-2 * time.Hour), true}, {time.Unix(0, 0), true}, {now.Add(2 * time.Hour), false}, {now.In(time.FixedZone("x", 14*3600)), true},
	} {
		if r.livesPast(c.at) != c.lives || !r.renewable() {
			t.Errorf("%v", c.at)
		}
	}
	var tr trouble
	tr.note(&Error{RetryAfter: time.Minute}, now)
	if tr.quiet(now.Add(-48*time.Hour), false) != nil {
		t.Error("a clock set back makes the quiet last for days")
	}
	b := breaker{until: now}
	if b.open(now.Add(-48*time.Hour)) != 0 {
		t.Error("a clock set back keeps the breaker open for days")
	}
}
