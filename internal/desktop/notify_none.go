//go:build !(linux || freebsd || openbsd || netbsd || dragonfly || darwin)

package desktop

import (
	"errors"
	"fmt"
)

// Notify shows nothing on this platform and returns an errors.ErrUnsupported: a
// Windows notification needs a registered application or the tray's own window.
func Notify(_, _ string) error {
	return fmt.Errorf("no notification was shown: %w", errors.ErrUnsupported)
}
