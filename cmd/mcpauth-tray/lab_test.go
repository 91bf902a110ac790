package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// lab is the real counterparts of build/e2e, started for one test.
type lab struct {
	t    *testing.T
	npm  string // folder of the npm packages
	node string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		seat.Missing(t, "Node.js", err)
	}
	npm, err := filepath.Abs("../../build/e2e")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(npm, "node_modules", "oidc-provider")); err != nil {
		seat.Missing(t, "build/e2e/node_modules", err)
	}
	return &lab{t: t, npm: npm, node: node}
}

// start runs a program until the test ends and returns what follows ready in its output.
func (l *lab) start(ready string, env []string, name string, args ...string) string {
	l.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = l.npm
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	found, lines := make(chan string, 1), bufio.NewScanner(out)
	go func() {
		for lines.Scan() {
			if _, rest, ok := strings.Cut(lines.Text(), ready); ok {
				select {
				case found <- strings.TrimSpace(rest):
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	return soon.Receive(l.t, found, fmt.Sprintf("%s to print %q", name, ready))
}

// provider starts the OpenID provider and returns its issuer.
func (l *lab) provider(resource string, env ...string) string {
	return l.start("READY", append(env, "RESOURCE="+resource), l.node, "idp.mjs")
}

// everything starts the reference MCP server and returns its URL.
func (l *lab) everything() string {
	port := freePort(l.t)
	l.start("listening on port", []string{"PORT=" + port}, l.node,
		"node_modules/@modelcontextprotocol/server-everything/dist/index.js", "streamableHttp")
	return "http://127.0.0.1:" + port + "/mcp"
}

// protected puts a token check in front of upstream and returns its URL. The provider is
// named later, by its second result: it wants to know the URL first.
func (l *lab) protected(upstream string) (target string, trust func(issuer string)) {
	l.t.Helper()
	up, err := url.Parse(upstream)
	if err != nil {
		l.t.Fatal(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	l.t.Cleanup(server.Close)
	target = server.URL + "/mcp"
	return target, func(issuer string) {
		provider, err := oidc.NewProvider(soon.Context(l.t), issuer)
		if err != nil {
			l.t.Fatal(err)
		}
		metadata := server.URL + "/.well-known/oauth-protected-resource/mcp"
		verifier := provider.Verifier(&oidc.Config{ClientID: target})
		mux.HandleFunc("GET /.well-known/oauth-protected-resource/mcp", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"resource": target, "authorization_servers": []string{issuer},
				"scopes_supported": []string{"mcp:tools"}})
		})
		proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: up.Scheme, Host: up.Host})
			r.Out.Host = up.Host
			r.Out.Header.Del("Authorization")
		}}
		mux.HandleFunc("/mcp", func(w http.ResponseWriter, r *http.Request) {
			token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if ok {
				_, err := verifier.Verify(r.Context(), token)
				ok = err == nil
			}
			if !ok {
				w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer resource_metadata=%q, scope="mcp:tools"`, metadata))
				http.Error(w, "no good token", http.StatusUnauthorized)
				return
			}
			proxy.ServeHTTP(w, r)
		})
	}
}

// browser writes a command for BROWSER that runs one of the lab's scripts with the URL.
func (l *lab) browser(script string, extra ...string) string {
	l.t.Helper()
	if runtime.GOOS == "windows" {
		l.t.Skip("the browser stand-in is a shell script")
	}
	dir := sharedFolder(l.t)
	log, file := filepath.Join(dir, "browser.log"), filepath.Join(dir, "browser")
	body := fmt.Sprintf("#!/bin/sh\necho \"opened\" >> %s\ncd %s && exec %s %s \"$1\" %s >> %s 2>&1\n",
		log, l.npm, l.node, script, strings.Join(extra, " "), log)
	writeProgram(l.t, file, []byte(body))
	return file
}

// writeProgram writes a file to be run. No process may be started meanwhile: until it
// calls exec it holds the open file, and a file open for writing cannot be run.
func writeProgram(t *testing.T, file string, content []byte) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(file, content, 0o700); err != nil {
		t.Fatal(err)
	}
}

func (l *lab) inspector(target string, args ...string) (string, error) {
	cmd := process(l.t, l.node, append([]string{"node_modules/.bin/inspector", "--cli", target, "--transport", "http"}, args...)...)
	cmd.Dir = l.npm
	cmd.Env = append(os.Environ(), "HOME="+l.t.TempDir())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// givenPorts are those this process gave away.
var givenPorts sync.Map

// freePort is a port outside the ranges that systems and the app choose from, so that
// nobody takes it before it is listened at.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := 30000 + rand.IntN(2700)
		if _, given := givenPorts.LoadOrStore(port, true); given {
			continue
		}
		if ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			_ = ln.Close()
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no free port was found")
	return ""
}

// program is the path under which the test binary is the program itself.
func program(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "mcpauth-tray")
	if err := os.Symlink(exe, link); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	return link
}

// app is the program, running.
type app struct {
	t     *testing.T
	exe   string
	dir   string // profiles.yaml and the state folder lie here
	env   []string
	cmd   *exec.Cmd
	ended chan error
	log   *transcript
}

// transcript is what a running program has written so far.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newApp prepares an app with that profiles.yaml; start runs it.
func newApp(t *testing.T, yaml string, env ...string) *app {
	t.Helper()
	// A program with the race detector would sleep for a second before it ends.
	bare := []string{"DBUS_SESSION_BUS_ADDRESS=", "DISPLAY=", "GORACE=atexit_sleep_ms=0 " + os.Getenv("GORACE")}
	a := &app{t: t, exe: program(t), dir: sharedFolder(t), env: append(bare, env...)}
	a.edit(yaml)
	return a
}

// built is the program itself, without the race detector.
var built = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "mt")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	exe := filepath.Join(dir, "mcpauth-tray")
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", exe, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(exe)
})

// build has what is started from now on be the program without the race detector.
func (a *app) build() {
	a.t.Helper()
	program, err := built()
	if err != nil {
		a.t.Fatal(err)
	}
	a.exe = filepath.Join(a.dir, "mcpauth-tray")
	writeProgram(a.t, a.exe, program)
}

func (a *app) edit(yaml string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, "profiles.yaml"), []byte(yaml), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *app) command(args ...string) *exec.Cmd { return a.at(process(a.t, a.exe, args...)) }

// at gives a command of the program the app's environment.
func (a *app) at(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = slices.Concat(os.Environ(), a.env, []string{"MCPAUTH_STATE_DIR=" + filepath.Join(a.dir, "state"),
		"MCPAUTH_PROFILES=" + filepath.Join(a.dir, "profiles.yaml")})
	return cmd
}

// start runs the app without a tray and waits until its listeners are up.
func (a *app) start(args ...string) {
	a.t.Helper()
	a.launch(append([]string{"--no-tray"}, args...)...)
}

// launch runs the app and waits until its listeners are up.
func (a *app) launch(args ...string) {
	a.t.Helper()
	ready := filepath.Join(a.dir, "ready.json")
	_ = os.Remove(ready)
	a.cmd = a.at(exec.Command(a.exe, append([]string{"run", "--ready-file", ready, "--log-level", "trace"}, args...)...))
	a.log = &transcript{}
	a.cmd.Stdout, a.cmd.Stderr = a.log, a.log
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.ended = make(chan error, 1)
	go func() { a.ended <- a.cmd.Wait() }()
	a.t.Cleanup(func() {
		a.stop()
		if a.t.Failed() {
			a.t.Logf("log of the app:\n%s", a.log)
		}
	})
	a.eventually("the ready file", func() bool { _, err := os.Stat(ready); return err == nil })
}

// stop ends the app the way a session's end does.
func (a *app) stop() {
	if a.cmd == nil {
		return
	}
	a.endsBy(os.Interrupt)
}

// endsBy sends the app a signal, at which it has to end well.
func (a *app) endsBy(sig os.Signal) {
	a.t.Helper()
	_ = a.cmd.Process.Signal(sig)
	a.ends()
}

// ends waits for the app to end by itself, and well.
func (a *app) ends() {
	a.t.Helper()
	select {
	case err := <-a.ended:
		if err != nil {
			a.t.Errorf("the app ended with %v", err)
		}
	case <-time.After(soon.Limit):
		a.t.Error("the app did not end in time")
		_ = a.cmd.Process.Signal(syscall.SIGQUIT) // it says where it hangs
		select {
		case <-a.ended:
		case <-time.After(promptly):
			_ = a.cmd.Process.Kill()
		}
	}
	a.cmd = nil
}

// run runs a command of the program and wants it to succeed.
func (a *app) run(args ...string) string {
	a.t.Helper()
	out, err := a.command(args...).CombinedOutput()
	if err != nil {
		a.t.Fatalf("mcpauth-tray %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (a *app) status() status.Snapshot {
	a.t.Helper()
	var s status.Snapshot
	out, err := a.command("status", "--json").Output()
	if err != nil {
		a.t.Fatalf("status: %v", err)
	}
	if err := json.Unmarshal(out, &s); err != nil {
		a.t.Fatalf("status printed %q: %v", out, err)
	}
	return s
}

func (a *app) profile(name string) status.Profile {
	a.t.Helper()
	s := a.status()
	row := s.Profile(name)
	if row == nil {
		a.t.Fatalf("no profile %q in %+v", name, s)
	}
	return *row
}

func (a *app) waitPhase(name string, want status.Phase) status.Profile {
	a.t.Helper()
	return a.untilRow(name, "to be "+string(want), func(p *status.Profile) bool { return p.Phase == want })
}

func (a *app) control() *control.Client {
	a.t.Helper()
	p, err := pathsIn(filepath.Join(a.dir, "profiles.yaml"), filepath.Join(a.dir, "state"))
	if err != nil {
		a.t.Fatal(err)
	}
	return control.Dial(p.Socket)
}

// watch watches the app until ok, and returns that state. When it never comes, it returns
// the last one and false.
func (a *app) watch(ok func(*status.Snapshot) bool) (last *status.Snapshot, found bool) {
	for s, err := range a.control().Stream(soon.Context(a.t)) {
		if err != nil {
			break
		}
		if last = s; ok(s) {
			return s, true
		}
	}
	return last, false
}

// until waits for a state of the app.
func (a *app) until(what string, ok func(*status.Snapshot) bool) *status.Snapshot {
	a.t.Helper()
	s, found := a.watch(ok)
	if !found {
		a.t.Fatalf("waited in vain for %s; last seen:\n%s\nlog of the app:\n%s", what, indented(s), a.log)
	}
	return s
}

// untilRow waits for a state of one profile.
func (a *app) untilRow(name, what string, ok func(*status.Profile) bool) status.Profile {
	a.t.Helper()
	s, found := a.watch(func(s *status.Snapshot) bool { p := s.Profile(name); return p != nil && ok(p) })
	if !found {
		a.t.Fatalf("waited in vain for %s %s; last seen:\n%s", name, what, indented(s.Profile(name)))
	}
	return *s.Profile(name)
}

func indented(v any) []byte {
	text, _ := json.MarshalIndent(v, "", "  ")
	return text
}

// eventually polls another process's state, which has no channel to wait on.
func (a *app) eventually(what string, ok func() bool) {
	a.t.Helper()
	deadline := time.Now().Add(soon.Limit)
	for !ok() {
		select {
		case err := <-a.ended:
			a.ended <- err
			a.t.Fatalf("waiting for %s: the app ended: %v\n%s", what, err, a.log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("waited too long for %s\n%s", what, a.log)
		}
	}
}
