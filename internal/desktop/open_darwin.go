package desktop

import "fmt"

func openURL(address string) error {
	if err := launch("/usr/bin/open", address); err != nil {
		return fmt.Errorf("the browser did not open: %w; set BROWSER to a command that opens it", err)
	}
	return nil
}

// openFile takes the text editor (-t): nothing is registered for YAML by itself.
func openFile(path string) error {
	if err := launch("/usr/bin/open", "-t", path); err != nil {
		return fmt.Errorf("%w; open %s yourself", err, path)
	}
	return nil
}
