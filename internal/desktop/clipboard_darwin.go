package desktop

import "fmt"

// Copy puts text on the clipboard.
func Copy(text string) error {
	if err := feed(text, "/usr/bin/pbcopy"); err != nil {
		return fmt.Errorf("not copied: %w", err)
	}
	return nil
}
