package tokenstore

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
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

func TestTryLock(t *testing.T) {
	for kind, open := range kinds(t) {
		t.Run(kind, func(t *testing.T) {
			s := open()
			unlock, free, err := s.TryLock("a")
			if err != nil || !free {
				t.Fatalf("nobody holds it: %v, %v", free, err)
			}
			if _, free, err := s.TryLock("a"); err != nil || free {
				t.Errorf("it is held: %v, %v", free, err)
			}
			other, free, err := s.TryLock("b")
			if err != nil || !free {
				t.Fatalf("another account is held too: %v, %v", free, err)
			}
			other()
			unlock()
			again, err := s.Lock(ctx, "a")
			if err != nil {
				t.Fatal(err)
			}
			if _, free, err := s.TryLock("a"); err != nil || free {
				t.Errorf("it is held again: %v, %v", free, err)
			}
			again()
		})
	}
}

// Two stores of one folder are as two processes.
func TestTryLockBetweenProcesses(t *testing.T) {
	dir := t.TempDir()
	one, two := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: newFake()}), mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: newFake()})
	unlock, err := one.Lock(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the turn in its own process is given back
		if _, free, err := two.TryLock("a"); err != nil || free {
			t.Errorf("it is held elsewhere: %v, %v", free, err)
		}
	}
	unlock()
	unlock, free, err := two.TryLock("a")
	if err != nil || !free {
		t.Fatalf("nobody holds it: %v, %v", free, err)
	}
	unlock()
	if err := os.WriteFile(filepath.Join(dir, "occupied"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := mustNew(t, Options{Kind: KindKeyring, Dir: filepath.Join(dir, "occupied"), Keyring: newFake()})
	for range 2 {
		if _, free, err := broken.TryLock("a"); err == nil || free {
			t.Errorf("a folder that cannot be: %v, %v", free, err)
		}
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
