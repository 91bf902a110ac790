package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// oneProfile wants the name of a profile and nothing else.
func oneProfile(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s needs the name of one profile", c.Name())
	}
	return nil
}

// atMostOne allows one argument of that kind.
func atMostOne(kind string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fmt.Errorf("%s takes one %s at most", c.Name(), kind)
		}
		return nil
	}
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments", c.Name())
	}
	return nil
}

// noCommand refuses what is left of a command line in which no command was found.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	near := c.SuggestionsFor(args[0])
	if len(near) == 0 {
		return fmt.Errorf("unknown command %q", args[0])
	}
	return fmt.Errorf("unknown command %q; did you mean %s?", args[0], strings.Join(near, " or "))
}
