// Package oauth gets the tokens that profiles need for their targets: discovery,
// client registration, sign-in in a browser, renewal and revocation, one RFC a file.
//
// An Account is one sign-in. Profiles with the same issuer, client, resource and
// session share one. Renewal is one algorithm (refresh.go), single-flight, locked
// between processes, and nothing received is used before it is stored.
//
// It must not know the tray, where secrets are kept (it declares a small Store), or how
// a browser is opened: it hands out the address a person opens.
package oauth

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Store keeps records at rest. A record is named by an opaque account of lower-case
// letters, digits and dashes.
type Store interface {
	// Load returns ErrNoRecord when there is none.
	Load(ctx context.Context, account string) ([]byte, error)
	// Save is durable when it returns nil.
	Save(ctx context.Context, account string, blob []byte) error
	Delete(ctx context.Context, account string) error
	// Lock keeps other goroutines and processes from working on account.
	Lock(ctx context.Context, account string) (unlock func(), err error)
	// TryLock is Lock without waiting: free is false while somebody holds it.
	TryLock(account string) (unlock func(), free bool, err error)
}

// ErrNoRecord is what a Store's Load returns for an account it does not have.
var ErrNoRecord = errors.New("no record")

// Options are what Accounts are made of.
type Options struct {
	Store    Store
	Secret   func(context.Context, profile.Secret) (string, error) // nil: inline values only
	Logger   *slog.Logger                                          // nil: discard
	Settings profile.Settings
	Action   string // how a person starts a sign-in; empty: in the tray, or by the command

	// PortOwner names the program that listens at an address; empty if unknown. May be nil.
	PortOwner func(host, port string) string
}

// Accounts are all sign-ins of this process.
type Accounts struct {
	store  Store
	secret func(context.Context, profile.Secret) (string, error)
	log    *slog.Logger
	action string
	owner  func(host, port string) string
	doors  *doors

	ctx     context.Context // of everything in flight; ends when Close gives up waiting
	cancel  context.CancelFunc
	closing context.Context // ends when Close is called
	shut    context.CancelFunc
	work    sync.WaitGroup

	mu       sync.Mutex // guards what follows
	closed   bool
	settings profile.Settings
	accounts map[string]*Account // account key → account
	asked    map[string]int      // host → answers awaited that may hold a token
}

// New returns Accounts. It starts nothing and reads nothing.
func New(o Options) *Accounts {
	s := &Accounts{
		store:    o.Store,
		secret:   o.Secret,
		log:      o.Logger,
		action:   o.Action,
		owner:    o.PortOwner,
		settings: o.Settings,
		accounts: map[string]*Account{},
		asked:    map[string]int{},
	}
	if s.secret == nil {
		s.secret = inlineSecret
	}
	if s.owner == nil {
		s.owner = func(string, string) string { return "" }
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.doors = newDoors(s.log)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.closing, s.shut = context.WithCancel(s.ctx)
	return s
}

func inlineSecret(_ context.Context, place profile.Secret) (string, error) {
	if place.Value == "" {
		return "", errors.New("no way to read a secret from " + place.String())
	}
	return place.Value, nil
}

// Configure puts new settings in force for sign-ins that begin later.
func (s *Accounts) Configure(settings profile.Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = settings
}

// Account returns the account p signs in with, under p's present settings.
// An error is a *Error that says what in the profile cannot be.
func (s *Accounts) Account(p profile.Profile) (*Account, error) {
	p = withDefaults(p)
	newSource, ok := sources[p.SignIn.Method]
	if !ok {
		return nil, profileError("sign_in.method "+clean(p.SignIn.Method, 40)+" is not supported", "Use auto, browser, token or none")
	}
	a := s.account(accountKey(p), newSource)
	if err := a.source.adopt(p); err != nil {
		return nil, err
	}
	a.forget()
	return a, nil
}

func (s *Accounts) account(key string, newSource func(*Accounts, string, func()) source) *Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[key]
	if a == nil {
		a = &Account{subscribers: map[int]func(status.Report){}}
		a.source = newSource(s, key, a.refresh)
		s.accounts[key] = a
	}
	return a
}

// sources makes the source of each sign_in.method.
var sources = map[string]func(s *Accounts, key string, changed func()) source{
	profile.MethodAuto:    newGrant,
	profile.MethodBrowser: newGrant,
	profile.MethodToken:   newStatic,
	profile.MethodNone:    newNothing,
}

// Close ends sign-ins under way, waits for codes and renewals that a provider has been sent
// and for their saving, and gives up on them when ctx ends. The Accounts are of no use afterwards.
func (s *Accounts) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	accounts := make([]*Account, 0, len(s.accounts))
	for _, a := range s.accounts {
		accounts = append(accounts, a)
	}
	s.mu.Unlock()
	s.shut()

	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.cancel()
	<-done
	s.doors.close()
	for _, a := range accounts {
		a.source.close()
	}
	return err
}

// begin announces work that Close waits for. It is refused once Close was called.
func (s *Accounts) begin() (end func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	s.work.Add(1)
	return s.work.Done, true
}

// asking notes that a host's answer may hold a token, until it is there.
func (s *Accounts) asking(host string) (answered func()) {
	add := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.asked[host] += n; s.asked[host] == 0 {
			delete(s.asked, host)
		}
	}
	add(1)
	return func() { add(-1) }
}

// Awaited names the hosts whose answers may hold tokens that must not be lost.
func (s *Accounts) Awaited() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.asked))
}

func (s *Accounts) currentSettings() profile.Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}
