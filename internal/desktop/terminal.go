package desktop

import (
	"errors"
	"path/filepath"
)

// Terminal runs a program in a new window with a terminal in it. argv is the absolute
// path of the program and its arguments, each of which it gets as it is. The window goes
// on after we end. An error says that no window came up. A terminal that fails when its
// window should have been up for a while is told to late, where that can be noticed: it may
// be how the program in it ended, or that nobody saw a window.
func Terminal(argv []string, late func(error)) error {
	if len(argv) == 0 || !filepath.IsAbs(argv[0]) {
		return errors.New("a window needs a program with an absolute path")
	}
	return terminal(argv, late)
}
