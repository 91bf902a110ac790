package desktop

import (
	"errors"
	"path/filepath"
)

// Terminal runs a program in a new window with a terminal in it. argv is the absolute
// path of the program and its arguments, each of which it gets as it is. The window goes
// on after we end. An error says that no window came up.
func Terminal(argv []string) error {
	if len(argv) == 0 || !filepath.IsAbs(argv[0]) {
		return errors.New("a window needs a program with an absolute path")
	}
	return terminal(argv)
}
