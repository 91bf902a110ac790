package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

func newStatusCmd() *cobra.Command {
	var asJSON, watch bool
	c := &cobra.Command{
		Use:   "status [PROFILE]",
		Short: "Show how the profiles stand",
		Long: `Shows how the profiles of the running app stand, and which MCP clients' configs are not
as they should be.

With --json it prints one object; given a PROFILE its "profiles" holds that one alone.
With --watch it goes on: a line for each profile that changes and, without a PROFILE, for
each client, or with --json a whole object a line. The exit code is 0 whatever phase a
profile is in.`,
		Args:              atMostOne("profile"),
		ValidArgsFunction: completeProfile,
		RunE: func(c *cobra.Command, args []string) error {
			app, err := dialApp(c)
			if err != nil {
				return err
			}
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			if watch {
				return watchStatus(c.Context(), c.OutOrStdout(), app, name, asJSON)
			}
			return showStatus(c.Context(), c.OutOrStdout(), app, name, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "go on with every change")
	return c
}

func showStatus(ctx context.Context, w io.Writer, app *control.Client, name string, asJSON bool) error {
	s, err := app.Snapshot(ctx)
	if err != nil {
		return err
	}
	if s, err = only(s, name); err != nil {
		return err
	}
	switch {
	case asJSON:
		return writeJSON(w, s, true)
	case name != "":
		return writeProfile(w, s.Profiles[0])
	}
	return writeTable(w, s)
}

// watchStatus goes on until the app ends, which is an error, or the person interrupts, which is not.
func watchStatus(ctx context.Context, w io.Writer, app *control.Client, name string, asJSON bool) error {
	shown := changes{fileKey: configLine(status.Config{})}
	for s, err := range app.Stream(ctx) {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		if s, err = only(s, name); err != nil {
			return err
		}
		switch {
		case asJSON:
			err = writeJSON(w, s, false)
		case name != "":
			err = shown.write(w, &status.Snapshot{Config: s.Config, Profiles: s.Profiles})
		default:
			err = shown.write(w, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// only narrows a Snapshot to the profile of that name, if one is given.
func only(s *status.Snapshot, name string) (*status.Snapshot, error) {
	if name == "" {
		return s, nil
	}
	p := s.Profile(name)
	if p == nil {
		return nil, fmt.Errorf("%w: %s", supervisor.ErrUnknownProfile, name)
	}
	one := *s
	one.Profiles = []status.Profile{*p}
	return &one, nil
}

func writeJSON(w io.Writer, v any, indent bool) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if indent {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}

func writeTable(w io.Writer, s *status.Snapshot) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	if len(s.Profiles) == 0 {
		fmt.Fprintln(t, "No profiles in force.")
	} else {
		fmt.Fprintln(t, "PROFILE\tSTATE\tURL\tSUMMARY")
	}
	for _, p := range s.Profiles {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.Name, p.Phase, dash(p.URL), printable(oneLine(p)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := writeClientState(w, s.Clients); err != nil {
		return err
	}
	return writeConfigState(w, s.Config)
}

// writeClientState lists the clients whose configs are not as they should be.
func writeClientState(w io.Writer, clients []status.Client) error {
	var lines []string
	for _, c := range clients {
		if line := clientLine(c); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(w, "\n"+strings.Join(lines, "\n"))
	return err
}

// clientLine says what is wrong with a client's config, empty for nothing.
func clientLine(c status.Client) string {
	if c.Detail == "" {
		return ""
	}
	return printable(c.ID + ": " + c.Detail)
}

func writeConfigState(w io.Writer, c status.Config) error {
	problems := c.Problems
	if len(problems) == 0 && c.Error != nil {
		problems = []status.Problem{*c.Error}
	}
	if len(problems) == 0 {
		return nil
	}
	lines := []string{"", "profiles.yaml is not applied:"}
	for _, p := range problems {
		lines = append(lines, "  "+printable(problemLine(p)))
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// problemLine is file:line:column: message, or file: message about the file as a whole.
func problemLine(p status.Problem) string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// oneLine is a row's summary and what to do about it.
func oneLine(p status.Profile) string {
	if p.Action == "" {
		return p.Summary
	}
	return p.Summary + " → " + p.Action
}

func writeProfile(w io.Writer, p status.Profile) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(label, text string) {
		if text != "" {
			fmt.Fprintf(t, "%s\t%s\n", label, printable(text))
		}
	}
	line("profile", p.Name)
	line("state", string(p.Phase)+" since "+clock(p.Since))
	line("url", p.URL)
	line("summary", p.Summary)
	line("detail", p.Detail)
	line("code", string(p.Code))
	line("next", p.Action)
	if p.RetryAt != nil {
		line("retry at", clock(*p.RetryAt))
	}
	if p.Prompt != nil {
		line("sign in at", p.Prompt.URL)
		line("code to enter", p.Prompt.UserCode)
	}
	if a := p.Account; a != nil {
		line("issuer", a.Issuer)
		line("subject", a.Subject)
		line("resource", a.Resource)
		line("scopes", strings.Join(a.Scopes, " "))
		if a.ExpiresAt != nil {
			line("token until", clock(*a.ExpiresAt))
		}
	}
	line("requests", fmt.Sprintf("%d, %s, %s open", p.Requests.Total,
		count(int(p.Requests.Errors), "error"), count(int(p.Requests.ActiveStreams), "stream")))
	return t.Flush()
}

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return printable(s)
}

// changes is what a watching person has been shown: a line for each profile, for each client
// whose config is not as it should be, and for the file.
type changes map[string]string

const (
	fileKey   = ""
	clientKey = "client " // with its id; no profile's name has a space
)

// write shows what has another line now.
func (c changes) write(w io.Writer, s *status.Snapshot) error {
	now := time.Now().Format(time.TimeOnly)
	present := map[string]bool{fileKey: true}
	show := func(key, line string) error {
		present[key] = true
		if c[key] == line {
			return nil
		}
		c[key] = line
		_, err := fmt.Fprintln(w, now, line)
		return err
	}
	for _, p := range s.Profiles {
		line := fmt.Sprintf("%-24s %-15s %s", p.Name, p.Phase, printable(oneLine(p)))
		if err := show(p.Name, line); err != nil {
			return err
		}
	}
	for _, client := range s.Clients {
		if line := clientLine(client); line != "" {
			if err := show(clientKey+client.ID, line); err != nil {
				return err
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c)) {
		if !present[key] {
			delete(c, key)
			if _, err := fmt.Fprintln(w, now, lastWord(key)); err != nil {
				return err
			}
		}
	}
	return show(fileKey, configLine(s.Config))
}

// lastWord is the last line about what has none any more.
func lastWord(key string) string {
	if id, ok := strings.CutPrefix(key, clientKey); ok {
		return printable(id) + ": in order"
	}
	return fmt.Sprintf("%-24s removed", key)
}

func configLine(c status.Config) string {
	if c.Error == nil {
		return "profiles.yaml is in force"
	}
	return "profiles.yaml is not applied: " + printable(problemLine(*c.Error))
}
