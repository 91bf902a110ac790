package main

import (
	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

func newRestartCmd() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:               "restart PROFILE|--all",
		Short:             "Start a profile's proxy anew; sign-ins are kept",
		Args:              atMostOne("profile"),
		ValidArgsFunction: completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case all && len(args) == 0:
				return ask(c, supervisor.Action{Verb: supervisor.Restart}, "Restarted all profiles.")
			case !all && len(args) == 1:
				return ask(c, supervisor.Action{Verb: supervisor.Restart, Profile: args[0]}, "Restarted "+args[0]+".")
			}
			return usagef("restart needs the name of a profile, or --all")
		},
	}
	c.Flags().BoolVar(&all, "all", false, "every profile")
	return c
}
