//go:build !darwin && !windows

package desktop

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// terminals are the programs that run a command in a new window, each with what comes
// before the command; those that know the person's choice first.
var terminals = [][]string{
	{"xdg-terminal-exec"},
	{"x-terminal-emulator", "-e"},
	{"ptyxis", "--new-window", "--"},
	{"kgx", "--"},
	{"gnome-terminal", "--"},
	{"konsole", "-e"},
	{"xfce4-terminal", "-x"},
	{"mate-terminal", "-x"},
	{"kitty"},
	{"alacritty", "-e"},
	{"foot"},
	{"ghostty", "-e"},
	{"wezterm", "start", "--"},
	{"urxvt", "-e"},
	{"xterm", "-e"},
}

// shownAfter is how long a terminal has run for that had its window up: how it ended is
// the affair of what ran in it.
const shownAfter = time.Second

func terminal(argv []string, late func(error)) error {
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return errors.New("there is no display here")
	}
	failed := errors.New("no program for a terminal window was found")
	for _, t := range candidates(os.Getenv("TERMINAL")) {
		if _, err := exec.LookPath(t[0]); err != nil {
			continue
		}
		began := time.Now()
		if failed = launch(t[0], slices.Concat(t[1:], argv)...); failed == nil {
			return nil
		}
		if time.Since(began) > shownAfter {
			late(failed)
			return nil
		}
	}
	return failed
}

// candidates are the terminals to try. own is the person's TERMINAL variable: one command
// without arguments. If it is none of ours it is taken to know xterm's option.
func candidates(own string) [][]string {
	if own == "" {
		return terminals
	}
	first := []string{own, "-e"}
	for _, t := range terminals {
		if t[0] == filepath.Base(own) {
			first = slices.Concat([]string{own}, t[1:])
		}
	}
	return slices.Concat([][]string{first}, terminals)
}
