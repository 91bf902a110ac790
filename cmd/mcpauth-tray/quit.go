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

// quitTime is how long an app may take to end: renewals in flight are finished and saved.
const quitTime = 30 * time.Second

func newQuitCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "quit",
		Short: "End the app and wait until it is gone",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := locate(c)
			if err != nil {
				return err
			}
			err = control.Dial(p.Socket).Do(c.Context(), supervisor.Action{Verb: supervisor.Quit})
			if err != nil && !errors.Is(err, supervisor.ErrStopped) {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), quitTime)
			defer cancel()
			if err := awaitInstanceEnd(ctx, p.Lock); err != nil {
				return fmt.Errorf("the app was asked to quit and is still running: %w", err)
			}
			fmt.Fprintln(c.OutOrStdout(), "Quit.")
			return nil
		},
	}
}
