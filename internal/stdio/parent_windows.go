package stdio

import (
	"context"
	"errors"
)

// ErrOrphaned is the cause of a context of UntilOrphaned whose parent process is gone.
var ErrOrphaned = errors.New("the program that started the bridge is gone")

// UntilOrphaned returns a context like ctx: a process here keeps its parent's number
// for life, and only the end of stdin tells that the parent is gone.
func UntilOrphaned(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}
