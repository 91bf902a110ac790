package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

func newSignOutCmd() *cobra.Command {
	var revoke bool
	c := &cobra.Command{
		Use:   "signout PROFILE|URL",
		Short: "Forget a sign-in",
		Long: `Forgets the sign-in of a profile of the running app.

With a URL it forgets the one that bridges to that URL keep, and needs no app: it takes the
command line and the variables of such a bridge, with signout in place of bridge. A bridge
that is running goes on until its token has to be renewed, or is refused after --revoke.`,
		Example: `  mcpauth-tray signout linear
  mcpauth-tray signout https://mcp.example.com/mcp --revoke`,
		Args:              bridgeArgs,
		ValidArgsFunction: completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && !isURL(args[0]) {
				return ask(c, supervisor.Action{Verb: supervisor.SignOut, Profile: args[0], Revoke: revoke}, "Signed out of "+args[0]+".")
			}
			return signOutURL(c, args, revoke)
		},
	}
	addBridgeFlags(c, "error")
	c.Flags().BoolVar(&revoke, "revoke", false, "have the provider revoke the tokens first")
	return c
}

// signOutURL forgets what bridges to a URL share.
func signOutURL(c *cobra.Command, args []string, revoke bool) error {
	level, err := bridgeLevel(c)
	if err != nil {
		return err
	}
	b, err := translateBridge(c, args, level)
	if err != nil {
		return err
	}
	config, w, err := b.settle(c, bridgeLog(c, b.level))
	if err != nil {
		return err
	}
	if err := w.configure(config.Settings); err != nil {
		return err
	}
	account, err := w.accounts.Account(config.Profiles[0])
	if err != nil {
		return err
	}
	defer func() { _ = w.close() }() // nothing is left to save
	if err := forget(c.Context(), account, revoke); err != nil {
		return err
	}
	target, _, _ := strings.Cut(b.target(), "?") // a query may hold a key
	fmt.Fprintf(c.OutOrStdout(), "Signed out of %s.\n", printable(target))
	return nil
}

func forget(ctx context.Context, account *oauth.Account, revoke bool) error {
	kept, err := account.Kept(ctx)
	if err == nil && !kept {
		return &supervisor.Fault{Detail: "no sign-in to this URL is kept", Action: "give the flags and variables of the bridge, too, if it has any"}
	}
	if err == nil {
		err = account.SignOut(ctx, revoke)
	}
	var own *oauth.Error
	if errors.As(err, &own) {
		unhinted := *own
		unhinted.Action = ""
		return &supervisor.Fault{Code: own.Code, Detail: unhinted.Error(), Action: own.Action, Err: err}
	}
	return err
}
