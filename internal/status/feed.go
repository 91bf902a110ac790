package status

import (
	"context"
	"iter"
	"sync"
)

// Feed hands out the latest Snapshot. It is level-triggered: a slow reader skips
// to the newest and never holds the publisher up. The zero Feed is ready to use.
type Feed struct {
	mu      sync.Mutex
	latest  *Snapshot
	changed chan struct{} // closed when latest is replaced
}

// Publish replaces the latest Snapshot, which must not be changed afterwards.
func (f *Feed) Publish(s *Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latest = s
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// Latest returns the newest Snapshot, nil before the first.
func (f *Feed) Latest() *Snapshot {
	s, _ := f.read()
	return s
}

// Watch yields the newest Snapshot at once and again after each change, until ctx ends.
func (f *Feed) Watch(ctx context.Context) iter.Seq[*Snapshot] {
	return func(yield func(*Snapshot) bool) {
		var seen *Snapshot
		for {
			s, changed := f.read()
			if s != seen {
				seen = s
				if !yield(s) {
					return
				}
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
		}
	}
}

func (f *Feed) read() (*Snapshot, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.latest, f.changed
}
