package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// addOptions are the flags of add: the keys of profiles.yaml that people need most.
func addOptions() *system {
	return &system{name: "add", options: []option{
		{name: "--listen", key: "listen", doc: "the local `ADDRESS`, as in 127.0.0.1:7801; default: a free port chosen once and remembered"},
		{name: "--path", key: "path", doc: "the `PATH` of the local endpoint; default: that of URL"},
		{name: "--no-sign-in", takes: noValue, key: "sign_in.method: none", doc: "the server wants no sign-in"},
		{name: "--issuer", key: "sign_in.issuer", doc: "the authorization server's `URL`, when the server does not name it"},
		{name: "--authorize-url", key: "sign_in.authorize_url", doc: "with --token-url instead of --issuer: a `URL` of a provider without metadata"},
		{name: "--token-url", key: "sign_in.token_url", doc: "with --authorize-url instead of --issuer: a `URL` of a provider without metadata"},
		{name: "--client-id", key: "sign_in.client_id", doc: "the `ID` of the client registered with the provider"},
		{name: "--client-secret-file", key: "sign_in.client_secret_file", how: filePath, doc: "the `FILE` that holds the client's secret"},
		{name: "--client-secret-env", key: "sign_in.client_secret_env", doc: "the `VARIABLE` that holds the client's secret"},
		{name: "--client-secret-keyring", key: "sign_in.client_secret_keyring", doc: "the keyring item that holds the client's secret, as `SERVICE/USER`"},
		{name: "--scope", key: "sign_in.scopes", how: listOf(" ,"), doc: "a `SCOPE` to ask for (repeatable)"},
		{name: "--scope-param", key: "sign_in.scope_param", doc: "the `NAME` of the scope parameter; Slack wants user_scope"},
		{name: "--resource", key: "sign_in.resource", doc: "auto, omit, or the exact `URI` that the token is for"},
		{name: "--authorize-param", key: "sign_in.authorize_params", how: namedPair, doc: "a parameter for the browser's URL, as `NAME=VALUE` (repeatable)"},
		{name: "--redirect-url", key: "sign_in.redirect_url", doc: "the whole `URL` that the browser comes back to"},
		{name: "--session", key: "sign_in.session", doc: "a `NAME` for another account on the same server"},
		{name: "--trusted-issuer", key: "sign_in.trusted_issuers", how: listOf(" ,"), doc: "an issuer's `URL` that is accepted although it differs (repeatable)"},
		{name: "--timeout", key: "sign_in.timeout", doc: "how long a sign-in may take, a `DURATION` such as 5m"},
		{name: "--no-browser", takes: noValue, key: "sign_in.open_browser: false", doc: "only show the sign-in link"},
		{name: "--token-file", key: "sign_in.token_file", how: filePath, doc: "no sign-in but a fixed token, from this `FILE`"},
		{name: "--token-env", key: "sign_in.token_env", doc: "no sign-in but a fixed token, from this `VARIABLE`"},
		{name: "--token-keyring", key: "sign_in.token_keyring", doc: "no sign-in but a fixed token, from the keyring item `SERVICE/USER`"},
		{name: "--header", key: "headers.set", how: namedPair, doc: "a header for every request, as `NAME=VALUE` (repeatable)"},
		{name: "--header-file", key: "headers.set_file", how: pairFile, doc: "the same for secrets, as `NAME=FILE` (repeatable)"},
		{name: "--allowed-origin", key: "guard.allowed_origins", how: listOf(" ,"), doc: "a web `ORIGIN` that may send requests (repeatable)"},
		{name: "--ca-file", key: "tls.ca_file", how: filePath, doc: "a `FILE` of certificates that are trusted, too"},
		{name: "--proxy-url", key: "proxy_url", doc: "the `URL` of the proxy that leads to the server"},
		{name: "--disabled", takes: noValue, key: "enabled: false", doc: "do not serve it yet"},
	}}
}

// pairFile is name=file.
func pairFile(t *translation, o *option, values []string) error {
	name, file, _ := strings.Cut(values[0], "=")
	key, _ := o.place()
	holder := option{name: o.name, key: key + "." + name}
	if err := filePath(t, &holder, []string{file}); err != nil {
		return err
	}
	whole := t.draft[holder.key].(string)
	delete(t.draft, holder.key)
	t.put(o, key, name, whole)
	return nil
}

func newAddCmd() *cobra.Command {
	var show bool
	flags := addOptions()
	c := &cobra.Command{
		Use:   "add NAME URL",
		Short: "Write a profile for a server into profiles.yaml",
		Long: `Writes a profile into profiles.yaml, behind those that are there, and changes nothing else
in the file. A running app takes it up by itself. Most servers need nothing but a name
and their URL. Secrets are named by the file, variable or keyring item they are in.`,
		Example: `  mcpauth-tray add linear https://mcp.linear.app/mcp
  mcpauth-tray add work https://mcp.example.com/mcp --client-id my-client --client-secret-file ~/work.secret`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("add needs a name and the URL of the server")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			t := newTranslation(flags)
			t.literal = true
			t.draft["target"] = args[1]
			t.flags(c.Flags())
			t.done(args[0])
			if lost := t.lost(); lost != nil {
				return usageError{error: lost}
			}
			f, err := openProfiles(c, !show)
			if err != nil {
				return err
			}
			defer f.close()
			err = f.insert(args[0], t.draft)
			if err == nil {
				err = writeProfiles(c, f, []profile.Draft{t.draft}, !show)
			}
			if err == nil && !show {
				takesUp(c)
			}
			if wrong := (*profile.DraftError)(nil); errors.As(err, &wrong) {
				return usageError{error: wrong}
			}
			return err
		},
	}
	addFlags(c.Flags(), flags, func(o *option) string { return o.doc })
	c.Flags().BoolVar(&show, "print", false, "only show the profile, write nothing")
	return c
}

// repeated collects what a repeatable flag is given.
type repeated []string

func (v *repeated) String() string     { return strings.Join(*v, ",") }
func (v *repeated) Set(s string) error { *v = append(*v, s); return nil }
func (v *repeated) Type() string       { return "value" }

// addFlags makes a flag of each option of s.
func addFlags(flags *pflag.FlagSet, s *system, usage func(*option) string) {
	for i := range s.options {
		o := &s.options[i]
		name, ok := strings.CutPrefix(o.name, "--")
		if !ok {
			continue
		}
		if o.takes == noValue {
			flags.Bool(name, false, usage(o))
			continue
		}
		flags.Var(new(repeated), name, usage(o))
	}
}

// given takes the options of a command of ours with another program's flags: our environment,
// and over it the flags.
func (t *translation) given(flags *pflag.FlagSet) {
	t.literal = true
	for i := range t.system.options {
		o := &t.system.options[i]
		if f := flags.Lookup(strings.TrimPrefix(o.name, "--")); f != nil && f.Changed {
			continue
		}
		for _, variable := range o.also {
			if value := os.Getenv(variable); value != "" {
				t.env[variable] = value
			}
		}
	}
	t.variables(false)
	t.flags(flags)
}

// flags applies the options that were given as flags.
func (t *translation) flags(flags *pflag.FlagSet) {
	for i := range t.system.options {
		o := &t.system.options[i]
		f := flags.Lookup(strings.TrimPrefix(o.name, "--"))
		if f == nil || !f.Changed {
			continue
		}
		switch all, several := f.Value.(*repeated); {
		case several:
			for _, v := range *all {
				t.apply(o, []string{v})
			}
		case f.Value.String() == "true":
			t.apply(o, nil)
		}
	}
}

// lost is what cannot be done of what was asked for, as one error; nil for nothing.
func (t *translation) lost() error {
	var said []string
	for _, r := range t.remarks {
		if r.lost {
			said = append(said, r.option+": "+r.text)
		}
	}
	if said == nil {
		return nil
	}
	return errors.New(strings.Join(said, "; "))
}

// writeProfiles shows the profiles that were added and, with write, writes them. shown are
// their drafts as they may be seen.
func writeProfiles(c *cobra.Command, f *profilesFile, shown []profile.Draft, write bool) error {
	var whole strings.Builder
	for i, in := range f.added {
		text, err := shown[i].Text(in.name)
		if err != nil {
			return err
		}
		if i > 0 {
			_, text, _ = strings.Cut(text, "\n")
		}
		whole.WriteString(text)
		writeWarnings(c.ErrOrStderr(), in.Warnings)
	}
	if write && len(f.added) > 0 {
		if err := f.save(); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(c.OutOrStdout(), whole.String()); err != nil || !write {
		return err
	}
	for _, in := range f.added {
		fmt.Fprintf(c.ErrOrStderr(), "Wrote profile %s into %s, line %d.\n", in.name, f.Profiles, in.Line)
	}
	return nil
}

// takesUp says what becomes of a profile that was written.
func takesUp(c *cobra.Command) {
	fmt.Fprintln(c.ErrOrStderr(), "A running app takes it up by itself; mcpauth-tray status shows the address for your clients.")
}
