package main

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// proxyRun is "mcpauth-tray proxy" as a process.
type proxyRun struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	said chan string // its standard error, line by line
}

func startProxy(t *testing.T, home string, args ...string) *proxyRun {
	t.Helper()
	return startProxyIn(t, home, t.TempDir(), "visit-and-approve", args...)
}

// startProxyIn starts the command and waits for the URL it prints. temp is its folder for
// what it needs only while it runs, person the program that is its browser.
func startProxyIn(t *testing.T, home, temp, person string, args ...string) *proxyRun {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("processes are ended by a signal")
	}
	exe := program(t)
	browser := filepath.Join(filepath.Dir(exe), person)
	real, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, browser); err != nil {
		t.Fatal(err)
	}
	r := &proxyRun{t: t, cmd: process(t, exe, append([]string{"proxy", "box"}, args...)...), said: make(chan string, 1000)}
	r.cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+temp, "XDG_STATE_HOME=", "XDG_CONFIG_HOME=", "XDG_RUNTIME_DIR=", "BROWSER="+browser,
		"VISITS="+filepath.Join(home, "visits"), "DBUS_SESSION_BUS_ADDRESS=", "MCPAUTH_PASSPHRASE=of the test")
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go r.listen(said)
	urls := bufio.NewScanner(out)
	if !urls.Scan() {
		t.Fatalf("no URL was printed: %s", r.rest())
	}
	r.url = urls.Text()
	return r
}

func (r *proxyRun) listen(said io.Reader) {
	defer close(r.said)
	for lines := bufio.NewScanner(said); lines.Scan(); {
		r.said <- lines.Text()
	}
}

func (r *proxyRun) rest() string {
	var all []string
	for line := range r.said {
		all = append(all, line)
	}
	return strings.Join(all, "\n")
}

// await returns once a line with these words was said, and all before it.
func (r *proxyRun) await(words string) string {
	r.t.Helper()
	var all []string
	late := time.After(soon.Limit)
	for {
		select {
		case line, ok := <-r.said:
			all = append(all, line)
			if strings.Contains(line, words) {
				return strings.Join(all, "\n")
			}
			if !ok {
				r.t.Fatalf("it ended without %q:\n%s", words, strings.Join(all, "\n"))
			}
		case <-late:
			r.t.Fatalf("waited too long for %q:\n%s", words, strings.Join(all, "\n"))
		}
	}
}

func (r *proxyRun) stop() {
	r.t.Helper()
	_ = r.cmd.Process.Signal(os.Interrupt)
	rest := r.rest()
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("it ended with %v: %s", err, rest)
	}
}

func callEcho(t *testing.T, url string) {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(soon.Context(t), &mcp.StreamableClientTransport{Endpoint: url, MaxRetries: -1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if answer, err := callTool(soon.Context(t), session, "echo", map[string]any{"text": "hello"}); err != nil || !strings.Contains(answer, "hello") {
		t.Errorf("%q, %v", answer, err)
	}
}

func startBox(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	box, err := sandbox.Start(context.Background(), sandbox.Options{Login: sandbox.LoginPages})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	return box
}

// TestProxySignsInOnce: the first start opens the browser once, the second needs none and
// has the same port.
func TestProxySignsInOnce(t *testing.T) {
	t.Parallel()
	box, home := startBox(t), t.TempDir()
	args := []string{"--target-uri", box.MCPURL(), "--token-store", "file", "--remote-auth-callback-port", freePort(t)}
	first := startProxy(t, home, args...)
	said := first.await("box: ready")
	if !strings.Contains(said, "Sign in to box at\nhttp") || strings.Contains(said, "mcpauth-tray signin") {
		t.Errorf("it said:\n%s", said)
	}
	callEcho(t, first.url)
	first.stop()

	second := startProxy(t, home, args...)
	if said := second.await("box: ready"); strings.Contains(said, "Sign in to") {
		t.Errorf("the second start said:\n%s", said)
	}
	if second.url != first.url {
		t.Errorf("the address moved from %s to %s", first.url, second.url)
	}
	callEcho(t, second.url)
	second.stop()
	visits, err := os.ReadFile(filepath.Join(home, "visits"))
	if err != nil || string(visits) != "visited\n" {
		t.Errorf("visits: %q, %v", visits, err)
	}
}

// TestProxySkipsTheBrowser: the link is shown for another browser.
func TestProxySkipsTheBrowser(t *testing.T) {
	t.Parallel()
	box, home := startBox(t), t.TempDir()
	r := startProxy(t, home, "--target-uri", box.MCPURL(), "--token-store", "memory", "--remote-auth-skip-browser", "--remote-auth-callback-port", freePort(t))
	r.await("Sign in to box at")
	var person sandbox.Person
	if _, err := person.Visit(soon.Context(t), soon.Receive(t, r.said, "the link")); err != nil {
		t.Fatal(err)
	}
	r.await("box: ready")
	callEcho(t, r.url)
	if _, err := os.Stat(filepath.Join(home, "visits")); err == nil {
		t.Error("a browser was opened")
	}
	r.stop()
}

// TestProxyAfterADeniedSignIn: it stays up, asks no second time, and says how to go on.
func TestProxyAfterADeniedSignIn(t *testing.T) {
	t.Parallel()
	box, home := startBox(t), t.TempDir()
	r := startProxyIn(t, home, t.TempDir(), "visit-and-deny", "--target-uri", box.MCPURL(), "--token-store", "memory", "--remote-auth-callback-port", freePort(t))
	said := r.await("mcpauth-tray signin box --state-dir")
	if strings.Count(said, "Sign in to box at") != 1 {
		t.Errorf("it said:\n%s", said)
	}
	r.stop()
}

// TestProxyWithAToken: secrets of the command line get to the server, and to no disk: also a
// process that is killed leaves none behind.
func TestProxyWithAToken(t *testing.T) {
	t.Parallel()
	const token, key = "hush4hush", "key4hush"
	asked := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("Authorization") + " " + r.Header.Get("X-Api-Key") + " " + r.Header.Get("X-Team")
	}))
	t.Cleanup(server.Close)
	home, temp := t.TempDir(), t.TempDir()
	r := startProxyIn(t, home, temp, "visit-and-approve", "--target-uri", server.URL+"/mcp", "--token-store", "memory",
		"--remote-auth-bearer-token", token, "--remote-forward-headers", "X-Api-Key="+key, "--remote-forward-headers", "X-Team=blue")
	if !strings.HasPrefix(r.url, "http://127.0.0.1:") || !strings.HasSuffix(r.url, "/mcp") {
		t.Errorf("url = %s", r.url)
	}
	_ = post(t, r.url, "tools/list")
	hears(t, asked, "Bearer "+token+" "+key+" blue")
	said := r.await("box: ready: with the token from the profile itself")
	_ = r.cmd.Process.Kill()
	if said += r.rest(); strings.Contains(said, token) || strings.Contains(said, key) {
		t.Errorf("it said %s", said)
	}
	_ = r.cmd.Wait()
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	err := filepath.WalkDir(home, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(name)
		if strings.Contains(string(text), token) || strings.Contains(string(text), key) {
			t.Errorf("a secret is in %s", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestProxyOnABusyPort is an error, never another port.
func TestProxyOnABusyPort(t *testing.T) {
	t.Parallel()
	box := startBox(t)
	port := box.MCPURL()[strings.LastIndexByte(box.MCPURL(), ':')+1:]
	port, _, _ = strings.Cut(port, "/")
	cmd := process(t, program(t), "proxy", "box", "--target-uri", "https://mcp.example.com/mcp", "--port", port, "--token-store", "memory")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_STATE_HOME=", "XDG_RUNTIME_DIR=")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "hint: free the port") {
		t.Errorf("%v: %s", err, out)
	}
}
