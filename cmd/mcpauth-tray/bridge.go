package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/stdio"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

func newBridgeCmd() *cobra.Command {
	var level string
	c := &cobra.Command{
		Use:   "bridge PROFILE",
		Short: "Be an MCP server on stdin and stdout, for clients that know no other kind",
		Long: `Carries an MCP client's messages between stdin and stdout and a profile's local port. It
finds the running app by itself, follows it when its port changes, and needs no
environment; point a client that starts its servers at "mcpauth-tray bridge PROFILE".

While the profile needs a sign-in, or the app does not run, it answers the client by
itself and offers one tool, which starts the sign-in. Afterwards the client is told that
the server's own tools are there; nothing needs a restart.

It ends when stdin does: with exit code 0, or 2 if the app has no such profile. Nothing
but MCP is written to stdout; what goes wrong is said on stderr.`,
		Args:              oneProfile,
		ValidArgsFunction: completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			if _, ok := levels[level]; !ok {
				return usageError{fmt.Errorf("--log-level: there is no level %q", level), c.CommandPath()}
			}
			return runBridge(c, args[0], level)
		},
	}
	c.Flags().StringVar(&level, "log-level", "warn", "what is said on stderr: trace, debug, info, warn or error")
	return c
}

// Many bridges run at one time, and each does little: memory goes before time.
const (
	bridgeGC    = 40 // percent that the heap may grow between two collections
	bridgeCores = 2  // that it uses at one time; more only make it wait for itself
)

func runBridge(c *cobra.Command, profile, level string) error {
	apps, err := bridgedApps(c)
	if err != nil {
		return err
	}
	// A client that goes away shows as an error of the write, not as the end of us: the
	// server is to be told.
	signal.Ignore(syscall.SIGPIPE)
	debug.SetGCPercent(bridgeGC)
	runtime.GOMAXPROCS(min(bridgeCores, runtime.GOMAXPROCS(0)))
	ctx, stop := stdio.UntilOrphaned(c.Context())
	defer stop()
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: logLevel(level), ReplaceAttr: redact}))
	err = stdio.New(stdio.Options{
		Name: profile, Version: buildInfo().Version, In: c.InOrStdin(), Out: c.OutOrStdout(), Logger: log,
		Upstream: &bridgedProfile{apps: apps, name: profile},
	}).Run(ctx)
	switch {
	case errors.Is(err, stdio.ErrUnknownProfile):
		return fmt.Errorf("%w: %s", supervisor.ErrUnknownProfile, profile)
	case errors.Is(err, stdio.ErrOrphaned), errors.Is(err, syscall.EPIPE), errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		return fmt.Errorf("the bridge to %s: %w", profile, err)
	}
	return nil
}
