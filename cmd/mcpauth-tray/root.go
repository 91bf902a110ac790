package main

import "github.com/spf13/cobra"

// newRootCmd is the whole command line. started is set once a command runs: an error
// before that is one of usage.
func newRootCmd() (root *cobra.Command, started *bool) {
	run := newRunCmd()
	root = &cobra.Command{
		Use:   "mcpauth-tray",
		Short: "Local ports for remote MCP servers, signed in from the tray",
		Long: `mcpauth-tray keeps a local port open for each remote MCP server named in
profiles.yaml, signs in to it in your browser, and keeps the sign-in fresh.

Without a command it runs the app, like "mcpauth-tray run".`,
		Version:       buildInfo().Version,
		Args:          noCommand,
		RunE:          run.RunE,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().String(flagStateDir, "", "folder for sealed tokens, lock and control socket (MCPAUTH_STATE_DIR)")
	root.PersistentFlags().String(flagProfiles, "", "the profiles.yaml to use (MCPAUTH_PROFILES)")
	root.Flags().AddFlagSet(run.Flags())
	root.SetVersionTemplate("mcpauth-tray {{.Version}}\n")
	root.AddCommand(
		run, newDemoCmd(), newStatusCmd(), newSignInCmd(), newSignOutCmd(), newRestartCmd(),
		newPauseCmd(), newResumeCmd(), newReloadCmd(), newQuitCmd(), newValidateCmd(), newAddCmd(), newImportCmd(),
		newProxyCmd(), newClientsCmd(), newBridgeCmd(), newVersionCmd(),
		newCompletionCmd(),
	)
	root.CompletionOptions.DisableDefaultCmd = true
	started = new(bool)
	noteStart(root, started)
	return root, started
}

// noteStart has every command below c note that it was reached.
func noteStart(c *cobra.Command, started *bool) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			*started = true
			return run(c, args)
		}
	}
	for _, sub := range c.Commands() {
		noteStart(sub, started)
	}
}
