package supervisor

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// clients is the keeping of clients' config files. It belongs to the supervisor's goroutine.
type clients struct {
	busy  bool
	done  []Wish    // carried out last
	again time.Time // zero: nothing to look at again
	asked []clientRequest
	shown []status.Client
}

// clientRequest is an Action that waits for its turn.
type clientRequest struct {
	action Action
	answer func(error)
}

// askClients takes an Action about clients; keepClients carries it out.
func (s *Supervisor) askClients(a Action, _ *row, answer func(error)) {
	switch {
	case s.effects.WriteClients == nil || s.config == nil:
		answer(notNow("no config of a client is kept"))
	case a.Verb == WriteClients && a.Client == "":
		answer(notNow("%s needs a client", a.Verb))
	default:
		s.clients.asked = append(s.clients.asked, clientRequest{a, answer})
	}
}

// keepClients has clients' config files looked at when something is wanted that was not
// carried out yet, a person asked, or the time has come.
func (s *Supervisor) keepClients(now time.Time) {
	c := &s.clients
	if c.busy || s.effects.WriteClients == nil {
		return
	}
	wishes := s.wishes()
	if reflect.DeepEqual(wishes, c.done) && len(c.asked) == 0 && !passed(c.again, now) {
		return
	}
	asked, task := c.asked, ClientTask{Wishes: wishes}
	for _, r := range asked {
		task.Requests = append(task.Requests, r.action)
	}
	c.busy, c.asked = true, nil
	ctx := s.ctx
	s.run(func() func() {
		out := s.writeClients(ctx, task)
		return func() {
			c.busy, c.done, c.shown, c.again = false, wishes, out.Clients, time.Time{}
			if out.Again > 0 {
				c.again = time.Now().Add(out.Again).Round(0)
			}
			for i, r := range asked {
				r.answer(out.Answers[i])
			}
		}
	})
}

// writeClients keeps a bug in the editing of a file from ending what is served. The same
// files are looked at again when something changes.
func (s *Supervisor) writeClients(ctx context.Context, t ClientTask) (out ClientOutcome) {
	defer func() {
		if v := recover(); v != nil {
			err := fmt.Errorf("internal error: %T", v)
			s.log.Error("clients' configs could not be looked at", "error", err)
			out = ClientOutcome{Clients: []status.Client{}, Answers: slices.Repeat([]error{err}, len(t.Requests))}
		}
	}()
	return s.effects.WriteClients(ctx, t)
}

// wishes are what clients' config files should say of the profiles in force. A pause does
// not change it: it passes.
func (s *Supervisor) wishes() []Wish {
	wishes := make([]Wish, 0, len(s.config.Profiles))
	for _, p := range s.config.Profiles {
		url, settled := s.effects.ClientURL(p)
		wishes = append(wishes, Wish{Profile: p.Name, URL: url, Clients: s.config.ClientsOf(p), Idle: !p.Enabled || !settled})
	}
	return wishes
}

// nextDue is when keepClients may have something to do by itself, zero for never.
func (c *clients) nextDue() time.Time {
	if c.busy {
		return time.Time{}
	}
	return c.again
}
