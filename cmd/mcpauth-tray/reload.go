package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

func newReloadCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Read profiles.yaml again now",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			app, err := dialApp(c)
			if err != nil {
				return err
			}
			err = app.Do(c.Context(), supervisor.Action{Verb: supervisor.Reload})
			if errors.Is(err, supervisor.ErrInvalidConfig) {
				return invalid(c, app, err)
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), "Reloaded.")
			return nil
		},
	}
}

// problemsTime is how long the app may take to show what is wrong with its file.
const problemsTime = 2 * time.Second

// invalid shows every problem that the app has found in the file.
func invalid(c *cobra.Command, app *control.Client, cause error) error {
	ctx, cancel := context.WithTimeout(c.Context(), problemsTime)
	defer cancel()
	for s := range app.Watch(ctx) {
		if len(s.Config.Problems) == 0 {
			continue
		}
		for _, p := range s.Config.Problems {
			fmt.Fprintln(c.ErrOrStderr(), printable(problemLine(p)))
		}
		return fmt.Errorf("%w: %s", supervisor.ErrInvalidConfig, count(len(s.Config.Problems), "problem"))
	}
	return cause
}
