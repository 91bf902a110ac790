package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const storeInFile = "version: 1\nsettings: {token_store: file, redirect_port: 0}\nprofiles:\n"

// signedIn starts everything, signs in through the provider's pages, and returns the app.
func signedIn(t *testing.T, l *lab, providerEnv ...string) (*app, string) {
	t.Helper()
	upstream := l.everything()
	target, trust := l.protected(upstream)
	trust(l.provider(target, providerEnv...))
	a := newApp(t, storeInFile+fmt.Sprintf("  everything: {target: %q}\n", target),
		"MCPAUTH_PASSPHRASE=a passphrase for the test", "BROWSER="+l.browser("visit.mjs"))
	a.start()
	a.waitPhase("everything", status.SignInNeeded)
	a.run("signin", "everything", "--wait")
	a.waitPhase("everything", status.Ready)
	return a, upstream
}

func connect(t *testing.T, url string, options *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, options)
	session, err := client.Connect(soon.Context(t), &mcp.StreamableClientTransport{Endpoint: url}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func echo(t *testing.T, session *mcp.ClientSession, text string) string {
	t.Helper()
	result, err := session.CallTool(soon.Context(t), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": text}})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := json.Marshal(result.Content)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestRealClientsReachARealServerThroughASignIn(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, upstream := signedIn(t, l)
	row := a.profile("everything")
	if row.Account == nil || !row.Account.Refreshable || row.Account.ExpiresAt == nil {
		t.Errorf("account = %+v", row.Account)
	}

	out, err := l.inspector(row.URL, "--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=through the port")
	if err != nil || !strings.Contains(out, "through the port") {
		t.Errorf("inspector: %v\n%s", err, out)
	}
	direct, err := l.inspector(upstream, "--method", "tools/list")
	if err != nil {
		t.Fatal(err, direct)
	}
	proxied, err := l.inspector(row.URL, "--method", "tools/list")
	if err != nil || proxied != direct {
		t.Errorf("tools/list differs: %v\ndirect:\n%s\nthrough the port:\n%s", err, direct, proxied)
	}
	if got := echo(t, connect(t, row.URL, nil), "from the SDK"); !strings.Contains(got, "from the SDK") {
		t.Errorf("echo answered %s", got)
	}
}

func TestServerRequestsReachTheClient(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := signedIn(t, l)
	asked := make(chan string, 1)
	session := connect(t, a.profile("everything").URL, &mcp.ClientOptions{
		CreateMessageHandler: func(_ context.Context, r *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			asked <- "sampling"
			return &mcp.CreateMessageResult{Model: "test", Role: "assistant", Content: &mcp.TextContent{Text: "sampled"}}, nil
		},
	})
	tools, err := session.ListTools(soon.Context(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	name := ""
	for _, tool := range tools.Tools {
		if strings.Contains(strings.ToLower(tool.Name), "sampling") {
			name = tool.Name
			break
		}
	}
	if name == "" {
		t.Fatalf("the reference server offers no sampling tool to a client that can sample")
	}
	_, err = session.CallTool(soon.Context(t), &mcp.CallToolParams{Name: name, Arguments: map[string]any{"prompt": "hello", "maxTokens": 5}})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-asked:
	default:
		t.Error("the server's request did not reach the client")
	}
}

func TestSignInSurvivesARestart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := signedIn(t, l)
	before := a.profile("everything")
	a.stop()
	a.start()
	after := a.waitPhase("everything", status.Ready)
	if after.URL != before.URL {
		t.Errorf("the port moved from %s to %s", before.URL, after.URL)
	}
	if got := echo(t, connect(t, after.URL, nil), "again"); !strings.Contains(got, "again") {
		t.Errorf("echo answered %s", got)
	}
}

func TestTokensAreRenewedWhileInUse(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := signedIn(t, l, "TTL=12")
	first := a.profile("everything").Account.ExpiresAt
	session := connect(t, a.profile("everything").URL, nil)
	deadline := time.Now().Add(45 * time.Second)
	for renewals := 0; renewals < 2; {
		if time.Now().After(deadline) {
			t.Fatal("the token was not renewed twice in time")
		}
		echo(t, session, "tick")
		if at := a.profile("everything").Account.ExpiresAt; at.After(*first) {
			first = at
			renewals++
		}
	}
}

func TestSignOutIsShownToTheUserOfTheClient(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := signedIn(t, l)
	url := a.profile("everything").URL
	a.run("signout", "everything", "--revoke")
	a.waitPhase("everything", status.SignInNeeded)
	out, _ := l.inspector(url, "--method", "tools/list")
	if !strings.Contains(out, "everything") || !strings.Contains(strings.ToLower(out), "sign") {
		t.Errorf("the client shows: %s", out)
	}
	a.stop()
	a.start()
	a.waitPhase("everything", status.SignInNeeded)
}

func TestSignInDeniedByThePerson(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	target, trust := l.protected(l.everything())
	trust(l.provider(target))
	a := newApp(t, "version: 1\nsettings: {token_store: memory, redirect_port: 0}\nprofiles:\n"+
		fmt.Sprintf("  everything: {target: %q}\n", target), "BROWSER="+l.browser("visit.mjs", "--deny"))
	a.start()
	a.waitPhase("everything", status.SignInNeeded)
	out, err := a.command("signin", "everything", "--wait").CombinedOutput()
	if err == nil {
		t.Errorf("a denied sign-in counts as done: %s", out)
	}
	if row := a.waitPhase("everything", status.SignInNeeded); row.Detail == "" && row.Summary == "" {
		t.Errorf("nothing says what happened: %+v", row)
	}
}

func TestRegisteredClient(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	port := freePort(t)
	redirect := "http://localhost:" + port + "/callback"
	target, trust := l.protected(l.everything())
	trust(l.provider(target, "CLIENT_SECRET=the secret of a registered client", "REDIRECT_URI="+redirect))
	a := newApp(t, "version: 1\nsettings: {token_store: memory}\nprofiles:\n"+fmt.Sprintf(
		"  everything:\n    target: %q\n    sign_in: {client_id: registered, client_secret_env: CLIENT_SECRET, redirect_url: %q}\n", target, redirect),
		"CLIENT_SECRET=the secret of a registered client", "BROWSER="+l.browser("visit.mjs"))
	a.start()
	a.waitPhase("everything", status.SignInNeeded)
	a.run("signin", "everything", "--wait")
	if row := a.waitPhase("everything", status.Ready); row.Account.ClientID != "registered" {
		t.Errorf("account = %+v", row.Account)
	}
}

func TestSignInInARealBrowser(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		seat.Missing(t, "chromium", err)
	}
	artefacts := os.Getenv("TEST_ARTIFACTS")
	if artefacts == "" {
		artefacts = t.TempDir()
	}
	shot := filepath.Join(artefacts, "signed-in.png")
	target, trust := l.protected(l.everything())
	trust(l.provider(target))
	a := newApp(t, "version: 1\nsettings: {token_store: memory, redirect_port: 0}\nprofiles:\n"+
		fmt.Sprintf("  everything: {target: %q}\n", target), "CHROMIUM="+chromium, "BROWSER="+l.browser("browser.mjs", shot))
	a.start()
	a.waitPhase("everything", status.SignInNeeded)
	a.run("signin", "everything", "--wait")
	a.waitPhase("everything", status.Ready)
	a.eventually("the last page's screenshot", func() bool { _, err := os.Stat(shot); return err == nil })
}
