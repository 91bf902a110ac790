package proxy

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

var signedOut = &oauth.Error{Code: status.NotSignedIn, Summary: "not signed in", Action: "Open the tray menu > p > Sign in"}

func TestSignedOut(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) {})
	s := serve(t, to.URL, func(o *Options) { o.Tokens = never(signedOut) })
	for name, c := range map[string]struct {
		method, body string
		code         int
		ids          []string // of the errors in the answer
	}{
		"request":          {"POST", call, 200, []string{"7"}},
		"id of any kind":   {"POST", `{"method":"a","id":"\u0041 <b>","jsonrpc":"2.0"}`, 200, []string{`"\u0041 <b>"`}},
		"large id":         {"POST", `{"method":"a","id":12345678901234567890123}`, 200, []string{`12345678901234567890123`}},
		"number spelling":  {"POST", `{"method":"a","id":1.0}`, 200, []string{`1.0`}},
		"last of two":      {"POST", `{"method":"a","id":1,"id":2}`, 200, []string{`2`}},
		"batch":            {"POST", ` [{"method":"a","id":1},{"method":"n"},{"id":3,"result":{}},{"method":"b","id":"x"}]`, 200, []string{`1`, `"x"`}},
		"notification":     {"POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, 503, nil},
		"response":         {"POST", `{"jsonrpc":"2.0","id":1,"result":{}}`, 503, nil},
		"null id":          {"POST", `{"method":"a","id":null}`, 503, nil},
		"object id":        {"POST", `{"method":"a","id":{}}`, 503, nil},
		"other case":       {"POST", `{"method":"a","ID":1}`, 503, nil},
		"batch of none":    {"POST", `[]`, 503, nil},
		"no JSON":          {"POST", `{"id":1,"method":`, 503, nil},
		"empty":            {"POST", "", 503, nil},
		"stream":           {"GET", "", 503, nil},
		"end of a session": {"DELETE", "", 503, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, body := do(t, c.method, s.url("/"), c.body)
			if answer.StatusCode != c.code || (answer.Header.Get("Retry-After") == "") != (c.code == 200) {
				t.Errorf("got %s, Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
			}
			errors := []json.RawMessage{json.RawMessage(body)}
			if body[0] == '[' {
				if err := json.Unmarshal([]byte(body), &errors); err != nil {
					t.Fatal(err)
				}
			}
			if want := max(len(c.ids), 1); len(errors) != want {
				t.Fatalf("%d errors, want %d: %s", len(errors), want, body)
			}
			for i, one := range errors {
				e := localError(t, answer, string(one))
				if i < len(c.ids) && string(e.ID) != c.ids[i] || len(c.ids) == 0 && e.ID != nil {
					t.Errorf("id %s, want %v", e.ID, c.ids)
				}
				if e.Error.Code != 31001 || e.Error.Data.Profile != "p" || e.Error.Data.Reason != "not_signed_in" ||
					e.Error.Data.Action != signedOut.Action || !strings.HasPrefix(e.Error.Message, "p (127.0.0.1:") {
					t.Errorf("got %+v", e)
				}
			}
		})
	}
	t.Cleanup(func() {
		if to.hits.Load() != 0 {
			t.Error("the target was asked")
		}
	})
}

func TestReasons(t *testing.T) {
	t.Parallel()
	to := target(t, func(w http.ResponseWriter, r *http.Request) {})
	for code, want := range map[status.Code]struct {
		http, rpc int
		retry     string
	}{
		status.NotSignedIn: {503, 31001, "10"}, status.SignInRunning: {503, 31002, "5"}, status.SecretStoreLocked: {503, 31003, "5"},
		status.IDPUnavailable: {503, 31004, "120"}, status.CredentialsRejected: {503, 31014, "30"}, status.SecretStoreAbsent: {503, 31015, "30"},
		status.SignInFailed: {503, 31016, "10"}, status.ProviderRefused: {503, 31017, "30"}, "something_new": {503, 31099, "5"},
	} {
		e := &oauth.Error{Code: code, Summary: "summary", Action: "Do it"}
		if code == status.IDPUnavailable {
			e.RetryAfter = 119*time.Second + time.Millisecond
		}
		s := serve(t, to.URL, func(o *Options) { o.Tokens = never(e) })
		answer, body := do(t, "GET", s.url("/"), "")
		got := localError(t, answer, body)
		if answer.StatusCode != want.http || got.Error.Code != want.rpc || answer.Header.Get("Retry-After") != want.retry {
			t.Errorf("%s: %s, %d, Retry-After %q", code, answer.Status, got.Error.Code, answer.Header.Get("Retry-After"))
		}
		if !strings.Contains(s.log.String(), got.Error.Data.Ref) {
			t.Errorf("%s: the log does not have %s:\n%s", code, got.Error.Data.Ref, s.log)
		}
	}
}

func TestMessage(t *testing.T) {
	t.Parallel()
	f := &failure{code: status.IDPUnavailable, says: "line\r\nbreak \x1b[31m \u202e and " + strings.Repeat("ü", 400), action: "Do it."}
	got := f.message("p", "h.example", "0a0b0c0d")
	if len(got) > 300 || strings.ContainsAny(got, "\r\n\x1b\u202e") || !strings.HasSuffix(got, "… Do it. (ref 0a0b0c0d)") || strings.ContainsRune(got, '\ufffd') {
		t.Errorf("got %q", got)
	}
	f.action = strings.Repeat("Do it. ", 100)
	if got := f.message("p", "h.example", "0a0b0c0d"); len(got) > 300 || !strings.HasPrefix(got, "p (h.example): line") || !strings.HasSuffix(got, "… (ref 0a0b0c0d)") {
		t.Errorf("got %q", got)
	}
	f = &failure{says: "not signed in.", action: "Sign in."}
	if got := f.message("p", "", "r"); got != "p: not signed in. Sign in. (ref r)" {
		t.Errorf("got %q", got)
	}
}

func FuzzRequestIDs(f *testing.F) {
	for _, seed := range []string{call, `[{"id":1,"method":"a"},{"id":"b","method":"c"}]`, `{"id":null,"method":"a"}`, "[", `{"id":-1e9,"method":""}`,
		"\ufeff{}", `{"id":"\ud800","method":"x"}`, strings.Repeat("[", 20000)} {
		f.Add([]byte(seed))
	}
	object := (&failure{code: status.NotSignedIn, says: "s", action: "a"}).object("p", "h", "r")
	f.Fuzz(func(t *testing.T, body []byte) {
		ids, batch := requestIDs(body)
		answer := envelope(object, ids, batch)
		if !json.Valid(answer) {
			t.Fatalf("%q for %q", answer, body)
		}
		if (answer[0] == '[') != (batch && len(ids) > 0) {
			t.Errorf("%q for %q", answer, body)
		}
		for _, id := range ids {
			if !bytes.Contains(body, id) || !bytes.Contains(answer, append([]byte(`"id":`), id...)) {
				t.Errorf("id %q of %q is not that of %q", id, answer, body)
			}
		}
	})
}

// A provider that wants to be left alone for long: the message says until when.
func TestWhenToTryAgain(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		0: "Try again in a moment", 2 * time.Second: "Try again in a moment", aMoment: "Try again in a moment", time.Hour: "Try again at ",
	} {
		if f := ofToken(&oauth.Error{Code: status.IDPUnavailable, RetryAfter: wait}); !strings.HasPrefix(f.action, want) {
			t.Errorf("%v: %s", wait, f.action)
		}
	}
	if f := ofToken(&oauth.Error{RetryAfter: time.Hour, Action: "Check sign_in.scopes"}); f.action != "Check sign_in.scopes" {
		t.Errorf("%s", f.action)
	}
}
