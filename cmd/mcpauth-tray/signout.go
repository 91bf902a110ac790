package main

import (
	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

func newSignOutCmd() *cobra.Command {
	var revoke bool
	c := &cobra.Command{
		Use:               "signout PROFILE",
		Short:             "Forget a sign-in",
		Args:              oneProfile,
		ValidArgsFunction: completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			return ask(c, supervisor.Action{Verb: supervisor.SignOut, Profile: args[0], Revoke: revoke}, "Signed out of "+args[0]+".")
		},
	}
	c.Flags().BoolVar(&revoke, "revoke", false, "have the provider revoke the tokens first")
	return c
}
