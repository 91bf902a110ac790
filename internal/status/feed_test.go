package status

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestFeedSkipsToTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f Feed
		f.Publish(&Snapshot{Serial: 1})
		var seen []uint64
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for s := range f.Watch(ctx) {
				seen = append(seen, s.Serial)
				time.Sleep(time.Second) // a slow reader
			}
		}()
		synctest.Wait()
		for n := uint64(2); n <= 50; n++ {
			f.Publish(&Snapshot{Serial: n})
		}
		time.Sleep(5 * time.Second)
		cancel()
		<-done
		if len(seen) != 2 || seen[0] != 1 || seen[1] != 50 {
			t.Errorf("seen %v, want [1 50]", seen)
		}
	})
}

func TestFeedWaitsForTheFirstSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f Feed
		got := make(chan *Snapshot, 1)
		go func() {
			for s := range f.Watch(t.Context()) {
				got <- s
				return
			}
		}()
		synctest.Wait()
		if f.Latest() != nil || len(got) != 0 {
			t.Fatal("a snapshot came from nowhere")
		}
		f.Publish(&Snapshot{Serial: 7})
		if s := <-got; s.Serial != 7 {
			t.Errorf("serial %d", s.Serial)
		}
	})
}

func TestRPCCodesAreUniqueAndOurs(t *testing.T) {
	seen := map[int]Code{}
	for code, n := range rpc {
		if n < 31001 || n > 31099 {
			t.Errorf("%s has %d, outside our range", code, n)
		}
		if other, ok := seen[n]; ok {
			t.Errorf("%s and %s share %d", code, other, n)
		}
		seen[n] = code
	}
	if Code("something new").RPC() != 31099 {
		t.Error("a code without a number of its own")
	}
}
