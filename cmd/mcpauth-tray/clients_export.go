package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newClientsExportCmd() *cobra.Command {
	var bundle, force bool
	c := &cobra.Command{
		Use:   "export --mcpb PROFILE [FILE]",
		Short: "Make an extension of a profile, for Claude Desktop",
		Long: `Makes an MCP bundle of a profile, by default PROFILE.mcpb here. A double click installs it in
Claude Desktop, which keeps it apart from its config file. It has a copy of this program
in it; make it anew after an update.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return errors.New("export needs a profile, and takes a file")
			}
			if !bundle {
				return errors.New("export needs --mcpb: it is the one kind there is")
			}
			return nil
		},
		ValidArgsFunction: completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			file := args[0] + ".mcpb"
			if len(args) == 2 {
				file = args[1]
			}
			return exportBundle(c, args[0], file, force)
		},
	}
	c.Flags().BoolVar(&bundle, "mcpb", false, "as an MCP bundle")
	c.Flags().BoolVar(&force, "force", false, "replace the file")
	return c
}

func exportBundle(c *cobra.Command, name, file string, force bool) error {
	s, err := openSession(c)
	if err != nil {
		return err
	}
	if _, err := s.profile(name); err != nil {
		return err
	}
	if _, err := os.Lstat(file); err == nil && !force {
		return fmt.Errorf("%s is there already; --force replaces it", file)
	}
	var data bytes.Buffer
	if err := s.editor.Bundle(&data, name, buildInfo().Version); err != nil {
		return err
	}
	if err := writeAtomic(file, data.Bytes()); err != nil {
		return fmt.Errorf("cannot write the bundle: %w", err)
	}
	fmt.Fprintf(c.OutOrStdout(), "Wrote %s; open it to install it in Claude Desktop.\n", file)
	return nil
}
