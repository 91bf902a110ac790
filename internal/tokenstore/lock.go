package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"
)

// locks keeps apart those who use the same account: a turn within this process, a
// file lock between processes. Lock files are never removed; removing one would let
// two processes hold it.
type locks struct {
	disk *disk // nil: within this process only

	mu    sync.Mutex
	turns map[string]chan struct{} // account → full while somebody holds it
}

func newLocks(d *disk) *locks {
	return &locks{disk: d, turns: map[string]chan struct{}{}}
}

func (l *locks) lock(ctx context.Context, account string) (func(), error) {
	turn := l.turn(account)
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return nil, lockError(false, ctx.Err())
	}
	unlock, _, err := l.lockFile(turn, account, func(f *flock.Flock) (bool, error) { return f.TryLockContext(ctx, lockPoll) })
	return unlock, err
}

func (l *locks) tryLock(account string) (unlock func(), free bool, err error) {
	turn := l.turn(account)
	select {
	case turn <- struct{}{}:
		return l.lockFile(turn, account, (*flock.Flock).TryLock)
	default:
		return nil, false, nil
	}
}

func (l *locks) turn(account string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	turn := l.turns[account]
	if turn == nil {
		turn = make(chan struct{}, 1)
		l.turns[account] = turn
	}
	return turn
}

// lockFile keeps other processes away, too, for whoever has the turn, which ends with it.
func (l *locks) lockFile(turn chan struct{}, account string, try func(*flock.Flock) (bool, error)) (unlock func(), free bool, err error) {
	if l.disk == nil {
		return sync.OnceFunc(func() { <-turn }), true, nil
	}
	defer func() {
		if !free {
			<-turn
		}
	}()
	if err := l.disk.prepare(); err != nil {
		return nil, false, err
	}
	file := flock.New(filepath.Join(l.disk.locks(), fileName(account)+".lock"))
	free, err = try(file)
	if err != nil || !free {
		return nil, false, lockError(err == nil, err)
	}
	return sync.OnceFunc(func() {
		_ = file.Unlock()
		<-turn
	}), true, nil
}

// lockError tells waiting in vain from a folder that cannot be locked in.
func lockError(ok bool, err error) error {
	switch {
	case ok && err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the saved sign-in is in use by another request or process: %w; try again", err)
	default:
		return fmt.Errorf("cannot lock the saved sign-ins: %w; use a writable state directory on a local disk", err)
	}
}
