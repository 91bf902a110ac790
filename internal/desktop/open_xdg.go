//go:build !darwin && !windows

package desktop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
)

// openers are the programs that open an address or a file the way the desktop would,
// best first. Those marked show what they open on the display; without one xdg-open
// would start a text browser, which nobody would see.
var openers = []struct {
	display bool
	command []string
}{
	{true, []string{"xdg-open"}},
	{true, []string{"gio", "open"}},
	{false, []string{"wslview"}},
}

func openURL(address string) error {
	if err := openWith(address); err != nil {
		return fmt.Errorf("the browser did not open: %w; set BROWSER to a command that opens it", err)
	}
	return nil
}

func openFile(path string) error {
	if err := openWith(path); err != nil {
		return fmt.Errorf("%w; open %s yourself", err, path)
	}
	return nil
}

func openWith(target string) error {
	display := os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != ""
	for _, o := range openers {
		if o.display && !display {
			continue
		}
		if _, err := exec.LookPath(o.command[0]); err == nil {
			return launch(o.command[0], append(slices.Clone(o.command[1:]), target)...)
		}
	}
	if !display {
		return errors.New("there is no display here")
	}
	return errors.New("xdg-open is missing (package xdg-utils)")
}
