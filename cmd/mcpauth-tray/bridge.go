package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/stdio"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// Flags of bridge.
const (
	flagStartApp = "start-app"
	flagDebug    = "debug"
	flagSilent   = "silent"
)

// envStartApp is --start-app for an entry whose command line is not the person's to change.
const envStartApp = "MCPAUTH_START_APP"

func newBridgeCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "bridge PROFILE|URL",
		Short: "Be an MCP server on stdin and stdout, for clients that know no other kind",
		Long: `Carries an MCP client's messages between stdin and stdout and a profile's local port. It
finds the running app by itself, follows it when its port changes, and needs no
environment; point a client that starts its servers at "mcpauth-tray bridge PROFILE".

While the profile needs a sign-in, or the app does not run, it answers the client by
itself and offers one tool, which starts the sign-in. Afterwards the client is told that
the server's own tools are there; nothing needs a restart. With --start-app, or
` + envStartApp + `=1 in its environment, it has the session's service manager start an app
that does not run: systemd on Linux, launchd on macOS.

With a URL it needs neither profile nor app: it signs in to that server itself, with the
flags and variables of authful-mcp-proxy, in whose place it can be put. The first request
that needs the sign-in opens the browser. The sign-in is kept, sealed, for the next
start, and shared by all bridges to the same server.

It ends when stdin does: with exit code 0, or 2 if the app has no such profile. Nothing
but MCP is written to stdout; what goes wrong is said on stderr.`,
		Example: `  mcpauth-tray bridge linear
  mcpauth-tray bridge https://mcp.example.com/mcp --oidc-issuer-url https://auth.example.com --oidc-client-id my-client`,
		Args:              bridgeArgs,
		ValidArgsFunction: completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			level, err := bridgeLevel(c)
			if err != nil {
				return err
			}
			if len(args) == 1 && !isURL(args[0]) {
				return runBridge(c, args[0], level)
			}
			return runBridgeURL(c, args, level)
		},
	}
	addBridgeFlags(c, "warn")
	c.Flags().Bool(flagStartApp, false, "with a profile: start the app if it does not run ("+envStartApp+")")
	return c
}

// addBridgeFlags adds the flags of what has to do with bridges to URLs.
func addBridgeFlags(c *cobra.Command, level string) {
	c.Flags().String(flagLogLevel, level, "what is said on stderr: trace, debug, info, warn or error")
	addFlags(c.Flags(), authful(), bridgeUsage)
	c.Flags().String(flagTokenStore, "", "with a URL: keyring, file or memory; default: as profiles.yaml says")
}

// bridgeUsages say what the flags of authful-mcp-proxy do here.
var bridgeUsages = map[string]string{
	"--oidc-issuer-url":    "the authorization server; left out, the server is asked for it",
	"--oidc-client-id":     "the client registered there; left out, one is registered",
	"--oidc-client-secret": "its secret, which other programs can read here; the variable keeps it from them",
	"--oidc-scopes":        "the scopes to ask for, in quotes; openid is added",
	"--oidc-redirect-url":  "where the browser comes back to; default with a client: http://localhost:8080/auth/callback",
	"--debug":              "the same as --log-level debug",
	"--silent":             "the same as --log-level error",
	"--no-banner":          "nothing: there is no banner",
}

func bridgeUsage(o *option) string {
	says := "with a URL: " + bridgeUsages[o.name]
	if o.also != nil {
		says += " (" + strings.Join(o.also, ", ") + ")"
	}
	return says
}

// bridgeArgs wants a profile, or a URL here or in the environment.
func bridgeArgs(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("%s takes one profile or one URL", c.Name())
	}
	if len(args) == 0 && os.Getenv(envBackendURL) == "" {
		return fmt.Errorf("%s needs the name of one profile, or a URL, here or in %s", c.Name(), envBackendURL)
	}
	profile := len(args) == 1 && !isURL(args[0])
	for _, o := range authful().options {
		if profile && c.Flags().Changed(strings.TrimPrefix(o.name, "--")) {
			return fmt.Errorf("%s goes with a URL; a profile has its settings in profiles.yaml", o.name)
		}
	}
	switch {
	case profile && c.Flags().Changed(flagTokenStore):
		return fmt.Errorf("--%s goes with a URL; a profile has its settings in profiles.yaml", flagTokenStore)
	case !profile && c.Flags().Changed(flagStartApp):
		return fmt.Errorf("--%s goes with a profile; a bridge to a URL needs no app", flagStartApp)
	}
	return nil
}

// bridgeLevel is the level of the log on stderr.
func bridgeLevel(c *cobra.Command) (string, error) {
	level, _ := c.Flags().GetString(flagLogLevel)
	if _, ok := levels[level]; !ok {
		return "", usageError{fmt.Errorf("--%s: there is no level %q", flagLogLevel, level), c.CommandPath()}
	}
	return level, nil
}

func runBridge(c *cobra.Command, name, level string) error {
	apps, err := bridgedApps(c)
	if err != nil {
		return err
	}
	starter, err := newAppStart(c)
	if err != nil {
		return err
	}
	return carry(c, stdio.Options{Name: name, Logger: bridgeLog(c, level),
		Upstream: &bridgedProfile{apps: apps, name: name, starter: starter}})
}

func bridgeLog(c *cobra.Command, level string) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: logLevel(level), ReplaceAttr: redact}))
}

// Many bridges run at one time, and each does little: memory goes before time.
const (
	bridgeGC    = 40 // percent that the heap may grow between two collections
	bridgeCores = 2  // that it uses at one time; more only make it wait for itself
)

// carry runs a bridge on stdin and stdout until its client is gone.
func carry(c *cobra.Command, o stdio.Options) error {
	// A client that goes away shows as an error of the write, not as the end of us: the
	// server is to be told.
	signal.Ignore(syscall.SIGPIPE)
	debug.SetGCPercent(bridgeGC)
	runtime.GOMAXPROCS(min(bridgeCores, runtime.GOMAXPROCS(0)))
	ctx, stop := stdio.UntilOrphaned(c.Context())
	defer stop()
	o.Version, o.In, o.Out = buildInfo().Version, c.InOrStdin(), c.OutOrStdout()
	err := stdio.New(o).Run(ctx)
	switch {
	case errors.Is(err, stdio.ErrUnknownProfile):
		return fmt.Errorf("%w: %s", supervisor.ErrUnknownProfile, o.Name)
	case errors.Is(err, stdio.ErrOrphaned), errors.Is(err, syscall.EPIPE), errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		return fmt.Errorf("the bridge to %s: %w", o.Name, err)
	}
	return nil
}
