package tokenstore

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// saved returns a fake keyring and a folder with one record, as after a restart.
func saved(t *testing.T, blob []byte) (*fakeKeyring, *Store) {
	t.Helper()
	dir, fake := t.TempDir(), newFake()
	mustSave(t, mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}), "a", blob)
	fake.gets, fake.opens = 0, 0
	return fake, mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
}

// F15: a keyring that never answers costs each caller five seconds and the process
// one goroutine; its answer, when it comes, is used.
func TestSilentKeyring(t *testing.T) {
	blob := canary(9)
	synctest.Test(t, func(t *testing.T) {
		fake, s := saved(t, blob)
		block := make(chan struct{})
		fake.block = block
		start := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := s.Load(ctx, "a")
				wantErr(t, err, ErrTimeout)
			})
		}
		wg.Wait()
		if d := time.Since(start); d != patience {
			t.Errorf("callers waited %v, want %v", d, patience)
		}
		if n := fake.count(&fake.gets); n != 1 {
			t.Errorf("%d calls into a silent keyring, want 1", n)
		}
		for _, hold := range []time.Duration{2, 4, 8, 16, 32, 60, 60} {
			begin := time.Now()
			_, err := s.Load(ctx, "a")
			wantErr(t, err, ErrTimeout)
			if time.Since(begin) != 0 {
				t.Error("a caller waited while the gate was held")
			}
			time.Sleep(hold*time.Second - 1)
			_, err = s.Load(ctx, "a")
			if wantErr(t, err, ErrTimeout); time.Since(begin) != hold*time.Second-1 {
				t.Errorf("hold of %v s was shorter", hold)
			}
			time.Sleep(1)
			_, err = s.Load(ctx, "a")
			if wantErr(t, err, ErrTimeout); time.Since(begin) != hold*time.Second+patience {
				t.Errorf("hold of %v s was longer", hold)
			}
		}
		if n := fake.count(&fake.gets); n != 1 {
			t.Errorf("%d calls into a silent keyring, want 1", n)
		}
		close(block)
		synctest.Wait()
		begin := time.Now()
		wantBlob(t, s, "a", blob)
		if time.Since(begin) != 0 || fake.gets != 1 {
			t.Error("the late answer was not used")
		}
	})
}

// F14: locked at first, unlocked by somebody else later.
func TestLockedThenUnlockedByOthers(t *testing.T) {
	blob := canary(9)
	synctest.Test(t, func(t *testing.T) {
		fake, s := saved(t, blob)
		log := new(record)
		s.gate.log = log.logger()
		fake.open = fail(ErrLocked, "", nil)
		done := make(chan time.Time)
		go func() {
			if err := s.Wait(ctx); err != nil {
				t.Error(err)
			}
			done <- time.Now()
		}()
		for range 90 {
			begin := time.Now()
			_, err := s.Load(ctx, "a")
			wantErr(t, err, ErrLocked)
			if time.Since(begin) != 0 {
				t.Error("Load waited for a locked keyring")
			}
			time.Sleep(time.Second)
		}
		if n := fake.count(&fake.opens); n > 46 {
			t.Errorf("looked %d times in 90 s", n)
		}
		unlocked := time.Now()
		fake.with(func(f *fakeKeyring) { f.open = nil })
		if d := (<-done).Sub(unlocked); d > 5*time.Second {
			t.Errorf("noticed after %v", d)
		}
		wantBlob(t, s, "a", blob)
		if fake.asked != 0 {
			t.Error("a prompt was shown")
		}
		if n := strings.Count(log.String(), "\n"); n != 2 {
			t.Errorf("%d log lines, want one when it locked and one when it opened:\n%s", n, log)
		}
	})
}

// F19: a dismissed prompt is not shown again but by a person's act.
func TestDeclined(t *testing.T) {
	blob := canary(9)
	synctest.Test(t, func(t *testing.T) {
		fake, s := saved(t, blob)
		fake.get = errDeclined
		for begin := time.Now(); time.Since(begin) < 599*time.Second; time.Sleep(time.Second) {
			_, err := s.Load(ctx, "a")
			wantErr(t, err, ErrLocked)
		}
		if n := fake.count(&fake.gets); n != 1 {
			t.Errorf("%d prompts in ten minutes, want 1", n)
		}
		fake.get = nil
		if err := s.Unlock(ctx); err != nil {
			t.Fatal(err)
		}
		wantBlob(t, s, "a", blob)
	})
}

// A caller that goes away neither ends nor fails the call for the others.
func TestCallerGoesAway(t *testing.T) {
	blob := canary(9)
	synctest.Test(t, func(t *testing.T) {
		fake, s := saved(t, blob)
		block := make(chan struct{})
		fake.block = block
		gone, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Second, cancel)
		_, err := s.Load(gone, "a")
		if wantErr(t, err, context.Canceled); errors.Is(err, ErrTimeout) {
			t.Error("a cancelled wait is no timeout")
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err = s.Load(short, "a")
		wantErr(t, err, ErrTimeout)
		time.AfterFunc(time.Second, func() { close(block) })
		begin := time.Now()
		wantBlob(t, s, "a", blob)
		if d := time.Since(begin); d != time.Second || fake.gets != 1 {
			t.Errorf("waited %v with %d calls, want one second and one call", d, fake.gets)
		}
	})
}

func TestUnlock(t *testing.T) {
	blob := canary(9)
	locked := func(t *testing.T) (*fakeKeyring, *Store) {
		fake, s := saved(t, blob)
		fake.open = fail(ErrLocked, "", nil)
		fake.answer = make(chan error)
		_, err := s.Load(ctx, "a")
		wantErr(t, err, ErrLocked)
		return fake, s
	}
	t.Run("answered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake, s := locked(t)
			time.AfterFunc(time.Minute, func() { fake.answer <- nil })
			time.AfterFunc(time.Second, func() {
				begin := time.Now()
				_, err := s.Load(ctx, "a")
				if wantErr(t, err, ErrLocked); time.Since(begin) != 0 {
					t.Error("a request waited for the prompt")
				}
			})
			if err := s.Unlock(ctx); err != nil {
				t.Fatal(err)
			}
			wantBlob(t, s, "a", blob)
		})
	})
	t.Run("dismissed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake, s := locked(t)
			time.AfterFunc(time.Second, func() { fake.answer <- fail(ErrLocked, "its prompt was dismissed", nil) })
			wantErr(t, s.Unlock(ctx), ErrLocked)
		})
	})
	t.Run("answered after the caller left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake, s := locked(t)
			begin := time.Now()
			c, cancel := context.WithTimeout(ctx, 3*time.Second)
			defer cancel()
			wantErr(t, s.Unlock(c), ErrLocked)
			wantErr(t, s.Unlock(ctx), ErrLocked)
			if d := time.Since(begin); d != attention+3*time.Second {
				t.Errorf("took %v", d)
			}
			if n := fake.count(&fake.asked); n != 1 {
				t.Errorf("%d prompts on the screen, want 1", n)
			}
			fake.answer <- nil
			if err := s.Wait(ctx); err != nil {
				t.Fatal(err)
			}
			wantBlob(t, s, "a", blob)
		})
	})
	t.Run("unlocked by others meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake, s := locked(t)
			c, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			wantErr(t, s.Unlock(c), ErrLocked)
			fake.with(func(f *fakeKeyring) { f.open = nil })
			if err := s.Unlock(ctx); err != nil {
				t.Fatal(err)
			}
			wantBlob(t, s, "a", blob)
			close(fake.answer)
		})
	})
	t.Run("behind a silent call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fake, s := saved(t, blob)
			block := make(chan struct{})
			defer close(block)
			fake.block = block
			_, err := s.Load(ctx, "a")
			wantErr(t, err, ErrTimeout)
			begin := time.Now()
			wantErr(t, s.Unlock(ctx), ErrTimeout)
			if time.Since(begin) != patience {
				t.Errorf("took %v", time.Since(begin))
			}
		})
	})
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, s := saved(t, canary(9))
		fake.open = fail(ErrAbsent, "", nil)
		c, cancel := context.WithTimeout(ctx, 7*time.Second)
		defer cancel()
		if err := s.Wait(c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait returned %v", err)
		}
	})
}
