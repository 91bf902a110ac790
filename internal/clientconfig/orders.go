package clientconfig

import (
	"context"
	"slices"
)

// Order is an entry that a person asked for while the client ran, which waits until the
// client has quit. It outlives the app; to carry it out is not the Editor's.
type Order struct {
	Client  string `json:"client"`
	Profile string `json:"profile"`
	Asked   bool   `json:"asked,omitempty"` // see Task
}

// Orders lists what waits, oldest first.
func (e *Editor) Orders() ([]Order, error) {
	s, err := e.loadState()
	if err != nil {
		return nil, err
	}
	return s.Orders, nil
}

// Order remembers orders until they are cancelled, or a plan is applied by which a person
// has the entry written or taken out.
func (e *Editor) Order(ctx context.Context, orders ...Order) error {
	return e.changeOrders(ctx, func(s *state) {
		for _, o := range orders {
			if !s.ordered(o.Client, o.Profile) {
				s.Orders = append(s.Orders, o)
			}
		}
	})
}

// Cancel forgets the orders of those entries.
func (e *Editor) Cancel(ctx context.Context, client string, profiles ...string) error {
	return e.changeOrders(ctx, func(s *state) { s.cancel(client, profiles) })
}

// changeOrders writes only if there is a change.
func (e *Editor) changeOrders(ctx context.Context, change func(s *state)) error {
	changes := func() (*state, bool, error) {
		s, err := e.loadState()
		if err != nil {
			return nil, false, err
		}
		before := slices.Clone(s.Orders)
		change(s)
		return s, !slices.Equal(s.Orders, before), nil
	}
	if _, changed, err := changes(); err != nil || !changed {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	release, err := e.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	s, changed, err := changes()
	if err != nil || !changed {
		return err
	}
	return e.saveState(s)
}

// ordered reports that an entry of one of those profiles waits for the client to quit.
func (s *state) ordered(client string, profiles ...string) bool {
	return slices.ContainsFunc(s.Orders, func(o Order) bool { return o.Client == client && slices.Contains(profiles, o.Profile) })
}

func (s *state) cancel(client string, profiles []string) {
	s.Orders = slices.DeleteFunc(s.Orders, func(o Order) bool { return o.Client == client && slices.Contains(profiles, o.Profile) })
}
