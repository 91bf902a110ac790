package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// verdict is what validate --json prints.
type verdict struct {
	File     string           `json:"file"`
	Valid    bool             `json:"valid"`
	Profiles int              `json:"profiles"`
	Problems []status.Problem `json:"problems"`
	Warnings []status.Problem `json:"warnings"`
}

func newValidateCmd() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check a profiles file without running it",
		Long: `Checks a profiles file, by default the one the app would use, and prints every
problem as file:line:column: message. An invalid file is exit code 3.`,
		Args: atMostOne("file"),
		RunE: func(c *cobra.Command, args []string) error {
			file, err := fileToCheck(c, args)
			if err != nil {
				return err
			}
			return validate(c, file, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the verdict as JSON")
	return c
}

func fileToCheck(c *cobra.Command, args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	p, err := locate(c)
	return p.Profiles, err
}

func validate(c *cobra.Command, file string, asJSON bool) error {
	v := verdict{File: file, Problems: []status.Problem{}, Warnings: []status.Problem{}}
	config, err := profile.Load(file)
	if err != nil {
		v.Problems = describe(file, err)
	} else {
		v.Valid, v.Profiles, v.Warnings = true, len(config.Profiles), describe(file, config.Warnings)
	}
	if asJSON {
		if err := writeJSON(c.OutOrStdout(), v, true); err != nil {
			return err
		}
		if !v.Valid {
			return fmt.Errorf("%w: %s", errInvalidFile, count(len(v.Problems), "problem"))
		}
		return nil
	}
	if !v.Valid {
		return err
	}
	writeWarnings(c.ErrOrStderr(), config.Warnings)
	fmt.Fprintf(c.OutOrStdout(), "%s is valid: %s\n", file, count(v.Profiles, "profile"))
	return nil
}
