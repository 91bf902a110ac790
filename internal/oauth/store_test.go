package oauth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// shelf is a Store in memory whose trouble a test can switch on.
type shelf struct {
	mu      sync.Mutex
	records map[string][]byte
	locks   map[string]chan struct{}
	saves   int
	failing error // of Save
	locked  error // of everything
	onSave  func(account string)
	slow    time.Duration // what a lock takes that nobody holds
}

func newShelf() *shelf {
	return &shelf{records: map[string][]byte{}, locks: map[string]chan struct{}{}}
}

func (s *shelf) Load(_ context.Context, account string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked != nil {
		return nil, s.locked
	}
	blob, ok := s.records[account]
	if !ok {
		return nil, ErrNoRecord
	}
	return append([]byte(nil), blob...), nil
}

func (s *shelf) Save(_ context.Context, account string, blob []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked != nil {
		return s.locked
	}
	if s.failing != nil {
		return s.failing
	}
	s.records[account] = append([]byte(nil), blob...)
	s.saves++
	if s.onSave != nil {
		s.onSave(account)
	}
	return nil
}

func (s *shelf) Delete(_ context.Context, account string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked != nil {
		return s.locked
	}
	delete(s.records, account)
	return nil
}

func (s *shelf) Lock(ctx context.Context, account string) (func(), error) {
	time.Sleep(s.slow)
	s.mu.Lock()
	l := s.lock(account)
	s.mu.Unlock()
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *shelf) TryLock(account string) (func(), bool, error) {
	time.Sleep(s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lock(account)
	select {
	case l <- struct{}{}:
		return func() { <-l }, true, nil
	default:
		return nil, false, nil
	}
}

// lock is that of account; the caller holds mu.
func (s *shelf) lock(account string) chan struct{} {
	if s.locks[account] == nil {
		s.locks[account] = make(chan struct{}, 1)
	}
	return s.locks[account]
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
}

func (s *shelf) lockUp(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked = err
}

// grants returns the stored records that are neither clients nor intents.
func (s *shelf) grants() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]byte{}
	for k, v := range s.records {
		if filepath.Ext(k) == "" && k[:6] == "grant-" && len(k) == len("grant-")+32 {
			out[k] = v
		}
	}
	return out
}

func (s *shelf) intents() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.records {
		if len(k) > 7 && k[len(k)-7:] == "-intent" {
			n++
		}
	}
	return n
}

func (s *shelf) put(account string, blob []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[account] = blob
}

// drawer is a Store of plain files for tests with several processes.
type drawer struct{ dir string }

func (d drawer) path(account string) string { return filepath.Join(d.dir, account) }

func (d drawer) Load(_ context.Context, account string) ([]byte, error) {
	blob, err := os.ReadFile(d.path(account))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoRecord
	}
	return blob, err
}

func (d drawer) Save(_ context.Context, account string, blob []byte) error {
	temp, err := os.CreateTemp(d.dir, ".new-")
	if err != nil {
		return err
	}
	_, err = temp.Write(blob)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), d.path(account))
}

func (d drawer) Delete(_ context.Context, account string) error {
	if err := os.Remove(d.path(account)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (d drawer) Lock(ctx context.Context, account string) (func(), error) {
	l := flock.New(d.path(account) + ".lock")
	ok, err := l.TryLockContext(ctx, 2e6)
	if err != nil || !ok {
		return nil, errors.Join(err, ctx.Err())
	}
	return func() { _ = l.Unlock() }, nil
}

func (d drawer) TryLock(account string) (func(), bool, error) {
	l := flock.New(d.path(account) + ".lock")
	ok, err := l.TryLock()
	return func() { _ = l.Unlock() }, ok, err
}
