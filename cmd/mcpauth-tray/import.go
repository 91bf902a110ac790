package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// migrating is the mapping of every option, for people.
//
//go:embed migrating.md
var migrating string

// fromClients is the source that is the clients' configs.
const fromClients = "clients"

func newImportCmd() *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import [SOURCE | clients | -- COMMAND…]",
		Short: "Make a profile of what another program was told",
		Long: `Reads how another program was told to reach a server, and shows the profile that does the
same, with a word on each option that is different here. With --write the profile goes
into profiles.yaml, and secrets into files beside it that only you can read.

SOURCE is a command line in quotes, a file, or - for standard input: a command line of
thv proxy, authful-mcp-proxy, mcp-remote, supergateway or mcp-proxy, with npx, uvx or
docker in front if need be; a file of variables for authful-mcp-proxy or mcp-oauth-proxy;
or an MCP client's configuration in JSON, in which every entry of these programs and
every remote server is found.

clients, which is also meant when nothing is given, is the configs of the MCP clients on
this computer. With --swap the profiles are written and the clients' entries use them:
each entry keeps its name and its other settings, and loses what it said of the server,
secrets among it. On a terminal the change is shown and you are asked; each config is
backed up first, and mcpauth-tray clients undo takes the change back. Without a terminal
an entry stays when its profile lacks what the server may want, such as a header that the
client asks you for; --yes swaps it all the same.`,
		Example: `  mcpauth-tray import
  mcpauth-tray import --client cursor --name docs --swap
  mcpauth-tray import 'npx -y mcp-remote https://mcp.example.com/mcp --resource https://mcp.example.com/'
  mcpauth-tray import --write -- thv proxy my-server --target-uri https://mcp.example.com --remote-auth-client-id me
  mcpauth-tray import ~/project/.mcp.json`,
		Args: func(c *cobra.Command, args []string) error {
			if c.ArgsLenAtDash() < 0 && len(args) > 1 {
				return errors.New("import takes one source; put a command line in quotes, or behind --")
			}
			if c.ArgsLenAtDash() > 0 {
				return errors.New("import takes a source, or a command line behind --, not both")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return runImport(c, args, o) },
	}
	f := c.Flags()
	f.BoolVar(&o.write, "write", false, "write the profile into profiles.yaml")
	f.BoolVar(&o.swap, "swap", false, "write the profiles, and have the clients' entries use them")
	f.StringSliceVar(&o.clients, "client", nil, "the config of this `CLIENT` alone (repeatable)")
	f.StringVar(&o.name, "name", "", "the profile's `NAME`; of several entries, and in clients' configs, the one to import")
	f.StringVar(&o.from, "from", "", "whose variables they are: authful-mcp-proxy or mcp-oauth-proxy")
	f.BoolVar(&o.mapping, "mapping", false, "print how every option of these programs is taken over")
	f.BoolVarP(&o.yes, "yes", "y", false, "with --swap: do not ask, and swap entries of which something is missing in the profile")
	f.BoolVar(&o.force, "force", false, "with --swap: write while the client runs")
	_ = c.RegisterFlagCompletionFunc("client", completeClients)
	return c
}

type importOptions struct {
	write, swap, yes, force, mapping bool
	clients                          []string
	name, from                       string
}

func runImport(c *cobra.Command, args []string, o importOptions) error {
	if o.mapping {
		_, err := io.WriteString(c.OutOrStdout(), migrating)
		return err
	}
	if o.from != "" && o.from != authful().name && o.from != oauthProxy().name {
		return usagef("--from is authful-mcp-proxy or mcp-oauth-proxy")
	}
	none := len(args) == 0 && c.ArgsLenAtDash() < 0
	if len(args) == 1 && args[0] == fromClients || none && (len(o.clients) > 0 || o.swap || interactive(c.InOrStdin())) {
		return importClients(c, o)
	}
	if o.swap || len(o.clients) > 0 {
		return usagef("--swap and --client are about the clients' configs, and go without another source")
	}
	return importSource(c, args, o)
}

func importSource(c *cobra.Command, args []string, o importOptions) error {
	all, others, err := readSource(c, args, o.from)
	if err != nil {
		return fmt.Errorf("cannot import: %w", err)
	}
	all, others = withoutLocal(all, others, o.name)
	for _, other := range others {
		fmt.Fprintf(c.ErrOrStderr(), "%s: left out: %s\n", printable(other.name), printable(other.why))
	}
	f, err := openProfiles(c, o.write)
	if err != nil {
		return err
	}
	defer f.close()
	if all, err = entryNamed(all, o.name); err != nil {
		return err
	}
	alone := len(all) == 1
	all, err = f.takeAll(c.ErrOrStderr(), all, o.name, func(t *translation, wrong error) error {
		if alone {
			return fmt.Errorf("cannot import: %w", wrong)
		}
		fmt.Fprintf(c.ErrOrStderr(), "%s: left out: %s\n", t.ownName(), printable(wrong.Error()))
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range all {
		t.say(c.ErrOrStderr())
	}
	if err := f.finishImport(c, all, o.write); err != nil {
		return err
	}
	switch {
	case len(f.added) == 0:
	case o.write:
		takesUp(c)
	default:
		fmt.Fprintf(c.ErrOrStderr(), "Nothing was written; --write writes it into %s.\n", f.Profiles)
	}
	return nil
}

// withoutLocal leaves servers of this computer out, but for one that is asked for by name.
func withoutLocal(all []*translation, others []leftOut, name string) ([]*translation, []leftOut) {
	all = slices.DeleteFunc(all, func(t *translation) bool {
		if !t.local || t.name == name {
			return false
		}
		others = append(others, leftOut{t.name, whyLocal})
		return true
	})
	return all, others
}

// finishImport shows the new profiles and, with write, writes them.
func (f *profilesFile) finishImport(c *cobra.Command, all []*translation, write bool) error {
	var drafts []profile.Draft
	for _, t := range all {
		if !t.there {
			drafts = append(drafts, t.shown())
		}
	}
	if err := writeProfiles(c, f, drafts, write); err != nil {
		return err
	}
	if n := lostCount(all); n > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "Not taken over: %s, named above.\n", count(n, "option"))
	}
	return nil
}

func lostCount(all []*translation) int {
	n := 0
	for _, t := range all {
		for _, r := range t.remarks {
			if r.lost && !t.there {
				n++
			}
		}
	}
	return n
}

// entryNamed is the one of several with that name, or all.
func entryNamed(all []*translation, name string) ([]*translation, error) {
	if len(all) == 1 || name == "" {
		return all, nil
	}
	i := slices.IndexFunc(all, func(t *translation) bool { return t.name == name })
	if i < 0 {
		return nil, noEntry(name)
	}
	return all[i : i+1], nil
}

func noEntry(name string) error {
	return usagef("there is no entry %q among those that can be imported", name)
}

func (t *translation) sayRemarks(w io.Writer) {
	for _, r := range t.remarks {
		fmt.Fprintf(w, "%s: %s: %s\n", t.profile, printable(r.option), printable(r.text))
	}
}

// say lists what a person should know, without any value.
func (t *translation) say(w io.Writer) {
	if t.completed {
		fmt.Fprintf(w, "%s: is there already and is used as it is\n", t.profile)
		return
	}
	if t.there {
		fmt.Fprintf(w, "%s: is there already and says the same\n", t.profile)
		return
	}
	t.sayRemarks(w)
	if name := t.secretInQuery(); name != "" {
		fmt.Fprintf(w, "%s: the URL has %s in its query, which looks like a secret and would stand in profiles.yaml; if the server takes it as a header, use headers.set_file instead\n", t.profile, printable(name))
	}
	for _, h := range t.secrets {
		fmt.Fprintf(w, "%s: a secret goes into %s, beside profiles.yaml\n", t.profile, filepath.Base(t.file(h)))
	}
}
