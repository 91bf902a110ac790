package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/desktop"
	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

const flagOnce = "once"

// demoProfile is the one profile of the demo.
const demoProfile = "sandbox"

// demoPatience bounds each step of a demo that nobody watches.
const demoPatience = 30 * time.Second

func newDemoCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole main job on this computer, with nothing installed",
		Long: `Starts a sandbox on this computer (an authorization server and an MCP server that wants
a sign-in), serves a profile for it, signs in, and calls a tool through the local port.
Then it stays up for you to play with. With --once it needs no display and no browser,
approves the sign-in by itself, says each step, and ends.`,
		Args: noArgs,
		RunE: runDemo,
	}
	c.Flags().Bool(flagOnce, false, "approve the sign-in by itself and end after the tool call")
	return c
}

func runDemo(c *cobra.Command, _ []string) error {
	once, err := c.Flags().GetBool(flagOnce)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mcpauth-tray-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	box, err := sandbox.Start(c.Context(), sandbox.Options{Login: sandbox.LoginPages})
	if err != nil {
		return err
	}
	defer box.Close()
	d := &demo{once: once, out: c.OutOrStdout(), box: box}
	p, err := demoPaths(dir)
	if err != nil {
		return err
	}
	if err := d.writeProfiles(p.Profiles); err != nil {
		return err
	}
	return runApp(c.Context(), appOptions{paths: p, noTray: once, level: "error", ownProfiles: true, stderr: c.ErrOrStderr(), with: d.play})
}

// demoPaths keeps everything of the demo in its own folder.
func demoPaths(dir string) (paths, error) {
	return pathsIn(filepath.Join(dir, "profiles.yaml"), filepath.Join(dir, "state"))
}

// demo tells the story of the main job while it happens.
type demo struct {
	once bool
	out  io.Writer
	box  *sandbox.Sandbox
	step int
}

func (d *demo) say(format string, args ...any) {
	d.step++
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n    ")
	fmt.Fprintf(d.out, "%2d. %s\n", d.step, text)
}

func (d *demo) writeProfiles(file string) error {
	yaml := fmt.Sprintf(`version: 1
settings:
  token_store: memory
  redirect_port: 0
profiles:
  %s:
    target: %s
`, demoProfile, d.box.MCPURL())
	d.say("A sandbox runs on this computer: an MCP server at %s that wants a sign-in,\nand its authorization server at %s.", d.box.MCPURL(), d.box.Issuer())
	d.say("The profiles.yaml for it:\n%s", strings.TrimSpace(yaml))
	return os.WriteFile(file, []byte(yaml), 0o600)
}

// play is the main job, step by step.
func (d *demo) play(ctx context.Context, a *application) error {
	row, err := d.await(ctx, a.sup, status.SignInNeeded)
	if err != nil {
		return err
	}
	d.say("The app serves the profile at %s. Its state: %s.", row.URL, row.Summary)
	told, err := d.callSignedOut(ctx, row.URL)
	if err != nil {
		return err
	}
	d.say("A client that asks now is told: %s", told)
	if err := d.signIn(ctx, a); err != nil {
		return err
	}
	if row, err = d.await(ctx, a.sup, status.Ready); err != nil {
		return err
	}
	d.say("Signed in; the profile is %s. The token stays in the app: the client needs none.", row.Summary)
	if err := d.callTools(ctx, row.URL); err != nil {
		return err
	}
	if d.once {
		d.say("Done. Run \"mcpauth-tray demo\" to play with it yourself.")
		return nil
	}
	d.say("It stays up until you press Ctrl-C. Point an MCP client at\n%s\nor try the commands, such as\nmcpauth-tray signout %s --state-dir %s",
		row.URL, demoProfile, a.options.State)
	<-ctx.Done()
	return nil
}

// await returns the demo profile's row once it is in that phase.
func (d *demo) await(ctx context.Context, engine supervisor.Engine, phase status.Phase) (status.Profile, error) {
	return d.awaitRow(ctx, engine, string(phase), func(p *status.Profile) bool { return p.Phase == phase })
}

func (d *demo) awaitRow(ctx context.Context, engine supervisor.Engine, what string, ok func(*status.Profile) bool) (status.Profile, error) {
	if d.once {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, demoPatience)
		defer cancel()
	}
	var last status.Profile
	for snap := range engine.Watch(ctx) {
		if p := snap.Profile(demoProfile); p != nil {
			if last = *p; ok(p) {
				return last, nil
			}
		}
	}
	return last, fmt.Errorf("the demo waited in vain for %s; the profile is %s: %s", what, last.Phase, last.Detail)
}

func (d *demo) signIn(ctx context.Context, a *application) error {
	if err := a.sup.Do(ctx, supervisor.Action{Verb: supervisor.SignIn, Profile: demoProfile}); err != nil {
		return err
	}
	row, err := d.awaitRow(ctx, a.sup, "the sign-in link", func(p *status.Profile) bool { return p.Prompt != nil })
	if err != nil {
		return err
	}
	if !d.once {
		d.say("Signing in: your browser opens %s; press Approve there.", row.Prompt.URL)
		if err := desktop.OpenURL(row.Prompt.URL); err != nil {
			d.say("The browser could not be opened (%v). Open the link yourself.", err)
		}
		return nil
	}
	d.say("Signing in: the link a browser would open is %s.", row.Prompt.URL)
	var person sandbox.Person
	end, err := person.Visit(ctx, row.Prompt.URL)
	if err != nil {
		return fmt.Errorf("the sign-in page: %w", err)
	}
	d.say("The demo pressed Approve. The browser now shows: %q", title(end.Body))
	return nil
}

// callSignedOut is what a client of the port sees before the sign-in.
func (d *demo) callSignedOut(ctx context.Context, url string) (string, error) {
	session, err := connectDemo(ctx, url)
	if err == nil {
		session.Close()
		return "", errors.New("the port answered without a sign-in")
	}
	return err.Error(), nil
}

func connectDemo(ctx context.Context, url string) (*mcp.ClientSession, error) {
	client := mcp.NewClient(&mcp.Implementation{Name: "mcpauth-tray-demo", Version: "1"}, nil)
	return client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url, MaxRetries: -1}, nil)
}

// callTools calls a tool as any MCP client would, and once more after the server has
// forgotten the token.
func (d *demo) callTools(ctx context.Context, url string) error {
	session, err := connectDemo(ctx, url)
	if err != nil {
		return err
	}
	defer session.Close()
	answer, err := callTool(ctx, session, "echo", map[string]any{"text": "Hello through the local port!"})
	if err != nil {
		return err
	}
	d.say("A real MCP client called the tool \"echo\" through the port. The answer: %s", answer)
	if answer, err = callTool(ctx, session, "whoami", nil); err != nil {
		return err
	}
	d.say("And the tool \"whoami\": %s", answer)
	d.box.ExpireTokens()
	if answer, err = callTool(ctx, session, "echo", map[string]any{"text": "Still here."}); err != nil {
		return err
	}
	d.say("The server was made to refuse the token. The app renewed it and asked again; the client noticed nothing: %s", answer)
	return nil
}

func callTool(ctx context.Context, session *mcp.ClientSession, name string, args map[string]any) (string, error) {
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: args})
	if err != nil {
		return "", fmt.Errorf("the tool %s: %w", name, err)
	}
	for _, c := range result.Content {
		if text, ok := c.(*mcp.TextContent); ok {
			return text.Text, nil
		}
	}
	data, err := json.Marshal(result.Content)
	return string(data), err
}

var titleTag = lazily(`(?s)<title>(.*?)</title>`)

func title(page string) string {
	if m := titleTag().FindStringSubmatch(page); m != nil {
		return html.UnescapeString(strings.TrimSpace(m[1]))
	}
	return ""
}
