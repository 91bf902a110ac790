package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Environment of a test binary that plays another process of the app.
const (
	childDir    = "OAUTH_TEST_DIR"
	childTarget = "OAUTH_TEST_TARGET"
	childKill   = "OAUTH_TEST_KILL" // where it kills itself
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		child()
		return
	}
	code := m.Run()
	if left := leftovers(); code == 0 && left != "" {
		fmt.Println("goroutines are left:\n" + left)
		code = 1
	}
	os.Exit(code)
}

// leftovers are goroutines of this package that outlive the tests.
func leftovers() string {
	left := ""
	for range 400 { // twenty seconds
		left = ""
		buf := make([]byte, 1<<20)
		all := string(buf[:runtime.Stack(buf, true)])
		for g := range strings.SplitSeq(all, "\n\n") {
			if strings.Contains(g, "internal/oauth.(*") {
				left += g + "\n\n"
			}
		}
		if left == "" {
			return ""
		}
		time.Sleep(50 * time.Millisecond)
	}
	return left
}

// child is a process that wants a token, twenty times at once.
func child() {
	s := New(Options{Store: childStore(os.Getenv(childDir), os.Getenv(childKill))})
	a, err := s.Account(profile.Profile{Name: "tools", Target: os.Getenv(childTarget)})
	if err != nil {
		fmt.Println("account", err)
		return
	}
	if kill := os.Getenv(childKill); kill != "" {
		a.source.(*grant).web.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			die(kill, "before-post")
			resp, err := http.DefaultTransport.RoundTrip(r)
			die(kill, "after-post")
			return resp, err
		})
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			tok, err := a.Token(context.Background())
			if err != nil {
				fmt.Println("failed", err)
				return
			}
			fmt.Println("token", fingerprint(tok.Value))
		})
	}
	wg.Wait()
	_ = s.Close(context.Background())
}

func childStore(dir, kill string) Store {
	if kill == "" {
		return drawer{dir}
	}
	return deadly{drawer{dir}, kill}
}

func die(want, here string) {
	if want != here {
		return
	}
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {}
}

// deadly kills the process in the middle of storing.
type deadly struct {
	drawer
	kill string
}

func (d deadly) Save(ctx context.Context, account string, blob []byte) error {
	isGrant := !strings.Contains(strings.TrimPrefix(account, "grant-"), "-")
	if isGrant {
		if d.kill == "temp-written" {
			if err := os.WriteFile(filepath.Join(d.dir, ".new-x"), blob, 0o600); err != nil {
				return err
			}
		}
		die(d.kill, "temp-written")
		die(d.kill, "before-save")
	}
	err := d.drawer.Save(ctx, account, blob)
	if isGrant {
		die(d.kill, "after-save")
	} else {
		die(d.kill, "after-intent")
	}
	return err
}

// signedIn is a directory with a grant at sb whose token has expired.
func signedIn(t *testing.T, sb *sandbox.Sandbox) string {
	t.Helper()
	dir := t.TempDir()
	s := New(Options{Store: drawer{dir}})
	p := profile.Profile{Name: "tools", Target: sb.MCPURL()}
	a, err := s.Account(p)
	if err != nil {
		t.Fatal(err)
	}
	prompts := make(chan string, 10)
	a.Subscribe(func(r status.Report) {
		if r.Prompt != nil {
			prompts <- r.Prompt.URL
		}
	})
	done := make(chan error, 1)
	ctx := soon.Context(t)
	go func() { done <- a.SignIn(ctx) }()
	if _, err := (&sandbox.Person{}).Visit(ctx, soon.Receive(t, prompts, "the prompt")); err != nil {
		t.Fatal(err)
	}
	if err := soon.Receive(t, done, "the end of the sign-in"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	rec := storedIn(t, dir, p)
	rec.Expires = wallNow().Add(-time.Second)
	blob, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	if err := (drawer{dir}).Save(t.Context(), accountKey(withDefaults(p)), blob); err != nil {
		t.Fatal(err)
	}
	return dir
}

func storedIn(t *testing.T, dir string, p profile.Profile) *record {
	t.Helper()
	blob, err := (drawer{dir}).Load(t.Context(), accountKey(withDefaults(p)))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := decodeRecord(blob)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func spawn(t *testing.T, dir, target, kill string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(soon.Context(t), self)
	c.Env = append(os.Environ(), childDir+"="+dir, childTarget+"="+target, childKill+"="+kill)
	return c
}

// F10-F12: several processes, one renewal.
func TestProcessesRenewOnce(t *testing.T) {
	t.Parallel()
	sb := sandboxed(t, sandbox.Options{Refresh: sandbox.RotateStrict})
	dir := signedIn(t, sb)
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for range 5 {
		c := spawn(t, dir, sb.MCPURL(), "")
		wg.Go(func() {
			out, err := c.CombinedOutput()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			for line := range strings.Lines(string(out)) {
				seen[strings.TrimSpace(line)]++
			}
		})
	}
	wg.Wait()
	if n := sb.Count(sandbox.KindToken); n != 2 || len(seen) != 1 {
		t.Errorf("%d token requests, %v", n, seen)
	}
	rec := storedIn(t, dir, profile.Profile{Name: "tools", Target: sb.MCPURL()})
	if !sb.Live(rec.Refresh) || !sb.Live(rec.Access) || seen["token "+fingerprint(rec.Access)] != 100 {
		t.Errorf("gen %d, %v", rec.Gen, seen)
	}
}

// F1-F4, F9: killed at each step, and what the next start makes of it.
func TestKilledWhileRenewing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kill    string
		rotated bool // the provider has issued what was not stored
	}{
		{"after-intent", false}, {"before-post", false}, {"after-post", true}, {"before-save", true}, {"temp-written", true}, {"after-save", false},
	} {
		for _, grace := range []time.Duration{0, time.Minute} {
			t.Run(fmt.Sprintf("%s grace %v", c.kill, grace), func(t *testing.T) {
				t.Parallel()
				sb := sandboxed(t, sandbox.Options{Refresh: sandbox.RotateStrict, Grace: grace})
				dir := signedIn(t, sb)
				if out, err := spawn(t, dir, sb.MCPURL(), c.kill).CombinedOutput(); err == nil {
					t.Fatalf("it was not killed: %s", out)
				}
				before := sb.Count(sandbox.KindToken)
				out, err := spawn(t, dir, sb.MCPURL(), "").CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				rec := storedIn(t, dir, profile.Profile{Name: "tools", Target: sb.MCPURL()})
				tries := sb.Count(sandbox.KindToken) - before
				if c.rotated && grace == 0 {
					if !strings.Contains(string(out), "interrupted while renewing") || tries != 1 || rec.State != stateDead || rec.Refresh == "" {
						t.Errorf("%d tries, gen %d %s: %s", tries, rec.Gen, rec.State, out)
					}
					return
				}
				if strings.Count(string(out), "token ") != 20 || !sb.Live(rec.Refresh) || !sb.Live(rec.Access) || tries > 1 {
					t.Errorf("%d tries, gen %d: %s", tries, rec.Gen, out)
				}
			})
		}
	}
}
