package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockPoll is how often a lock that another process holds is looked at again.
const lockPoll = 50 * time.Millisecond

// lockInstance makes this process the one app of a state directory, which it creates
// when missing, until release is called or the process ends. It returns
// errOtherInstance when there is one already.
func lockInstance(lock string) (release func(), err error) {
	if err := makeStateDir(filepath.Dir(lock)); err != nil {
		return nil, err
	}
	l := flock.New(lock, flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot lock the state directory: %w; give --state-dir on a local disk that you can write to", err)
	case !ok:
		return nil, errOtherInstance
	}
	return func() { _ = l.Close() }, nil
}

// makeStateDir creates the folder for our state, closed to others. An empty one that
// somebody made for us is closed to others too; one in use is left as it is.
func makeStateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot create the state directory: %w; give another --state-dir", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("cannot use the state directory: %w; give another --state-dir", err)
	}
	if len(entries) > 0 {
		return nil
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("cannot close the state directory to others: %w; give another --state-dir", err)
	}
	return nil
}

// awaitInstanceEnd returns once no app holds the lock, or ctx ends.
func awaitInstanceEnd(ctx context.Context, lock string) error {
	l := flock.New(lock)
	defer l.Close()
	_, err := l.TryRLockContext(ctx, lockPoll)
	return err
}
