//go:build !darwin && !windows

package desktop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// clipboards are the programs that set the clipboard from their standard input. A row
// is for sessions in which its variable is set.
var clipboards = []struct {
	session string
	command []string
}{
	{"WAYLAND_DISPLAY", []string{"wl-copy"}},
	{"DISPLAY", []string{"xclip", "-selection", "clipboard", "-in"}},
	{"DISPLAY", []string{"xsel", "--clipboard", "--input"}},
	{"WSL_DISTRO_NAME", []string{"clip.exe"}},
}

// Copy puts text on the clipboard. It needs one of wl-copy, xclip and xsel, for a
// clipboard lives in a program and ours is none; the error says so when they are missing.
func Copy(text string) error {
	failed := errors.New("no program for the clipboard was found; install wl-clipboard (Wayland) or xclip (X11)")
	for _, c := range clipboards {
		if os.Getenv(c.session) == "" {
			continue
		}
		if _, err := exec.LookPath(c.command[0]); err != nil {
			continue
		}
		if failed = feed(text, c.command[0], c.command[1:]...); failed == nil {
			return nil
		}
	}
	return fmt.Errorf("not copied: %w", failed)
}
