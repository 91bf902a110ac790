package main

import (
	"fmt"

	"github.com/mcpauth-tray/mcpauth-tray/internal/desktop"
	"github.com/mcpauth-tray/mcpauth-tray/internal/tray"
)

// editClient opens a window in which a command of this program shows the change of a
// client's config and asks. Where no window can be opened the person gets the command.
func (a *application) editClient(e tray.ClientEdit) error {
	exe, err := ownProgram()
	if err != nil {
		return err
	}
	argv := append([]string{exe}, editCommand(a.options.paths, e)...)
	err = desktop.Terminal(append(argv[:len(argv):len(argv)], "--"+flagHold), func(late error) {
		a.log.Info("a terminal window ended with an error", "client", e.Client, "error", late)
	})
	if err == nil {
		return nil
	}
	command := desktop.CommandLine(argv)
	if desktop.Copy(command) == nil {
		return fmt.Errorf("%w. Paste this into a terminal, it is on the clipboard: %s", err, command)
	}
	return fmt.Errorf("%w. Type this in a terminal: %s", err, command)
}

// editCommand are the arguments that do what a click asks for.
func editCommand(p paths, e tray.ClientEdit) []string {
	verb := "write"
	if e.Remove {
		verb = "remove"
	}
	args := []string{"clients", verb, e.Client, "--profile", e.Profile}
	if e.Force {
		args = append(args, "--force")
	}
	if !usualState(p) {
		args = append(args, "--"+flagStateDir, p.State)
	}
	if !usualProfiles(p) {
		args = append(args, "--"+flagProfiles, p.Profiles)
	}
	return args
}
