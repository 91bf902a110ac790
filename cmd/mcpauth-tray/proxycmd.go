package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/desktop"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

const flagTokenStore = "token-store"

func newProxyCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "proxy NAME --target-uri URL",
		Short: "Serve one server in the foreground, with the flags of thv proxy",
		Long: `Serves one server on a local port until it is interrupted, without profiles.yaml. It takes
the flags of "thv proxy"; one that cannot be honoured is an error. If the server wants a
sign-in the browser is opened, once. Sign-in and port are remembered under NAME, so that
the next start needs no browser. It runs beside the app. The variables of thv, such as
TOOLHIVE_REMOTE_OAUTH_CLIENT_SECRET, count as well, and keep secrets off the command line.

The local URL is printed on standard output, what happens on standard error. How each flag
is understood: mcpauth-tray import --mapping.`,
		Example: `  mcpauth-tray proxy linear --target-uri https://mcp.linear.app/mcp
  mcpauth-tray proxy work --target-uri https://mcp.example.com/mcp --port 7801 --remote-auth-client-id my-client`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("proxy needs one name for the server")
			}
			if !c.Flags().Changed("target-uri") {
				return errors.New("proxy needs --target-uri and the URL of the server")
			}
			return nil
		},
		RunE: runProxy,
	}
	addFlags(c.Flags(), thv(), keyUsage)
	c.Flags().String(flagTokenStore, "", "keyring, file or memory; default: as profiles.yaml says")
	return c
}

// keyUsage says in the help what the flag of another program becomes.
func keyUsage(o *option) string {
	var parts []string
	key, _ := o.place()
	if _, later := o.later(); later {
		parts = append(parts, "not supported yet")
	}
	if key != "" {
		parts = append(parts, key)
	}
	if o.doc != "" {
		parts = append(parts, o.plain())
	}
	return strings.Join(parts, "; ")
}

func runProxy(c *cobra.Command, args []string) error {
	name := args[0]
	t := newTranslation(thv())
	t.given(c.Flags())
	t.done(name)
	if lost := t.lost(); lost != nil {
		return usageError{error: lost}
	}
	p, settings, err := proxyPlaces(c, name)
	if err != nil {
		return err
	}
	config, err := inMemoryProfile(p.Profiles, name, t, settings)
	if err != nil {
		return err
	}
	level := "warn"
	if t.debug {
		level = "debug"
	}
	fg := &foreground{name: name, out: c.OutOrStdout(), said: c.ErrOrStderr()}
	return runApp(c.Context(), appOptions{
		paths: p, noTray: true, level: level, config: config, stderr: c.ErrOrStderr(), with: fg.follow,
		signIn: fmt.Sprintf("Run: mcpauth-tray signin %s --state-dir %q", name, p.State),
	})
}

// proxyPlaces are a folder for the state of this name and the settings of the app, as far
// as they can be read.
func proxyPlaces(c *cobra.Command, name string) (paths, profile.Settings, error) {
	usual, err := locate(c)
	if err != nil {
		return paths{}, profile.Settings{}, err
	}
	settings := usualSettings(c, usual)
	state := usual.State
	if !c.Flags().Changed(flagStateDir) {
		state = filepath.Join(usual.State, "proxy", name)
	}
	p, err := pathsIn(usual.Profiles, state)
	return p, settings, err
}

// usualSettings are those of the app, as far as they can be read.
func usualSettings(c *cobra.Command, p paths) profile.Settings {
	settings := profile.Settings{TokenStore: profile.StoreKeyring, RedirectHost: "localhost", RedirectPort: 8666}
	if config, err := profile.Load(p.Profiles); err == nil {
		settings = config.Settings
	}
	if store, _ := c.Flags().GetString(flagTokenStore); store != "" {
		settings.TokenStore = store
	}
	return settings
}

// oneProfileFile is a profiles file with that profile and these settings.
func oneProfileFile(file, name string, draft profile.Draft, s profile.Settings) ([]byte, error) {
	text := fmt.Sprintf("version: 1\nsettings: {token_store: %q, redirect_host: %q, redirect_port: %d}\nprofiles:\n",
		s.TokenStore, s.RedirectHost, s.RedirectPort)
	if _, err := profile.Parse(file, []byte(text)); err != nil {
		return nil, usagef("--%s is keyring, file or memory", flagTokenStore)
	}
	in, err := profile.Insert(file, []byte(text), name, draft)
	if err != nil {
		return nil, usageError{error: err}
	}
	return in.Text, nil
}

// inMemoryProfile is a Config with that one profile. Its secrets never leave this process.
func inMemoryProfile(file, name string, t *translation, s profile.Settings) (*profile.Config, error) {
	for _, h := range t.secrets {
		if h.header != "" {
			if files := t.draft[h.key].(map[string]string); len(files) > 1 {
				delete(files, h.header)
			} else {
				delete(t.draft, h.key)
			}
			t.put(&option{}, "headers.set", h.header, h.value)
			continue
		}
		delete(t.draft, h.key)
		t.draft[strings.TrimSuffix(h.key, "_file")] = h.value
	}
	text, err := oneProfileFile(file, name, t.draft, s)
	if err != nil {
		return nil, err
	}
	return profile.Parse(file, text)
}

// foreground is the face of one profile at a terminal.
type foreground struct {
	name string
	out  io.Writer // the URL
	said io.Writer

	url    string
	asked  *status.Profile // the row when the sign-in at the start was asked for
	opened string          // the page that was opened
	last   string          // what was said
}

// follow tells what becomes of the profile until ctx ends.
func (f *foreground) follow(ctx context.Context, a *application) error {
	for snap := range a.sup.Watch(ctx) {
		row := snap.Profile(f.name)
		if row == nil {
			continue
		}
		if err := f.see(ctx, a, row); err != nil {
			return err
		}
	}
	return nil
}

// see does what a row asks for.
func (f *foreground) see(ctx context.Context, a *application, row *status.Profile) error {
	if row.URL == "" && row.Phase == status.Backoff {
		failed := &supervisor.Fault{Code: row.Code, Detail: row.Summary + ": " + row.Detail, Action: row.Action}
		if row.Code == status.ListenFailed {
			failed.Action = "free the port, or choose another with --port"
		}
		return failed
	}
	if row.URL != "" && row.URL != f.url {
		f.url = row.URL
		fmt.Fprintln(f.out, row.URL)
	}
	if p := row.Prompt; p != nil && p.URL != f.opened {
		f.opened = p.URL
		f.open(p)
	}
	f.tell(row)
	if row.Phase == status.SignInNeeded && f.asked == nil {
		f.asked = row
		if a.sup.Do(ctx, supervisor.Action{Verb: supervisor.SignIn, Profile: f.name}) != nil && ctx.Err() == nil {
			f.say(row) // something else is wrong, as with a fixed token
		}
	}
	return nil
}

// open shows the page of a sign-in.
func (f *foreground) open(p *status.Prompt) {
	fmt.Fprintf(f.said, "Sign in to %s at\n%s\n", f.name, printable(p.URL))
	if p.UserCode != "" {
		fmt.Fprintf(f.said, "Code to enter there: %s\n", printable(p.UserCode))
	}
	if p.LinkOnly {
		return
	}
	if err := desktop.OpenURL(p.URL); err != nil {
		fmt.Fprintln(f.said, printable(err.Error()))
	}
}

// tell says each new state once. What a person can do about it ends it.
func (f *foreground) tell(row *status.Profile) {
	switch row.Phase {
	case status.Starting, status.SigningIn:
		return
	case status.SignInNeeded: // until the sign-in that was asked for begins nothing is new
		if f.asked == nil || row.Since.Equal(f.asked.Since) && row.Detail == f.asked.Detail {
			return
		}
	}
	f.say(row)
}

func (f *foreground) say(row *status.Profile) {
	said := row.Summary
	if row.Detail != "" {
		said += ": " + row.Detail
	}
	if row.Phase == status.SignInNeeded && row.Action != "" {
		said += ". " + row.Action
	}
	if said == f.last {
		return
	}
	f.last = said
	fmt.Fprintf(f.said, "%s: %s\n", f.name, printable(said))
}
