package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/clientconfig"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

func newClientsRemoveCmd() *cobra.Command {
	var f clientFlags
	c := &cobra.Command{
		Use:   "remove [CLIENT…]",
		Short: "Take our entries out of clients' configs",
		Long: `Takes our entries out of clients' configs, by default out of all of them. They stay out
until clients write puts them in again. On a terminal it shows the changes and asks.`,
		ValidArgsFunction: completeClients,
		Args:              cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := openSession(c)
			var complaints profile.Errors
			if errors.As(err, &complaints) { // whatever became of the profiles, our entries can go
				s, err = sessionWithout(c)
			}
			if err != nil {
				return err
			}
			defer lookAgain(c)
			return s.remove(c, args, f)
		},
	}
	c.Flags().StringVar(&f.profile, "profile", "", "the entry of this profile alone, which need not be in profiles.yaml any more")
	c.Flags().BoolVar(&f.force, "force", false, "write while the client runs")
	f.addAsking(c)
	return c
}

func (s *session) remove(c *cobra.Command, args []string, f clientFlags) error {
	ids := args
	var err error
	if len(args) > 0 {
		ids, err = s.clients(args)
	} else {
		ids, err = s.editor.Written()
	}
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		fmt.Fprintln(c.OutOrStdout(), "No client has an entry of ours.")
		return nil
	}
	t := clientconfig.Task{Force: f.force}
	for _, p := range s.config.Profiles {
		if f.profile != "" && p.Name != f.profile {
			continue
		}
		entry, err := s.entry(p, portKnown)
		if err != nil {
			return err
		}
		t.Drop = append(t.Drop, entry)
	}
	if f.profile == "" {
		t.Gone = s.gone
	} else if len(t.Drop) == 0 {
		t.Drop = []clientconfig.Entry{{Profile: f.profile}}
	}
	return s.all(c, ids, func(s *session, id string) error {
		return s.carryOut(c, id, t, f.yes)
	})
}

func newClientsUndoCmd() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "undo CLIENT",
		Short: "Take the last write to a client's config back",
		Long: `Takes the last write to a client's config back. If nobody else has changed the file since,
it becomes what it was to the byte; otherwise only our entries become what they were.`,
		ValidArgsFunction: completeClients,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("undo needs one client")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			s, err := sessionWithout(c)
			if err != nil {
				return err
			}
			plans, err := s.editor.PlanUndo(args[0], force)
			if err != nil {
				return clientError(err)
			}
			defer lookAgain(c)
			for _, p := range plans {
				if err := s.editor.Apply(c.Context(), p); err != nil {
					return err
				}
			}
			return written(c, plans)
		},
	}
	c.Flags().BoolVar(&force, "force", false, "write while the client runs")
	return c
}
