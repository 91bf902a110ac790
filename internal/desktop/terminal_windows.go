package desktop

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// CommandLine is a command as a person would type it in a Command Prompt.
func CommandLine(argv []string) string { return windows.ComposeCommandLine(argv) }

// terminal has the shell start the program, which gives it a console window of its own.
func terminal(argv []string, _ func(error)) error {
	if err := shellExecute(argv[0], windows.ComposeCommandLine(argv[1:])); err != nil {
		return fmt.Errorf("no window opened: %w", err)
	}
	return nil
}
