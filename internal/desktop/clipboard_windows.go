package desktop

import (
	"fmt"

	"github.com/atotto/clipboard"
)

// Copy puts text on the clipboard. It fails when another program holds the clipboard
// for more than a second.
func Copy(text string) error {
	if err := clipboard.WriteAll(text); err != nil {
		return fmt.Errorf("not copied: another program holds the clipboard: %w; try again", err)
	}
	return nil
}
