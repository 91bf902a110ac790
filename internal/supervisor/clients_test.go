package supervisor

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// keeper plays the effect that writes clients' configs.
type keeper struct {
	mu    sync.Mutex // guards what follows, but for gate
	tasks []ClientTask
	again time.Duration
	gate  chan struct{} // not nil: each call waits for a value
	err   error         // the answer to each request
	panic bool
}

func (k *keeper) write(ctx context.Context, t ClientTask) ClientOutcome {
	k.set(func() { k.tasks = append(k.tasks, t) })
	if k.gate != nil {
		select {
		case <-k.gate:
		case <-ctx.Done():
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.panic {
		panic("a bug")
	}
	out := ClientOutcome{Again: k.again, Clients: []status.Client{{ID: "cursor", State: status.ClientCurrent}}}
	for range t.Requests {
		out.Answers = append(out.Answers, k.err)
	}
	return out
}

func (k *keeper) set(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}

// playClients runs script in a world with a keeper.
func playClients(t *testing.T, script func(w *world, k *keeper)) {
	t.Helper()
	play(t, func(w *world) {
		k := &keeper{}
		w.writeClients = k.write
		script(w, k)
	})
}

// expect waits until nothing moves and checks how often clients were looked at.
func (k *keeper) expect(w *world, calls int, wishes ...Wish) {
	w.t.Helper()
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.tasks) != calls {
		w.t.Fatalf("clients were looked at %d times, want %d: %+v", len(k.tasks), calls, k.tasks)
	}
	if wishes == nil {
		return
	}
	if diff := cmp.Diff(wishes, k.tasks[calls-1].Wishes); diff != "" {
		w.t.Error(diff)
	}
}

func asking(c *profile.Config, clients ...string) *profile.Config {
	c.Settings.Clients = clients
	return c
}

func TestClientsAreToldWhatChanges(t *testing.T) {
	playClients(t, func(w *world, k *keeper) {
		w.do(Action{Verb: Pause}) // before anything is in force
		k.expect(w, 0)
		w.do(Action{Verb: Resume})
		a, b := at("a", "127.0.0.1:7801"), at("b", "")
		w.sup.Apply(asking(config(a, b), "cursor"))
		wishA := Wish{Profile: "a", URL: "http://127.0.0.1:7801/mcp", Clients: []string{"cursor"}}
		wishB := Wish{Profile: "b", URL: "http://127.0.0.1:40000/mcp", Clients: []string{"cursor"}}
		k.expect(w, 1, wishA, wishB) // the port is chosen by then
		if got := w.snapshot().Clients; len(got) != 1 || got[0].ID != "cursor" {
			t.Errorf("the outcome does not show: %+v", got)
		}

		time.Sleep(time.Hour)
		a.Headers.Set = map[string]string{"A": "b"}
		w.sup.Apply(asking(config(a, b), "cursor"))
		w.do(Action{Verb: Restart})
		w.do(Action{Verb: Pause})
		w.do(Action{Verb: Resume})
		w.sup.Reject([]status.Problem{{Message: "unknown key"}})
		k.expect(w, 1) // none of it is theirs to know

		services := len(w.services)
		b.Clients = []string{}
		w.sup.Apply(asking(config(a, b), "cursor"))
		wishB.Clients = []string{}
		k.expect(w, 2, wishA, wishB)
		if len(w.services) != services {
			t.Error("a change of clients touches what is served")
		}

		a.Path = "/x"
		w.sup.Apply(asking(config(a, b), "cursor"))
		wishA.URL = "http://127.0.0.1:7801/x"
		k.expect(w, 3, wishA, wishB)
		a.Enabled = false
		w.sup.Apply(asking(config(a, b), "cursor"))
		wishA.Idle = true
		k.expect(w, 4, wishA, wishB)
		w.sup.Apply(asking(config(b), "cursor"))
		k.expect(w, 5, wishB)
		w.sup.Apply(asking(config(), "cursor"))
		k.expect(w, 6, []Wish{}...)
	})
}

func TestAPortThatIsNotChosenYetIsNotTold(t *testing.T) {
	playClients(t, func(w *world, k *keeper) {
		w.set(func() { w.busy["127.0.0.1:40000"] = true })
		w.sup.Apply(asking(config(at("a", "")), "cursor"))
		k.expect(w, 1, Wish{Profile: "a", Clients: []string{"cursor"}, Idle: true})
		w.set(func() { delete(w.busy, "127.0.0.1:40000") })
		time.Sleep(10 * time.Second)
		k.expect(w, 2, Wish{Profile: "a", URL: "http://127.0.0.1:40000/mcp", Clients: []string{"cursor"}})
	})
}

func TestOneLookAtClientsAtATime(t *testing.T) {
	playClients(t, func(w *world, k *keeper) {
		k.gate = make(chan struct{})
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		k.expect(w, 1)
		w.sup.Apply(config(at("a", "127.0.0.1:7802")))
		w.sup.Apply(config(at("a", "127.0.0.1:7803")))
		answers := make(chan error, 2)
		for range 2 {
			go func() { answers <- w.sup.Do(w.t.Context(), Action{Verb: LookAtClients}) }()
		}
		time.Sleep(time.Minute)
		k.expect(w, 1)
		w.expect("a", status.Ready, "http://127.0.0.1:7803/mcp") // which waits for nobody
		k.gate <- struct{}{}
		k.expect(w, 2, Wish{Profile: "a", URL: "http://127.0.0.1:7803/mcp"})
		if n := len(k.tasks[1].Requests); n != 2 || len(answers) > 0 {
			t.Errorf("%d requests, %d answers", n, len(answers))
		}
		k.gate <- struct{}{}
		for range 2 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		k.expect(w, 2)
	})
}

func TestClientsAreLookedAtAgainWhenDue(t *testing.T) {
	playClients(t, func(w *world, k *keeper) {
		k.again = 2 * time.Second
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		k.expect(w, 1)
		serial := w.snapshot().Serial
		for n := range 5 {
			time.Sleep(2 * time.Second)
			k.expect(w, 2+n)
		}
		k.set(func() { k.again = time.Hour })
		time.Sleep(2 * time.Second)
		k.expect(w, 7)
		time.Sleep(59 * time.Minute)
		k.expect(w, 7)
		if got := w.snapshot().Serial; got > serial+1 { // the row became ready at most
			t.Errorf("looking in vain made %d snapshots", got-serial)
		}
		time.Sleep(time.Minute)
		k.expect(w, 8)
	})
}

func TestAPersonAsksAboutClients(t *testing.T) {
	playClients(t, func(w *world, k *keeper) {
		if err := w.sup.Do(w.t.Context(), Action{Verb: LookAtClients}); !errors.Is(err, ErrNotNow) {
			t.Errorf("before there are profiles: %v", err)
		}
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		k.expect(w, 1)
		write := Action{Verb: WriteClients, Client: "cursor", Profile: "a", Force: true}
		w.do(write)
		k.expect(w, 2)
		if diff := cmp.Diff([]Action{write}, k.tasks[1].Requests); diff != "" {
			t.Error(diff)
		}
		k.err = errors.New("the disk is full")
		if err := w.sup.Do(w.t.Context(), write); !errors.Is(err, k.err) {
			t.Errorf("error %v", err)
		}
		if err := w.sup.Do(w.t.Context(), Action{Verb: WriteClients, Client: "cursor", Profile: "b"}); !errors.Is(err, ErrUnknownProfile) {
			t.Errorf("error %v", err)
		}
		if err := w.sup.Do(w.t.Context(), Action{Verb: WriteClients}); !errors.Is(err, ErrNotNow) {
			t.Errorf("error %v", err)
		}
		k.expect(w, 3)
	})
}

func TestABugInAClientsFileEndsNothing(t *testing.T) {
	playClients(t, func(w *world, k *keeper) {
		k.panic = true
		w.sup.Apply(config(at("a", "127.0.0.1:7801")))
		w.expect("a", status.Ready, "")
		if err := w.sup.Do(w.t.Context(), Action{Verb: LookAtClients}); err == nil {
			t.Error("it does not show")
		}
		time.Sleep(time.Hour)
		k.expect(w, 2)
	})
}
