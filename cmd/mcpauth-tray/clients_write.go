package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mcpauth-tray/mcpauth-tray/internal/clientconfig"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// clientFlags are the flags of the commands that write.
type clientFlags struct {
	profile string
	name    string
	force   bool
	yes     bool
}

const aboutClients = `
Named clients get every profile that is served; without a CLIENT it is the installed
clients that the profiles ask for.`

func newClientsPlanCmd() *cobra.Command {
	var f clientFlags
	c := &cobra.Command{
		Use:   "plan [CLIENT…]",
		Short: "Show what clients write would change",
		Long: `Shows as a diff what clients write would change, and changes nothing. Values that are not
ours are covered, as secrets may be among them.` + aboutClients,
		ValidArgsFunction: completeClients,
		Args:              cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return eachClient(c, args, func(s *session, id string) error { return s.plan(c, id, len(args) > 0, f) })
		},
	}
	f.add(c)
	return c
}

func newClientsWriteCmd() *cobra.Command {
	var f clientFlags
	c := &cobra.Command{
		Use:   "write [CLIENT…]",
		Short: "Write the profiles into clients' configs",
		Long: `Writes the profiles into clients' configs: adds entries, corrects outdated ones, and takes
out those of profiles that are no more. On a terminal it shows the changes and asks.` + aboutClients,
		ValidArgsFunction: completeClients,
		Args:              cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := lastingProgram(); err != nil {
				return err
			}
			defer lookAgain(c)
			return eachClient(c, args, func(s *session, id string) error { return s.write(c, id, len(args) > 0, f) })
		},
	}
	f.add(c)
	f.addAsking(c)
	return c
}

func (f *clientFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.profile, "profile", "", "this profile alone")
	c.Flags().StringVar(&f.name, "name", "", "the name of the entry, instead of the profile's; needs --profile")
	c.Flags().BoolVar(&f.force, "force", false, "replace entries that are not ours, write while the client runs, and fill an empty file")
	_ = c.RegisterFlagCompletionFunc("profile", func(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return completeProfile(c, nil, prefix)
	})
}

// addAsking is for commands that ask a person on a terminal.
func (f *clientFlags) addAsking(c *cobra.Command) {
	c.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	c.Flags().Bool(flagHold, false, "wait for Enter at the end, for a window that is there for this command alone")
	_ = c.Flags().MarkHidden(flagHold)
}

// eachClient does something for each client of a command line. One that fails does not
// keep the others from being done.
func eachClient(c *cobra.Command, args []string, do func(s *session, id string) error) error {
	s, err := openSession(c)
	if err != nil {
		return err
	}
	ids, err := s.clients(args)
	if errors.Is(err, errNoClients) {
		fmt.Fprintln(c.ErrOrStderr(), err.Error()+"; name one, as in mcpauth-tray "+c.CommandPath()[len(c.Root().Name())+1:]+" cursor")
		return nil
	}
	if err != nil {
		return err
	}
	return s.all(c, ids, do)
}

func (s *session) all(c *cobra.Command, ids []string, do func(s *session, id string) error) error {
	var failed []error
	for _, id := range ids {
		err := do(s, id)
		if errors.Is(err, context.Canceled) {
			return err
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) < 2 {
		return errors.Join(failed...)
	}
	for _, err := range failed {
		report(c.ErrOrStderr(), err)
	}
	return fmt.Errorf("%d of %s could not be done", len(failed), count(len(ids), "client"))
}

// task is what a write asks for.
func (s *session) task(id string, named bool, f clientFlags, rule portRule) (clientconfig.Task, error) {
	if f.name != "" && f.profile == "" {
		return clientconfig.Task{}, usageError{error: errors.New("--name needs --profile")}
	}
	profiles, err := s.wanted(id, named, f.profile)
	if err != nil {
		return clientconfig.Task{}, err
	}
	t := clientconfig.Task{Force: f.force, Asked: !named && f.profile == ""}
	if f.profile == "" {
		t.Gone = s.gone
	}
	for _, p := range profiles {
		entry, err := s.entry(p, rule)
		if err != nil {
			return t, err
		}
		entry.Name = f.name
		t.Set = append(t.Set, entry)
	}
	return t, nil
}

func (s *session) plan(c *cobra.Command, id string, named bool, f clientFlags) error {
	t, err := s.task(id, named, f, portShown)
	if err != nil {
		return err
	}
	plans, err := s.editor.Plan(id, t)
	if err != nil {
		return clientError(err)
	}
	var failed error
	for _, p := range plans {
		show(c.OutOrStdout(), c.ErrOrStderr(), p)
		failed = errors.Join(failed, p.Err())
	}
	for _, e := range t.Set {
		if (strings.HasPrefix(e.URL, "http://127.0.0.1:0/") || e.URL == "http://127.0.0.1:0") && !slices.Contains(s.portless, e.Profile) {
			s.portless = append(s.portless, e.Profile)
			fmt.Fprintf(c.ErrOrStderr(), "profile %s has no port yet; clients write chooses one for it\n", e.Profile)
		}
	}
	return failed
}

// show writes what a plan does, its diff, and on stderr what a person should know.
func show(stdout, stderr io.Writer, p *clientconfig.Plan) {
	fmt.Fprintf(stdout, "%s: %s\n", p.Client.Name, does(p))
	io.WriteString(stdout, p.Diff())
	for _, note := range p.Notes {
		fmt.Fprintln(stderr, printable("note: "+note))
	}
	if p.Running && p.Writes() {
		fmt.Fprintln(stderr, "note: "+p.Client.Name+" is running; quit it fully before clients write")
	}
}

// does is "add company-tools, remove old" or that there is nothing to change.
func does(p *clientconfig.Plan) string {
	if changes := p.String(); changes != "" {
		return printable(changes)
	}
	return "nothing to change in " + p.File
}

func (s *session) write(c *cobra.Command, id string, named bool, f clientFlags) error {
	t, err := s.task(id, named, f, portChosen)
	if err != nil {
		return err
	}
	return s.carryOut(c, id, t, f.yes)
}

// carryOut does a task. On a terminal it waits for a client that has to be quit first,
// shows the changes and asks.
func (s *session) carryOut(c *cobra.Command, id string, t clientconfig.Task, yes bool) error {
	if !onTerminal(c.InOrStdin()) {
		return s.writeNow(c, id, t)
	}
	plans, err := s.editor.Plan(id, t)
	if err != nil {
		return clientError(err)
	}
	if !t.Force && slices.ContainsFunc(plans, func(p *clientconfig.Plan) bool { return p.Running && p.Writes() }) {
		if err := s.awaitQuit(c, id); err != nil {
			return err
		}
		if plans, err = s.editor.Plan(id, t); err != nil {
			return err
		}
	}
	if yes || len(plans) == 0 {
		return s.writeNow(c, id, t)
	}
	return confirmed(c, s.editor, plans, bufio.NewReader(c.InOrStdin()))
}

func (s *session) writeNow(c *cobra.Command, id string, t clientconfig.Task) error {
	plans, err := s.editor.Write(c.Context(), id, t)
	if err != nil {
		return clientError(err)
	}
	if len(plans) == 0 {
		fmt.Fprintln(c.OutOrStdout(), id+": nothing to change")
	}
	return written(c, plans)
}

// confirmed applies the plans that a person agrees to. A config that changes between
// the question and the answer is not written.
func confirmed(c *cobra.Command, editor *clientconfig.Editor, plans []*clientconfig.Plan, in *bufio.Reader) error {
	for _, p := range plans {
		said := 0
		if p.Writes() {
			show(c.OutOrStdout(), c.ErrOrStderr(), p)
			said = len(p.Notes)
			fmt.Fprintf(c.ErrOrStderr(), "Write %s? [y/N] ", p.File)
			answer, err := readLine(c.Context(), in)
			if err != nil {
				return err
			}
			if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
				fmt.Fprintln(c.OutOrStdout(), "Nothing was written.")
				continue
			}
		}
		if err := editor.Apply(c.Context(), p); err != nil {
			return err
		}
		p.Notes = p.Notes[min(said, len(p.Notes)):]
		if err := written(c, []*clientconfig.Plan{p}); err != nil {
			return err
		}
	}
	return nil
}

// lookTime is how long a running app may take to notice what a command wrote.
const lookTime = 5 * time.Second

// lookAgain has a running app notice what was written. Without one there is nobody to tell.
func lookAgain(c *cobra.Command) {
	app, err := dialApp(c)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.Context(), lookTime)
	defer cancel()
	_ = app.Do(ctx, supervisor.Action{Verb: supervisor.LookAtClients})
}

// written says what was done.
func written(c *cobra.Command, plans []*clientconfig.Plan) error {
	var failed error
	for _, p := range plans {
		switch line := p.Client.Name + ": " + does(p); {
		case p.Writes():
			fmt.Fprintln(c.OutOrStdout(), line+" in "+p.File)
		case p.Err() == nil:
			fmt.Fprintln(c.OutOrStdout(), line)
		}
		if then := next(p); then != "" {
			fmt.Fprintln(c.OutOrStdout(), "  "+then)
		}
		for _, note := range p.Notes {
			fmt.Fprintln(c.ErrOrStderr(), printable("note: "+note))
		}
		failed = errors.Join(failed, p.Err())
	}
	return failed
}

// next is what a person has to do for the client to notice a change. How clients let go
// of an entry they use is not known of each.
func next(p *clientconfig.Plan) string {
	gives := func(c clientconfig.Change) bool {
		return c.Action == clientconfig.Add || c.Action == clientconfig.Update || c.Action == clientconfig.Replace
	}
	switch {
	case !p.Writes():
		return ""
	case !slices.ContainsFunc(p.Changes, gives):
		return p.Client.Name + " may use it until it is started anew"
	case p.Client.Then != "":
		return "now " + p.Client.Then
	}
	return ""
}

// awaitQuit waits for a client to end that would overwrite what is written meanwhile.
func (s *session) awaitQuit(c *cobra.Command, id string) error {
	fmt.Fprintln(c.ErrOrStderr(), id+" is running and would overwrite its config. Quit it fully; this goes on by itself then. (--force does not wait.)")
	for s.editor.Running(id) {
		select {
		case <-c.Context().Done():
			return c.Context().Err()
		case <-time.After(time.Second):
		}
	}
	return nil
}

func onTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
