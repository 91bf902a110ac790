package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/clientconfig"
	"github.com/mcpauth-tray/mcpauth-tray/internal/desktop"
)

func newClientsCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "clients",
		Short: "Point MCP clients at the profiles, by editing their config files",
		Long: `Edits the config files of MCP clients so that they use the profiles. Nothing but the
entries of this app is touched: each file is backed up first, replaced at once or not at
all, and read again. The app need not run; while it does, it keeps the clients that
profiles.yaml names (settings.clients) by itself. Without a command below, it is clients list.`,
		Args: noCommand,
	}
	list := newClientsListCmd()
	c.RunE = list.RunE
	c.Flags().AddFlagSet(list.Flags())
	c.AddCommand(list, newClientsPlanCmd(), newClientsWriteCmd(), newClientsRemoveCmd(), newClientsUndoCmd(), newClientsSnippetCmd(),
		newClientsExportCmd())
	return c
}

// openEditor returns the editor of clients' configs that belongs to a state directory. A
// nil logger discards.
func openEditor(p paths, log *slog.Logger) (*clientconfig.Editor, error) {
	exe, err := ownProgram()
	if err != nil {
		return nil, err
	}
	o := clientconfig.Options{StateDir: p.State, Exe: exe, Getenv: environment, Running: clientRunning, Logger: log}
	if !usualState(p) {
		o.BridgeArgs = []string{"--" + flagStateDir, p.State}
	}
	return clientconfig.New(o)
}

// usualState reports that a bridge finds the state directory without being told.
func usualState(p paths) bool {
	usual, err := locateWithout(desktop.EnvStateDir, "")
	return err == nil && usual.State == p.State
}

// usualProfiles reports that a command finds profiles.yaml without being told.
func usualProfiles(p paths) bool {
	usual, err := locateWithout(desktop.EnvProfiles, p.State)
	return err == nil && usual.Profiles == p.Profiles
}

// locateWithout is where files would be if that variable were not set.
func locateWithout(variable, state string) (desktop.Folders, error) {
	return desktop.Locate(func(name string) string {
		if name == variable {
			return ""
		}
		return environment(name)
	}, "", state)
}

// listedClient is one client of clients list --json.
type listedClient struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	File      string          `json:"file"`
	Installed bool            `json:"installed"`
	Profiles  []listedProfile `json:"profiles"`
}

type listedProfile struct {
	Profile string             `json:"profile"`
	State   clientconfig.State `json:"state"`
	Waits   bool               `json:"-"`
	Entry   string             `json:"entry"` // the name of the profile's entry in the client's config
	Detail  string             `json:"detail,omitempty"`
}

func newClientsListCmd() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "Show the clients, and how the profiles stand in their configs",
		Long: `Shows every client whose config can be written, and how each profile stands there:

  current      its entry is there and right
  outdated     its entry is ours, but not right any more; clients write corrects it
  missing      there is no entry
  foreign      an entry of that name is not ours, or was pointed elsewhere
  unreadable   the file cannot be read, and so it is not touched`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return listClients(c, asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func listClients(c *cobra.Command, asJSON bool) error {
	s, err := openSession(c)
	if err != nil {
		return err
	}
	var entries []clientconfig.Entry
	for _, p := range s.config.Profiles {
		entry, err := s.entry(p, portKnown)
		if err != nil {
			return err
		}
		entries = append(entries, entry)
	}
	rows, err := s.editor.List(entries)
	if err != nil {
		return err
	}
	clients := []listedClient{}
	for _, row := range rows {
		l := listedClient{ID: row.Client.ID, Name: row.Client.Name, File: row.File, Installed: row.Installed, Profiles: []listedProfile{}}
		for _, e := range row.Entries {
			l.Profiles = append(l.Profiles, listedProfile{Profile: e.Profile, State: e.State, Entry: e.Name, Detail: e.Detail, Waits: e.Waits})
		}
		clients = append(clients, l)
	}
	if asJSON {
		return writeJSON(c.OutOrStdout(), clients, true)
	}
	return writeClients(c.OutOrStdout(), clients)
}

// writeClients lists installed clients first.
func writeClients(w io.Writer, clients []listedClient) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "CLIENT\tINSTALLED\tPROFILES\tFILE")
	slices.SortStableFunc(clients, func(a, b listedClient) int {
		if a.Installed == b.Installed {
			return 0
		}
		if a.Installed {
			return -1
		}
		return 1
	})
	for _, l := range clients {
		installed := "no"
		if l.Installed {
			installed = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", l.ID, installed, dash(summary(l.Profiles)), dash(l.File))
	}
	return t.Flush()
}

// summary says what is in a client's config: "2 current, 1 foreign". Profiles that are
// simply not there go without saying.
func summary(profiles []listedProfile) string {
	counts := map[clientconfig.State]int{}
	waits := 0
	for _, p := range profiles {
		counts[p.State]++
		if p.Waits {
			waits++
		}
	}
	if counts[clientconfig.Unreadable] > 0 {
		return string(clientconfig.Unreadable)
	}
	var parts []string
	for _, state := range []clientconfig.State{clientconfig.Current, clientconfig.Outdated, clientconfig.Foreign} {
		if n := counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if waits > 0 {
		parts = append(parts, fmt.Sprintf("%d waiting for it to quit", waits))
	}
	return strings.Join(parts, ", ")
}

func newClientsSnippetCmd() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "snippet CLIENT PROFILE",
		Short: "Print what to paste into a client's config by hand",
		Long: `Prints the entry of a profile as a client wants it, for clients whose config this app
does not write, and for configs that it cannot. These clients are known:

`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("snippet needs a client and a profile")
			}
			return nil
		},
		ValidArgsFunction: completeClientThenProfile,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := openSession(c)
			if err != nil {
				return err
			}
			return s.snippet(c, args[0], args[1], name)
		},
	}
	c.Flags().StringVar(&name, "name", "", "the name of the entry, instead of the profile's")
	help := c.HelpFunc()
	c.SetHelpFunc(func(c *cobra.Command, args []string) { // every command would wait for the list
		c.Long += wrap(clientIDs(func(*clientconfig.Client) bool { return true }))
		help(c, args)
	})
	return c
}

func (s *session) snippet(c *cobra.Command, client, profile, name string) error {
	p, err := s.profile(profile)
	if err != nil {
		return err
	}
	entry, err := s.entry(p, portChosen)
	if err != nil {
		return err
	}
	entry.Name = name
	snippet, err := s.editor.Snippet(client, entry)
	if err != nil {
		if errors.Is(err, clientconfig.ErrUnknownClient) {
			return usageError{error: err} // the help lists them
		}
		return err
	}
	where := snippet.Note
	if snippet.File != "" {
		where = "paste it into " + snippet.File
	}
	if snippet.Then != "" {
		where += "; then " + snippet.Then
	}
	if where != "" {
		fmt.Fprintln(c.ErrOrStderr(), printable(where))
	}
	if err := lastingProgram(); err != nil && strings.Contains(snippet.Text, "bridge") {
		fmt.Fprintln(c.ErrOrStderr(), printable("note: "+err.Error()))
	}
	_, err = io.WriteString(c.OutOrStdout(), snippet.Text)
	return err
}

// clientIDs lists the clients that pass.
func clientIDs(pass func(*clientconfig.Client) bool) []string {
	var ids []string
	for _, c := range clientconfig.Clients() {
		if pass(c) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// wrap writes words in indented lines for a help text.
func wrap(words []string) string {
	var b strings.Builder
	width := 0
	for _, word := range words {
		if width == 0 || width+len(word) > 80 {
			b.WriteString("\n ")
			width = 1
		}
		b.WriteString(" " + word)
		width += 1 + len(word)
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// clientError makes a command line of a client that is not known one of usage.
func clientError(err error) error {
	if errors.Is(err, clientconfig.ErrUnknownClient) {
		return usageError{error: fmt.Errorf("%w; mcpauth-tray clients list shows which there are", err)}
	}
	return err
}

func completeClients(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var found []string
	for _, c := range clientconfig.Clients() {
		if !c.ByHand && strings.HasPrefix(c.ID, prefix) && !slices.Contains(args, c.ID) {
			found = append(found, cobra.CompletionWithDesc(c.ID, c.Name))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

func completeClientThenProfile(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		ids := clientIDs(func(c *clientconfig.Client) bool { return strings.HasPrefix(c.ID, prefix) })
		return ids, cobra.ShellCompDirectiveNoFileComp
	case 1:
		return completeProfile(c, nil, prefix)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
