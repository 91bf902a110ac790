//go:build !windows

package stdio

import (
	"context"
	"os"
	"time"
)

// parentInterval is how often the parent is looked for.
const parentInterval = 2 * time.Second

// watchParent returns a function that waits for the end of the parent and reports false
// if ctx ended first; nil where there is no parent to watch.
func watchParent() func(context.Context) bool {
	parent := os.Getppid()
	if parent <= 1 {
		return nil
	}
	return func(ctx context.Context) bool {
		tick := time.NewTicker(parentInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return false
			case <-tick.C:
				if os.Getppid() != parent {
					return true
				}
			}
		}
	}
}
