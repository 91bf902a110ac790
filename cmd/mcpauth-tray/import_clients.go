package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/clientconfig"
)

// entry is one server in a client's config.
type entry struct {
	clientconfig.Server
	through string // what the client reaches it through
}

// survey is what was found in clients' configs.
type survey struct {
	all    []*translation
	others []foundOther
	failed []error

	programs int // that are servers of this computer and need no profile
}

// foundOther is a remote server that cannot be imported.
type foundOther struct {
	entry
	why error
}

func importClients(c *cobra.Command, o importOptions) error {
	if o.swap {
		if err := lastingProgram(); err != nil {
			return err
		}
	}
	found, err := surveyClients(c, o.clients, o.name)
	if err != nil {
		return err
	}
	for _, err := range found.failed {
		fmt.Fprintln(c.ErrOrStderr(), printable("note: "+err.Error()))
	}
	f, err := openProfiles(c, o.write || o.swap)
	if err != nil {
		return err
	}
	defer f.close()
	found.all, err = f.takeAll(c.ErrOrStderr(), found.all, "", func(t *translation, wrong error) error {
		found.others = append(found.others, foundOther{t.entries[0], wrong})
		return nil
	})
	if err != nil {
		return err
	}
	if err := found.show(c); err != nil || len(found.all) == 0 {
		return err
	}
	for _, t := range found.all {
		t.say(c.ErrOrStderr())
	}
	if err := f.finishImport(c, found.all, o.write || o.swap); err != nil {
		return err
	}
	f.close()
	if o.swap {
		return swapEntries(c, found.all, o)
	}
	found.next(c, o)
	return nil
}

// surveyClients reads the configs of clients, of all when none are named. asked is the
// name of the entry that a person wants, empty for all.
func surveyClients(c *cobra.Command, ids []string, asked string) (*survey, error) {
	s, err := sessionWithout(c)
	if err != nil {
		return nil, err
	}
	named := len(ids) > 0
	if !named {
		ids = clientIDs(func(c *clientconfig.Client) bool { return !c.ByHand && !c.OwnFile })
	}
	found := &survey{}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			continue
		}
		entries, err := s.editor.Servers(id)
		if errors.Is(err, clientconfig.ErrUnknownClient) || named && err != nil {
			return nil, clientError(err)
		}
		if err != nil {
			found.failed = append(found.failed, err)
		}
		for _, e := range entries {
			if asked == "" || e.Name == asked {
				found.add(entry{Server: e}, asked != "")
			}
		}
	}
	if asked != "" && len(found.all)+len(found.others) == 0 {
		return nil, noEntry(asked)
	}
	return found, nil
}

// add translates an entry, or joins it to one that says the same in another file.
// asked says that a person wants this one.
func (s *survey) add(e entry, asked bool) {
	if e.Profile != "" {
		return
	}
	t, err := translateEntry(e.Name, e.Entry)
	switch {
	case errors.Is(err, errLocalProgram), err == nil && t.target() == "" && len(t.remarks) == 0:
		s.programs++
		return
	case err == nil && t.local && !asked:
		s.others = append(s.others, foundOther{e, errors.New(whyLocal)})
		return
	case err != nil:
		s.others = append(s.others, foundOther{e, err})
		return
	}
	e.through = t.system.name
	for _, other := range s.all {
		elsewhere := !slices.ContainsFunc(other.entries, func(o entry) bool { return o.File == e.File })
		if elsewhere && other.fingerprint() == t.fingerprint() {
			other.entries = append(other.entries, e)
			return
		}
	}
	t.entries = []entry{e}
	s.all = append(s.all, t)
}

// fingerprint is the same for translations that become the same profile.
func (t *translation) fingerprint() string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(t.draft)) {
		parts = append(parts, fmt.Sprintf("%q=%q", key, fmt.Sprint(t.draft[key])))
	}
	secrets := slices.SortedFunc(slices.Values(t.secrets), func(a, b hidden) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.header, b.header))
	})
	return strings.Join(parts, " ") + fmt.Sprintf("%q", secrets)
}

// show lists what was found.
func (s *survey) show(c *cobra.Command) error {
	out := c.OutOrStdout()
	if len(s.all)+len(s.others) > 0 {
		if err := s.table(out); err != nil {
			return err
		}
		fmt.Fprintln(out)
	} else {
		fmt.Fprintln(out, "No client has an entry of another program, or of a remote server, that is not of this app already.")
	}
	for _, other := range s.others {
		fmt.Fprintf(c.ErrOrStderr(), "%s: %s: left out: %s\n", other.Client.ID, printable(other.Name), printable(other.why.Error()))
	}
	if s.programs > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "Left alone: %s of this computer.\n", count(s.programs, "program"))
	}
	return nil
}

func (s *survey) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "CLIENT\tENTRY\tTHROUGH\tPROFILE")
	for _, tr := range s.all {
		for _, e := range tr.entries {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.Client.ID, printable(e.Name), e.through, tr.profile)
		}
	}
	for _, other := range s.others {
		fmt.Fprintf(t, "%s\t%s\t-\t-\n", other.Client.ID, printable(other.Name))
	}
	return t.Flush()
}

// next says how to go on.
func (s *survey) next(c *cobra.Command, o importOptions) {
	command := "mcpauth-tray import"
	for _, id := range o.clients {
		command += " --client " + id
	}
	if o.name != "" {
		command += " --name " + strconv.Quote(printable(o.name))
	}
	said := c.ErrOrStderr()
	if o.write {
		fmt.Fprintf(said, "The clients go on as before. Next, to have them use the profiles: %s --swap\n", command)
		return
	}
	fmt.Fprintf(said, "Nothing was written. Next, one of:\n")
	fmt.Fprintf(said, "  %s --write   writes the profiles into profiles.yaml\n", command)
	fmt.Fprintf(said, "  %s --swap    also has the clients use them\n", command)
}
