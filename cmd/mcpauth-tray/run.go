package main

import (
	"context"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// Flags of run.
const (
	flagNoTray    = "no-tray"
	flagReadyFile = "ready-file"
	flagLogLevel  = "log-level"
)

func newRunCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the app: serve every profile and show the tray",
		Long: `Runs the app until it is told to quit. It reads profiles.yaml, serves every profile on
its local port, and shows the tray. The first start writes a commented profiles.yaml.
On a desktop without a tray it says so once and runs on.`,
		Args: noArgs,
		RunE: runRun,
	}
	f := c.Flags()
	f.Bool(flagNoTray, false, "show no tray; needs neither a display nor D-Bus")
	f.String(flagReadyFile, "", "write the status as JSON to this file once every listener is up")
	f.String(flagLogLevel, "", "trace, debug, info, warn or error, in place of settings.log_level")
	return c
}

func runRun(c *cobra.Command, _ []string) error {
	p, err := locate(c)
	if err != nil {
		return err
	}
	o := appOptions{paths: p, keepClients: true, stderr: c.ErrOrStderr()}
	o.noTray, _ = c.Flags().GetBool(flagNoTray)
	o.readyFile, _ = c.Flags().GetString(flagReadyFile)
	o.ownProfiles = c.Flags().Changed(flagProfiles) || os.Getenv("MCPAUTH_PROFILES") != ""
	level, _ := c.Flags().GetString(flagLogLevel)
	if _, known := levels[level]; level != "" && !known {
		return usagef("--%s %s: it is one of trace, debug, info, warn, error", flagLogLevel, level)
	}
	o.level = level
	return runApp(c.Context(), o)
}

// appOptions are what one run of the app is made of.
type appOptions struct {
	paths
	noTray      bool
	readyFile   string          // empty: none
	level       string          // of the log; empty: settings.log_level decides
	keepClients bool            // the config files of MCP clients follow the profiles
	ownProfiles bool            // the person named the profiles file: a missing one is an error
	config      *profile.Config // the profiles, in place of a file; nil: they are in one
	signIn      string          // how a person signs in; empty: in the tray, or by the command
	stderr      io.Writer
	with        func(ctx context.Context, a *application) error // runs beside the app, nil for nothing; its end ends the app
}

// gcPercent trades a few megabytes for a fifth more requests a second.
const gcPercent = 200

// runApp runs the app until ctx ends or somebody quits it.
func runApp(ctx context.Context, o appOptions) error {
	release, err := lockInstance(o.Lock)
	if err != nil {
		return raiseOther(ctx, o, err)
	}
	defer release()
	level := new(slog.LevelVar)
	level.Set(logLevel(o.level))
	log, logFile := newLogger(o.stderr, o.Logs, level)
	defer logFile.Close()
	stdlog.SetFlags(0)
	stdlog.SetOutput(slog.NewLogLogger(log.Handler(), slog.LevelWarn).Writer()) // where systray complains
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	a, err := newApplication(o, log, level)
	if err != nil {
		return err
	}
	return a.run(ctx)
}

// raiseOther is a second start: with a tray it leaves the field to the first, which is
// what a person who clicked twice wants; without one it is an error.
func raiseOther(_ context.Context, o appOptions, err error) error {
	if o.noTray || err != errOtherInstance {
		return err
	}
	fmt.Fprintln(o.stderr, "mcpauth-tray is running already; see its icon in the tray, or mcpauth-tray status.")
	return nil
}
