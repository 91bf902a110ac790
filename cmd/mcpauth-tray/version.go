package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker when a release is built: -X main.version=v1.2.3 and so on.
var version, commit, date string

// build says what this program is.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Date    string `json:"date"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// buildInfo takes what the linker was told, else what the Go tool recorded.
func buildInfo() build {
	b := build{Version: version, Commit: commit, Date: date, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok && b.Version == "" {
		b.Version = info.Main.Version
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.time":
				b.Date = s.Value
			}
		}
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	return b
}

func newVersionCmd() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b := buildInfo()
			if asJSON {
				return writeJSON(c.OutOrStdout(), b, true)
			}
			line := "mcpauth-tray " + b.Version
			if b.Commit != "" {
				line += " (" + b.Commit + " " + b.Date + ")"
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s %s %s/%s\n", line, b.Go, b.OS, b.Arch)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return c
}
