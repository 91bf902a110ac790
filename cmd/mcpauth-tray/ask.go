package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// dialApp returns a client of the app that this command line is about.
func dialApp(c *cobra.Command) (*control.Client, error) {
	p, err := locate(c)
	if err != nil {
		return nil, err
	}
	return control.Dial(runningSocket(p)), nil
}

// ask has the running app carry an action out, then says so.
func ask(c *cobra.Command, a supervisor.Action, done string) error {
	app, err := dialApp(c)
	if err != nil {
		return err
	}
	err = app.Do(c.Context(), a)
	if errors.Is(err, supervisor.ErrUnknownProfile) {
		return fmt.Errorf("%w: %s", supervisor.ErrUnknownProfile, a.Profile)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(c.OutOrStdout(), done)
	return nil
}

// completionTime is how long a shell waits for the names of profiles.
const completionTime = time.Second

// completeProfile offers the names of the running app's profiles for the first argument.
func completeProfile(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	app, err := dialApp(c)
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	s, err := app.Snapshot(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, p := range s.Profiles {
		if strings.HasPrefix(p.Name, prefix) {
			names = append(names, cobra.CompletionWithDesc(p.Name, printable(p.Summary)))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// flagHold is for commands in a window that the tray opened for them: it stays until the
// person has read it.
const flagHold = "hold"

// holdWindow waits for Enter, if the command line c says so and somebody can type it.
func holdWindow(ctx context.Context, c *cobra.Command) {
	if hold, err := c.Flags().GetBool(flagHold); err != nil || !hold || !onTerminal(c.InOrStdin()) {
		return
	}
	fmt.Fprint(c.ErrOrStderr(), "\nPress Enter to close this window. ")
	_, _ = readLine(ctx, bufio.NewReader(c.InOrStdin()))
}

// readLine returns what a person types, until ctx ends. The end of the input is an empty line.
func readLine(ctx context.Context, in *bufio.Reader) (string, error) {
	type answer struct {
		text string
		err  error
	}
	typed := make(chan answer, 1)
	go func() {
		text, err := in.ReadString('\n')
		typed <- answer{text, err}
	}()
	select {
	case a := <-typed:
		if a.err != nil && a.err != io.EOF {
			return "", a.err
		}
		return strings.TrimSpace(a.text), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// writeComplaints writes one line for each: file:line:column: message, and its hint.
func writeComplaints(w io.Writer, complaints profile.Errors) {
	for _, c := range complaints {
		line := c.Error()
		if c.Hint != "" {
			line += "; " + c.Hint
		}
		fmt.Fprintln(w, printable(line))
	}
}

// writeWarnings does the same with what is unwise, and is no error.
func writeWarnings(w io.Writer, complaints profile.Errors) {
	for _, c := range complaints {
		warning := *c
		warning.Message = "warning: " + c.Message
		writeComplaints(w, profile.Errors{&warning})
	}
}

// printable keeps what came from elsewhere from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// count is "1 problem", "2 problems".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
