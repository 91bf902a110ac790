package main

import (
	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

func newPauseCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "pause",
		Short: "Stop serving every profile until resume",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return ask(c, supervisor.Action{Verb: supervisor.Pause}, "Paused: no profile is served.")
		},
	}
}

func newResumeCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "resume",
		Short: "Serve the profiles again after pause",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return ask(c, supervisor.Action{Verb: supervisor.Resume}, "Resumed.")
		},
	}
}
