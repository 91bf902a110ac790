package desktop

import (
	"fmt"
	"os"
	"path/filepath"
)

// terminal opens a file with the command in it, which belongs to Terminal or to what the
// person has for such files. To tell Terminal itself what to run, the person would have
// to let us control it first.
func terminal(argv []string, _ func(error)) error {
	dir, err := os.MkdirTemp("", app+"-")
	if err != nil {
		return fmt.Errorf("no window opened: %w", err)
	}
	file := filepath.Join(dir, app+".command")
	if err = os.WriteFile(file, []byte(script(dir, argv)), 0o700); err == nil {
		err = launch("/usr/bin/open", file)
	}
	if err != nil {
		os.RemoveAll(dir)
		return fmt.Errorf("no window opened: %w", err)
	}
	return nil
}

// script runs a command once, and removes the folder it is in.
func script(dir string, argv []string) string {
	return "#!/bin/sh\nrm -rf -- " + quote(dir) + "\nexec " + CommandLine(argv) + "\n"
}
