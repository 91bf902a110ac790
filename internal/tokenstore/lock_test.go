package tokenstore

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"
)

func TestLockInProcess(t *testing.T) {
	for kind, open := range kinds(t) {
		t.Run(kind, func(t *testing.T) {
			s := open()
			unlock, err := s.Lock(ctx, "a")
			if err != nil {
				t.Fatal(err)
			}
			other, err := s.Lock(ctx, "b")
			if err != nil {
				t.Fatal("another account is held too: ", err)
			}
			other()
			short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			_, err = s.Lock(short, "a")
			wantErr(t, err, context.DeadlineExceeded)
			if errors.Is(err, ErrTimeout) {
				t.Error("a busy account is taken for a silent keyring")
			}
			unlock()
			unlock()
			again, err := s.Lock(ctx, "a")
			if err != nil {
				t.Fatal(err)
			}
			defer again()
			unlock() // must not open somebody else's lock
			short, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			if _, err := s.Lock(short, "a"); err == nil {
				t.Error("a second unlock opened another's lock")
			}
		})
	}
}

// Twenty goroutines over two stores of one folder, as over two processes.
func TestLockSerialises(t *testing.T) {
	dir, fake := t.TempDir(), newFake()
	stores := [2]*Store{}
	for i := range stores {
		stores[i] = mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for range 5 {
				if err := count(stores[i%2], "counter"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	wantBlob(t, stores[0], "counter", binary.BigEndian.AppendUint64(nil, 100))
	fake.keyItem(t)
}

// count adds one to the number saved for account.
func count(s *Store, account string) error {
	unlock, err := s.Lock(ctx, account)
	if err != nil {
		return err
	}
	defer unlock()
	n := make([]byte, 8)
	old, err := s.Load(ctx, account)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	copy(n, old)
	return s.Save(ctx, account, binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(n)+1))
}
