package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// migrating is the mapping of every option, for people.
//
//go:embed migrating.md
var migrating string

// maxSource is the largest configuration that is read, in bytes.
const maxSource = 8 << 20

func newImportCmd() *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import [SOURCE | -- COMMAND…]",
		Short: "Make a profile of what another program was told",
		Long: `Reads how another program was told to reach a server, and shows the profile that does the
same, with a word on each option that is different here. With --write the profile goes
into profiles.yaml, and secrets into files beside it that only you can read.

SOURCE is a command line in quotes, a file, or - for standard input: a command line of
thv proxy, authful-mcp-proxy, mcp-remote, supergateway or mcp-proxy, with npx, uvx or
docker in front if need be; a file of variables for authful-mcp-proxy or mcp-oauth-proxy;
or an MCP client's configuration, in which every entry of these programs is found.`,
		Example: `  mcpauth-tray import 'npx -y mcp-remote https://mcp.example.com/mcp --resource https://mcp.example.com/'
  mcpauth-tray import --write -- thv proxy my-server --target-uri https://mcp.example.com --remote-auth-client-id me
  mcpauth-tray import ~/.cursor/mcp.json`,
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
	f.StringVar(&o.name, "name", "", "the profile's `NAME`; of several entries, the one to import")
	f.StringVar(&o.from, "from", "", "whose variables they are: authful-mcp-proxy or mcp-oauth-proxy")
	f.BoolVar(&o.mapping, "mapping", false, "print how every option of these programs is taken over")
	return c
}

type importOptions struct {
	write, mapping bool
	name, from     string
}

func runImport(c *cobra.Command, args []string, o importOptions) error {
	if o.mapping {
		_, err := io.WriteString(c.OutOrStdout(), migrating)
		return err
	}
	if o.from != "" && o.from != authful().name && o.from != oauthProxy().name {
		return usagef("--from is authful-mcp-proxy or mcp-oauth-proxy")
	}
	all, others, err := readSource(c, args, o.from)
	if err != nil {
		return fmt.Errorf("cannot import: %w", err)
	}
	f, err := openProfiles(c, o.write)
	if err != nil {
		return err
	}
	defer f.close()
	all, err = entryNamed(all, o.name)
	if err != nil {
		return err
	}
	drafts, names := map[string]profile.Draft{}, []string{}
	for _, t := range all {
		name, err := f.take(t, o.name, drafts)
		if err != nil {
			return err
		}
		names = append(names, name)
		t.say(c.ErrOrStderr(), name)
	}
	for _, other := range others {
		fmt.Fprintf(c.ErrOrStderr(), "%s: left out: it starts no program that is known\n", printable(other))
	}
	err = writeProfiles(c, f, drafts, names, o.write)
	if wrong := (*profile.DraftError)(nil); errors.As(err, &wrong) {
		return fmt.Errorf("cannot import: %w", wrong)
	}
	if err != nil {
		return err
	}
	if n := lostCount(all); n > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "Not taken over: %s, named above.\n", count(n, "option"))
	}
	if !o.write {
		fmt.Fprintf(c.ErrOrStderr(), "Nothing was written; --write writes it into %s.\n", f.Profiles)
	}
	return nil
}

func lostCount(all []*translation) int {
	n := 0
	for _, t := range all {
		for _, r := range t.remarks {
			if r.lost {
				n++
			}
		}
	}
	return n
}

// readSource finds out what the person gave us.
func readSource(c *cobra.Command, args []string, from string) ([]*translation, []string, error) {
	if c.ArgsLenAtDash() == 0 {
		t, err := translateCommand(args, nil)
		return []*translation{t}, nil, err
	}
	if len(args) == 0 || args[0] == "-" {
		if in, ok := c.InOrStdin().(*os.File); ok && len(args) == 0 && interactive(in) {
			return nil, nil, usageError{errors.New("nothing to import; give a command line in quotes, a file, or - for standard input"), c.CommandPath()}
		}
		return readText(c.InOrStdin(), from)
	}
	switch info, err := os.Stat(args[0]); {
	case err != nil && !errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(args[0], " \n"):
		return nil, nil, errors.New("the file cannot be read; check its permissions")
	case err != nil:
		if !strings.ContainsAny(strings.TrimSpace(args[0]), " \n=") {
			return nil, nil, errors.New("there is no such file, and it is no command line either")
		}
		return parseSource(args[0], from)
	case !info.Mode().IsRegular():
		return nil, nil, errors.New("that is not a regular file")
	}
	file, err := os.Open(args[0])
	if err != nil {
		return nil, nil, errors.New("the file cannot be read; check its permissions")
	}
	defer file.Close()
	return readText(file, from)
}

func readText(r io.Reader, from string) ([]*translation, []string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSource+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(data) > maxSource:
		return nil, nil, errors.New("it is too large to be a configuration")
	}
	return parseSource(string(data), from)
}

// interactive reports whether a person would have to type.
func interactive(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// entryNamed is the one of several with that name, or all.
func entryNamed(all []*translation, name string) ([]*translation, error) {
	if len(all) == 1 || name == "" {
		return all, nil
	}
	for _, t := range all {
		if t.name == name {
			return []*translation{t}, nil
		}
	}
	return nil, usagef("there is no entry %q among those that can be imported", name)
}

// take ends a translation and plans its secrets. A name that nobody asked for avoids those
// that are taken.
func (f *profilesFile) take(t *translation, name string, others map[string]profile.Draft) (string, error) {
	asked := name != "" || t.name != ""
	target, _ := t.draft["target"].(string)
	if !asked {
		name = nameOf(target, "imported")
		for i := 2; f.has(name) || others[name] != nil; i++ {
			name = fmt.Sprintf("%.20s-%d", nameOf(target, "imported"), i)
		}
	}
	name = t.done(name)
	if others[name] != nil {
		return "", fmt.Errorf("two entries would be profile %q; import them one by one, with --name", name)
	}
	others[name] = t.draft
	for _, h := range t.secrets {
		f.hide(t.file(h), h.value)
	}
	return name, nil
}

// say lists what a person should know, without any value.
func (t *translation) say(w io.Writer, name string) {
	for _, r := range t.remarks {
		fmt.Fprintf(w, "%s: %s: %s\n", name, r.option, printable(r.text))
	}
	for _, h := range t.secrets {
		fmt.Fprintf(w, "%s: a secret goes into %s, beside profiles.yaml\n", name, filepath.Base(t.file(h)))
	}
}
