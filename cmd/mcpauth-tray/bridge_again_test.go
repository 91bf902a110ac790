package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// Whoever signs out right after a sign-in gets a page for the next one, too.
func TestBridgeSignsInAgain(t *testing.T) {
	t.Parallel()
	a, box := boxed(t, sandbox.Options{})
	a.start()
	a.waitPhase("box", status.SignInNeeded)
	s, _ := bridged(t, a, "box", "2025-11-25")
	for range 2 {
		result, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: "sign_in_to_box"})
		if err != nil || result.IsError || result.Content[0].(*mcp.TextContent).Text != "Signed in to box. Its tools are there now; list the tools again." {
			t.Fatalf("%+v, %v", result, err)
		}
		a.run("signout", "box")
		a.eventually("the bridge to know of the sign-out", func() bool { return len(bridgedTools(t, s)) == 1 })
	}
	if n := box.Count(sandbox.KindConsent); n != 2 {
		t.Errorf("%d pages were confirmed", n)
	}
}

// asking is an app that says when it was asked for a sign-in.
type asking struct {
	engine
	asked chan<- string
}

func (a asking) Do(ctx context.Context, do supervisor.Action) error {
	err := a.engine.Do(ctx, do)
	if do.Verb == supervisor.SignIn {
		a.asked <- string(do.Verb)
	}
	return err
}

// Two clients want the sign-in at one moment: one page opens, and both wait for it.
func TestTwoBridgesShareAPage(t *testing.T) {
	box, person := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	t.Setenv("BROWSER", person.command())
	release := hold(t, box, sandbox.KindRegister)
	a := newApp(t, inMemory+profileFor("box", box, ""))
	a.start()
	a.waitPhase("box", status.SignInNeeded)
	asked, said, ctx := make(chan string, 2), make(chan string, 2), soon.Context(t)
	for range cap(said) {
		p := &bridgedProfile{apps: []engine{asking{a.control(), asked}}, name: "box"}
		go func() {
			says, _, err := p.SignIn(ctx)
			if err != nil {
				says = err.Error()
			}
			said <- says
		}()
	}
	for range cap(asked) {
		hears(t, asked, "sign-in")
	}
	release()
	for range cap(said) {
		hears(t, said, "Signed in to box.")
	}
	person.opened(1)
}

// Whoever said no by mistake gets the way to another try at once. No page opens by itself: a
// client that goes on trying would open many.
func TestBridgeAfterADeniedSignIn(t *testing.T) {
	t.Parallel()
	box, person := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-deny")
	b := startURL(t, t.TempDir(), []string{person.env()}, box.MCPURL(), "--token-store", "memory")
	tool := func() *mcp.CallToolResult {
		result, err := b.CallTool(t.Context(), &mcp.CallToolParams{Name: "sign_in_to_server"})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	if result := tool(); !result.IsError || !strings.Contains(result.Content[0].(*mcp.TextContent).Text, "declined") {
		t.Fatalf("%+v", result.Content[0])
	}
	began := time.Now()
	says := tool().Content[0].(*mcp.TextContent).Text
	_, link, found := strings.Cut(says, "Open this page:\n")
	if took := time.Since(began); !found || took >= signInTime {
		t.Fatalf("after %v: %s", took, says)
	}
	person.opened(1)
	link, _, _ = strings.Cut(link, "\n")
	if _, err := new(sandbox.Person).Visit(t.Context(), link); err != nil {
		t.Fatal(err)
	}
	b.signsIn()
	bridgedEcho(t, b.ClientSession)
	b.ends()
}
