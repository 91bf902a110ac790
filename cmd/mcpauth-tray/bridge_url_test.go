package main

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/stdio"
)

// urlBridge is "mcpauth-tray bridge URL" in the home of a person, and its client.
type urlBridge struct {
	*mcp.ClientSession
	t       *testing.T
	cmd     *exec.Cmd
	changed chan bool
	wrote   *transcript // stdout
	said    *transcript // stderr
}

// Secrets of the person.
const (
	urlPassphrase = "url-passphrase-5ba1f0"
	urlSecret     = "url-client-secret-77c2e4"
)

// urlCommand is the command in a client's bare environment.
func urlCommand(t *testing.T, home string, env, args []string) *exec.Cmd {
	t.Helper()
	cmd := process(t, program(t), append([]string{"bridge"}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AppData=" + home, "LocalAppData=" + home, "SystemRoot=" + os.Getenv("SystemRoot"),
		"GORACE=atexit_sleep_ms=0", "MCPAUTH_PASSPHRASE=" + urlPassphrase}, env...)
	return cmd
}

// startURL starts one and has the Go SDK's client meet it.
func startURL(t *testing.T, home string, env []string, args ...string) *urlBridge {
	t.Helper()
	b := &urlBridge{t: t, cmd: urlCommand(t, home, env, args), changed: make(chan bool, 100), wrote: &transcript{}, said: &transcript{}}
	b.cmd.Stderr = b.said
	in, err := b.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.cmd.Process.Kill() })
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { b.changed <- true },
	})
	b.ClientSession, err = client.Connect(soon.Context(t), &mcp.IOTransport{
		Reader: struct {
			io.Reader
			io.Closer
		}{io.TeeReader(out, b.wrote), out}, Writer: in}, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	if err != nil {
		t.Fatalf("%v\n%s", err, b.said)
	}
	return b
}

// ends closes stdin and wants a good end.
func (b *urlBridge) ends() {
	b.t.Helper()
	_ = b.Close()
	if err := b.cmd.Wait(); err != nil {
		b.t.Errorf("it ended with %v\n%s", err, b.said)
	}
}

// signsIn asks for the tools and waits until they are the server's.
func (b *urlBridge) signsIn() {
	b.t.Helper()
	if slices.Contains(bridgedTools(b.t, b.ClientSession), "whoami") {
		return
	}
	awaitChange(b.t, b.changed)
	if got := bridgedTools(b.t, b.ClientSession); !slices.Contains(got, "whoami") {
		b.t.Errorf("tools %q\n%s", got, b.said)
	}
}

// keepsQuiet looks for secrets in what the bridge wrote.
func (b *urlBridge) keepsQuiet(secrets []string) {
	b.t.Helper()
	for _, secret := range secrets {
		if strings.Contains(b.wrote.String(), secret) || strings.Contains(b.said.String(), secret) {
			b.t.Errorf("the secret %.12s… was written:\n%s\n%s", secret, b.wrote, b.said)
		}
	}
}

// TestBridgeURLSignsInAtFirstUse: the browser opens for the first request that needs it, and
// for none of the next start.
func TestBridgeURLSignsInAtFirstUse(t *testing.T) {
	t.Parallel()
	box, person, home := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve"), t.TempDir()
	b := startURL(t, home, []string{person.env()}, box.MCPURL(), "--token-store", "file", "--debug")
	if err := b.Ping(soon.Context(t), nil); err != nil {
		t.Error(err)
	}
	person.opened(0)
	if got := bridgedTools(t, b.ClientSession); !slices.Equal(got, []string{"sign_in_to_server"}) {
		t.Errorf("tools %q", got)
	}
	awaitChange(t, b.changed)
	bridgedEcho(t, b.ClientSession)
	b.ends()
	person.opened(1)
	if !strings.Contains(b.said.String(), "Sign in to server at\nhttp://localhost:") {
		t.Errorf("it said:\n%s", b.said)
	}
	b.keepsQuiet(append(box.Secrets(), urlPassphrase))

	b = startURL(t, home, []string{person.env()}, box.MCPURL(), "--token-store", "file")
	b.signsIn()
	bridgedEcho(t, b.ClientSession)
	b.ends()
	person.opened(1)
	if b.said.String() != "" {
		t.Errorf("the second start said:\n%s", b.said)
	}
	if _, err := os.Stat(filepath.Join(home, ".config")); err == nil {
		t.Error("it wrote a profiles.yaml")
	}
}

// registeredBox is a server that only checks tokens, and a provider that knows one client.
func registeredBox(t *testing.T) (box *sandbox.Sandbox, env []string) {
	t.Helper()
	redirect := "http://localhost:" + freePort(t) + "/auth/callback"
	box = newBox(t, sandbox.Options{ExactRedirect: true, Clients: []sandbox.Client{{ID: "desk", Secret: urlSecret, RedirectURIs: []string{redirect}}}})
	box.Set(func(f *sandbox.Faults) { f.Answer(sandbox.KindPRM, sandbox.Answer{Status: 404}) })
	return box, []string{"MCP_BACKEND_URL=" + box.MCPURL(), "OIDC_ISSUER_URL=" + box.Issuer(), "OIDC_CLIENT_ID=desk", "OIDC_CLIENT_SECRET=" + urlSecret,
		"OIDC_SCOPES=profile " + sandbox.ScopeTools, "OIDC_REDIRECT_URL=" + redirect}
}

// TestBridgeURLTwiceAtOnce: clients start their servers more than once. One page opens, on the
// one port that is registered, and both go on; also when the tokens have to be renewed.
func TestBridgeURLTwiceAtOnce(t *testing.T) {
	t.Parallel()
	box, env := registeredBox(t)
	person, home := newBrowser(t, "visit-and-approve"), t.TempDir()
	env = append(env, person.env())
	all := []*urlBridge{startURL(t, home, env, "--token-store", "file"), startURL(t, home, env, "--token-store", "file")}
	var asking sync.WaitGroup
	for _, b := range all {
		asking.Go(func() { _, _ = b.ListTools(soon.Context(t), nil) })
	}
	asking.Wait()
	for _, b := range all {
		b.signsIn()
		bridgedEcho(t, b.ClientSession)
	}
	person.opened(1)
	box.ExpireTokens()
	for _, b := range all {
		bridgedEcho(t, b.ClientSession)
	}
	for _, b := range all {
		b.ends()
		b.keepsQuiet(append(box.Secrets(), urlPassphrase, urlSecret))
	}
	person.opened(1)
	if n := len(box.Requests(sandbox.KindToken)); n != 2 {
		t.Errorf("%d requests for tokens, want one sign-in and one renewal", n)
	}
	err := filepath.WalkDir(home, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(file)
		if strings.Contains(string(text), urlSecret) {
			t.Errorf("the client's secret is in %s", file)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestBridgeURLIsADropInReplacement has only the environment of authful-mcp-proxy, and a real
// provider; flags win over variables.
func TestBridgeURLIsADropInReplacement(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	redirect := "http://localhost:" + freePort(t) + "/auth/callback"
	target, trust := l.protected(l.everything())
	issuer := l.provider(target, "CLIENT_SECRET="+urlSecret, "REDIRECT_URI="+redirect)
	trust(issuer)
	env := []string{"OIDC_ISSUER_URL=" + issuer, "OIDC_CLIENT_ID=another", "OIDC_CLIENT_SECRET=" + urlSecret, "OIDC_SCOPES=openid offline_access mcp:tools",
		"OIDC_REDIRECT_URL=nonsense", "MCP_BACKEND_URL=http://127.0.0.1:1/", "MCP_PROXY_DEBUG=1", "BROWSER=" + l.browser("visit.mjs")}
	b := startURL(t, t.TempDir(), env, target, "--oidc-client-id", "registered", "--oidc-redirect-url="+redirect, "--token-store", "memory", "--no-banner")
	if got := bridgedTools(t, b.ClientSession); !slices.Equal(got, []string{"sign_in_to_server"}) {
		t.Errorf("tools %q", got)
	}
	awaitChange(t, b.changed)
	if got := echo(t, b.ClientSession, "through the bridge"); !strings.Contains(got, "through the bridge") {
		t.Errorf("echo answered %s", got)
	}
	b.ends()
	if !strings.Contains(b.said.String(), "level=INFO") {
		t.Errorf("MCP_PROXY_DEBUG changed nothing:\n%s", b.said)
	}
	b.keepsQuiet([]string{urlSecret})
}

// TestBridgeURLToAnOldServer is one of the transport of 2024, whose server names the address for
// messages.
func TestBridgeURLToAnOldServer(t *testing.T) {
	t.Parallel()
	box, person := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	b := startURL(t, t.TempDir(), []string{person.env()}, box.LegacyURL(), "--token-store", "memory")
	b.signsIn()
	bridgedEcho(t, b.ClientSession)
	b.ends()
	person.opened(1)
}

// TestBridgeURLFinishesARenewal: a client that goes away during one costs nobody the sign-in. The
// server ends every sign-in whose old refresh token comes again.
func TestBridgeURLFinishesARenewal(t *testing.T) {
	t.Parallel()
	box, person, home := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve"), t.TempDir()
	b := startURL(t, home, []string{person.env()}, box.MCPURL(), "--token-store", "file")
	b.signsIn()
	box.ExpireTokens()
	release := hold(t, box, sandbox.KindToken)
	_ = say(t, b.ClientSession, "never answered")
	got(t, box, sandbox.KindToken, "the renewal", isRenewal)
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // ends it at once: nothing is drained
	_ = b.Close()
	release()
	b.ends()
	b = startURL(t, home, []string{person.env()}, box.MCPURL(), "--token-store", "file")
	b.signsIn()
	bridgedEcho(t, b.ClientSession)
	b.ends()
	person.opened(1)
}

// TestBridgeURLAsksOnce: after a no further requests open nothing, and the tool gives the link
// at once.
func TestBridgeURLAsksOnce(t *testing.T) {
	t.Parallel()
	box, person := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-deny")
	b := startURL(t, t.TempDir(), []string{person.env()}, box.MCPURL(), "--token-store", "memory", "--log-level", "info")
	_ = bridgedTools(t, b.ClientSession)
	soon.Until(t, "the no to be known", func() bool {
		_ = bridgedTools(t, b.ClientSession)
		return strings.Contains(b.said.String(), "nobody signed in for a request")
	})

	_ = bridgedTools(t, b.ClientSession)
	person.opened(1)
	result, err := b.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "sign_in_to_server"})
	if err != nil {
		t.Fatal(err)
	}
	if says := result.Content[0].(*mcp.TextContent).Text; strings.Contains(says, "tray") || !strings.Contains(says, " Open this page:\nhttp") {
		t.Errorf("the tool: %s", says)
	}
	person.opened(1)
	b.ends()
}

// TestBridgeURLEndsWhileItWaits: the end of stdin, and a signal, end it also while a person is
// on the sign-in page.
func TestBridgeURLEndsWhileItWaits(t *testing.T) {
	t.Parallel()
	box, person := newBox(t, sandbox.Options{}), newBrowser(t, "true")
	home := t.TempDir()
	for name, end := range map[string]func(*exec.Cmd, io.Closer){
		"stdin":  func(_ *exec.Cmd, in io.Closer) { _ = in.Close() },
		"signal": func(cmd *exec.Cmd, _ io.Closer) { _ = cmd.Process.Signal(syscall.SIGTERM) },
	} {
		cmd := urlCommand(t, home, []string{person.env()}, []string{box.MCPURL(), "--token-store", "file"})
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		said, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(in, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`+"\n"); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(said)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "http://localhost:") {
		}
		began := time.Now()
		end(cmd, in)
		for lines.Scan() {
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > promptly {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}

// TestFirstRequest is when a request opens the browser.
func TestFirstRequest(t *testing.T) {
	t.Parallel()
	var opened atomic.Int32
	f := firstRequest{start: func() { opened.Add(1) }}
	needed := stdio.Endpoint{State: stdio.SignedOut, Reason: string(status.NotSignedIn)}
	for i, step := range []struct {
		do   func()
		want int32
	}{
		{func() { f.see(stdio.Endpoint{State: stdio.Settling}) }, 0},
		{f.request, 0},
		{func() { f.see(stdio.Endpoint{State: stdio.Shaky, Reason: string(status.IDPUnavailable)}) }, 0},
		{func() { f.see(needed) }, 1}, // the request is remembered
		{f.request, 1},
		{func() { f.see(stdio.Endpoint{State: stdio.Shaky, Reason: string(status.SignInRunning)}) }, 1},
		{func() { f.see(needed) }, 1}, // nobody signed in
		{f.request, 1},
		{func() { f.see(stdio.Endpoint{State: stdio.Ready}) }, 1},
		{func() { f.see(needed) }, 1}, // the sign-in is gone, and nobody asks for anything
		{f.request, 2},
		{func() { f.see(stdio.Endpoint{State: stdio.SignedOut, Reason: string(status.CredentialsRejected)}) }, 2},
	} {
		if step.do(); opened.Load() != step.want {
			t.Fatalf("step %d: opened %d times, want %d", i, opened.Load(), step.want)
		}
	}
}
