package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// world is a sandbox, a profile for it, and everything its account has said.
type world struct {
	t        *testing.T
	sb       *sandbox.Sandbox
	store    *shelf
	accounts *Accounts
	account  *Account
	profile  profile.Profile
	settings profile.Settings
	log      *logBook

	mu      sync.Mutex
	reports []status.Report
	news    chan struct{}
}

func sandboxed(t *testing.T, o sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	sb, err := sandbox.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sb.Close() })
	return sb
}

// newWorld starts a world; change may alter the profile before the account is made.
func newWorld(t *testing.T, o sandbox.Options, change func(*world)) *world {
	t.Helper()
	w := &world{t: t, sb: sandboxed(t, o), store: newShelf(), log: &logBook{}, news: make(chan struct{}, 1)}
	w.profile = profile.Profile{Name: "tools", Target: w.sb.MCPURL()}
	if o.TLS {
		w.profile.TLS.CAFile = filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(w.profile.TLS.CAFile, w.sb.CA(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if change != nil {
		change(w)
	}
	w.start()
	t.Cleanup(func() {
		w.stop()
		w.noLeaks()
	})
	return w
}

func (w *world) start() {
	w.t.Helper()
	w.accounts = New(Options{Store: w.store, Settings: w.settings, Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))})
	w.account = w.open(w.profile)
	w.account.Subscribe(w.hear)
}

func (w *world) open(p profile.Profile) *Account {
	w.t.Helper()
	a, err := w.accounts.Account(p)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), soon.Limit)
	defer cancel()
	if err := w.accounts.Close(ctx); err != nil {
		w.t.Errorf("Close: %v", err)
	}
}

// restart is a new process on the same store.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

func (w *world) hear(r status.Report) {
	w.mu.Lock()
	w.reports = append(w.reports, r)
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

func (w *world) last() status.Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.reports) == 0 {
		return status.Report{}
	}
	return w.reports[len(w.reports)-1]
}

// await waits until the newest report satisfies ok.
func (w *world) await(what string, ok func(status.Report) bool) status.Report {
	w.t.Helper()
	deadline := time.After(soon.Limit)
	for {
		if r := w.last(); ok(r) {
			return r
		}
		select {
		case <-w.news:
		case <-deadline:
			w.t.Fatalf("no report %s; the last is %+v", what, w.last())
		}
	}
}

func (w *world) prompt() *status.Prompt {
	w.t.Helper()
	return w.await("with a prompt", func(r status.Report) bool { return r.Prompt != nil }).Prompt
}

// begin starts a sign-in and returns its end.
func (w *world) begin() <-chan error {
	done := make(chan error, 1)
	ctx := soon.Context(w.t)
	go func() { done <- w.account.SignIn(ctx) }()
	return done
}

// signIn signs in like a person with a browser.
func (w *world) signIn(p *sandbox.Person) (*sandbox.Visited, error) {
	w.t.Helper()
	done := w.begin()
	for {
		select {
		case err := <-done:
			return nil, err
		case <-w.news:
		}
		if prompt := w.last().Prompt; prompt != nil {
			page, err := p.Visit(soon.Context(w.t), prompt.URL)
			if err != nil {
				w.t.Fatal(err)
			}
			return page, w.end(done)
		}
	}
}

func (w *world) end(done <-chan error) error {
	w.t.Helper()
	return soon.Receive(w.t, done, "the end of the sign-in")
}

// person is somebody with a browser.
func (w *world) person() *sandbox.Person { return &sandbox.Person{Client: w.sb.Client()} }

func (w *world) mustSignIn() Token {
	w.t.Helper()
	page, err := w.signIn(w.person())
	if err != nil {
		w.t.Fatalf("sign-in: %v", err)
	}
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "<h1>Signed in</h1>") {
		w.t.Errorf("the browser saw %d %q", page.Status, page.Body)
	}
	return w.mustToken()
}

func (w *world) mustToken() Token {
	w.t.Helper()
	tok, err := w.account.Token(soon.Context(w.t))
	if err != nil {
		w.t.Fatalf("token: %v", err)
	}
	if tok.IsZero() {
		w.t.Fatal("no token")
	}
	return tok
}

// works asks the target something with a token.
func (w *world) works(tok Token) bool {
	w.t.Helper()
	r, err := http.NewRequestWithContext(soon.Context(w.t), http.MethodPost, w.sb.EchoURL(), strings.NewReader("{}"))
	if err != nil {
		w.t.Fatal(err)
	}
	if !tok.IsZero() {
		r.Header.Set("Authorization", tok.Authorization())
	}
	resp, err := w.sb.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// noLeaks looks for the secrets of the sandbox where none may be.
func (w *world) noLeaks() {
	secrets := w.sb.Secrets()
	w.mu.Lock()
	told := fmt.Sprintf("%+v", w.reports)
	w.mu.Unlock()
	for place, text := range map[string]string{"log": w.log.String(), "reports": told} {
		for _, secret := range secrets {
			if secret != "" && strings.Contains(text, secret) {
				w.t.Errorf("the %s has the secret %.12s…", place, secret)
			}
		}
	}
}

// code is the code of an error of this package, empty for nil.
func code(t *testing.T, err error) status.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T %v is no *Error", err, err)
	}
	checkWords(t, e)
	return e.Code
}

// checkWords holds what every message has to be: short, printable, without paths.
func checkWords(t *testing.T, e *Error) {
	t.Helper()
	text := e.Error()
	if len(text) > 500 || strings.ContainsAny(text, "\n\r\x00\x1b<>") {
		t.Errorf("not fit for a person: %q", text)
	}
	if len([]rune(e.Summary)) > 70 || e.Summary == "" || unicode.IsUpper([]rune(e.Summary)[0]) {
		t.Errorf("summary %q", e.Summary)
	}
	for _, path := range []string{"/.well-known", "/authorize"} {
		if strings.Contains(text, path) {
			t.Errorf("%q in %q", path, text)
		}
	}
}

type logBook struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func stopAt(f func(string) bool) func(*url.URL) bool {
	return func(u *url.URL) bool { return f(u.String()) }
}
