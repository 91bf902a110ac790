//go:build !windows

package stdio

import (
	"context"
	"errors"
	"os"
	"time"
)

// ErrOrphaned is the cause of a context of UntilOrphaned whose parent process is gone.
var ErrOrphaned = errors.New("the program that started the bridge is gone")

// parentInterval is how often the parent is looked for. A client that is killed takes
// the pipe along in nearly all cases; this is for the others.
const parentInterval = 2 * time.Second

// UntilOrphaned returns a context that also ends when the parent process does.
func UntilOrphaned(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	parent := os.Getppid()
	if parent <= 1 {
		return ctx, func() { cancel(nil) }
	}
	go func() {
		tick := time.NewTicker(parentInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if os.Getppid() != parent {
					cancel(ErrOrphaned)
					return
				}
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
