//go:build !(windows || ((linux || freebsd || openbsd || netbsd) && !android) || (darwin && cgo && !ios))

package tray

import (
	"context"
	"fmt"
	"runtime"
)

func show(context.Context, *face, Options) error {
	return fmt.Errorf("%w: this program was built without one for %s", ErrNoTray, runtime.GOOS)
}
