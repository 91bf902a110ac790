package stdio

import (
	"context"
	"errors"
)

// ErrOrphaned is the cause of a context of UntilOrphaned whose parent process is gone.
var ErrOrphaned = errors.New("the program that started the bridge is gone")

// UntilOrphaned returns a context that also ends when the parent process does. A client
// that is killed takes the pipe along in nearly all cases; this is for the others.
func UntilOrphaned(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if gone := watchParent(); gone != nil {
		go func() {
			if gone(ctx) {
				cancel(ErrOrphaned)
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}
