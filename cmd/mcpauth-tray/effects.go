package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/desktop"
	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/proxy"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
	"github.com/mcpauth-tray/mcpauth-tray/internal/tokenstore"
)

// drainTime is how long requests in flight may take to finish once a profile is
// stopped or replaced, saveTime how long a provider may take to answer a renewal or a code,
// and the answer to be saved, when the app ends.
const (
	drainTime = 5 * time.Second
	saveTime  = 5 * time.Second
)

// world is what the supervisor acts on: sockets, accounts and the token store.
type world struct {
	log      *slog.Logger
	level    *slog.LevelVar // nil: the command line has the say
	stateDir string
	ports    *ports
	openURL  func(string) error
	action   string // how a person starts a sign-in; empty: in the tray, or by the command

	background sync.WaitGroup // sockets being drained, keyrings being waited for

	mu       sync.Mutex
	kind     string // of store
	store    *tokenstore.Store
	accounts *oauth.Accounts
	retired  []*oauth.Accounts // of earlier settings, closed with the app
	serving  map[*service]bool
	waiting  map[*tokenstore.Store]bool // recheck is under way
}

func newWorld(log *slog.Logger, stateDir string) (*world, error) {
	remembered, err := openPorts(stateDir, log)
	if err != nil {
		return nil, err
	}
	return &world{log: log, stateDir: stateDir, ports: remembered, openURL: desktop.OpenURL,
		serving: map[*service]bool{}, waiting: map[*tokenstore.Store]bool{}}, nil
}

// effects joins the world to the supervisor.
func (w *world) effects(reload func(context.Context) error, quit func()) supervisor.Effects {
	return supervisor.Effects{
		Configure: w.configure,
		Listen:    w.listen,
		ClientURL: w.clientURL,
		OpenURL:   w.openPage,
		Reload:    reload,
		Quit:      quit,
	}
}

// openPage opens the page of a sign-in that a request started.
func (w *world) openPage(profile, url string) error {
	err := w.openURL(url)
	if err == nil {
		return nil
	}
	return &oauth.Error{Code: status.SignInFailed, Summary: "the sign-in page could not be shown", Detail: err.Error(), Err: err,
		Action: "Run mcpauth-tray signin " + profile + " --no-browser and open the address that it prints"}
}

// configure puts new settings in force. Another token store makes new accounts, whose
// profiles the supervisor serves anew.
func (w *world) configure(s profile.Settings) error {
	if w.level != nil {
		w.level.Set(logLevel(s.LogLevel))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.accounts != nil && w.kind == s.TokenStore {
		w.accounts.Configure(s)
		return nil
	}
	store, err := tokenstore.New(tokenstore.Options{Kind: s.TokenStore, Dir: w.stateDir, Passphrase: passphrase, Logger: w.log})
	if err != nil {
		return err
	}
	if w.accounts != nil {
		w.retired = append(w.retired, w.accounts)
	}
	w.kind, w.store = s.TokenStore, store
	w.accounts = oauth.New(oauth.Options{
		Store:    sealed{store},
		Secret:   func(ctx context.Context, s profile.Secret) (string, error) { return readSecret(ctx, store, s) },
		Logger:   w.log,
		Settings: s,
		Action:   w.action,

		PortOwner: proxy.Owner,
	})
	return nil
}

// close waits until renewals in flight are finished and saved.
func (w *world) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), saveTime)
	defer cancel()
	errs := []error{w.ports.save()}
	for _, accounts := range w.everyAccount() {
		errs = append(errs, accounts.Close(ctx))
	}
	return errors.Join(errs...)
}

// awaited names the hosts whose answers close waits for.
func (w *world) awaited() []string {
	var hosts []string
	for _, accounts := range w.everyAccount() {
		hosts = append(hosts, accounts.Awaited()...)
	}
	return hosts
}

func (w *world) everyAccount() []*oauth.Accounts {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Clone(w.retired)
	if w.accounts != nil {
		all = append(all, w.accounts)
	}
	return all
}

func (w *world) listen(p profile.Profile) (supervisor.Socket, error) {
	var l *proxy.Listener
	var err error
	for _, addr := range w.ports.addresses(p) {
		if l, err = proxy.Listen(addr, proxy.ListenOptions{Logger: w.log}); err == nil {
			break
		}
	}
	if err != nil {
		return nil, &supervisor.Fault{Code: status.ListenFailed, Detail: err.Error(), Err: err,
			Action: "Free the port or set another listen address in profiles.yaml"}
	}
	w.ports.remember(p, l.Addr())
	return &socket{world: w, listener: l}, nil
}

func (w *world) clientURL(p profile.Profile) (url string, settled bool) {
	addr, settled := w.ports.lasting(p)
	return clientURL(addr, p.Path), settled
}

// socket is one open address; profiles come and go on it.
type socket struct {
	world    *world
	listener *proxy.Listener
}

func (s *socket) Addr() string { return s.listener.Addr() }

func (s *socket) Close() {
	s.listener.Release()
	s.world.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		if err := s.listener.Close(ctx); err != nil {
			s.world.log.Info("requests were cut off", "address", s.Addr(), "error", err)
		}
	})
}

func (s *socket) Serve(p profile.Profile, h supervisor.Hooks) (supervisor.Service, error) {
	own, err := s.serve(p, h)
	if err != nil {
		s.sayWhyNot(p, err)
		return nil, err
	}
	return own, nil
}

func (s *socket) serve(p profile.Profile, h supervisor.Hooks) (*service, error) {
	headers, err := readHeaders(p)
	if err != nil {
		return nil, &supervisor.Fault{Code: status.ProfileError, Detail: err.Error(), Err: err, Action: "Correct headers.set_file in profiles.yaml"}
	}
	s.world.mu.Lock()
	accounts, store := s.world.accounts, s.world.store
	s.world.mu.Unlock()
	account, err := accounts.Account(p)
	if err != nil {
		return nil, profileFault(err)
	}
	o := proxy.Options{Profile: p, Addr: s.listener.Addr(), Tokens: account, Headers: headers,
		Logger: s.world.log, Requests: h.Requests}
	if p.SignIn.Start == profile.StartOnRequest {
		o.WantSignIn = h.SignIn
	}
	handler, err := proxy.New(o)
	if err != nil {
		return nil, profileFault(err)
	}
	own := &service{
		world:       s.world,
		account:     account,
		store:       store,
		unmount:     s.listener.Mount(handler),
		unsubscribe: account.Subscribe(h.Report),
	}
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.serving[own] = true
	return own, nil
}

func profileFault(err error) error {
	f := &supervisor.Fault{Code: status.ProfileError, Detail: err.Error(), Err: err, Action: "Correct the profile in profiles.yaml"}
	var own *oauth.Error
	if errors.As(err, &own) {
		f.Detail, f.Action = own.Detail, own.Action
	}
	return f
}

// readHeaders resolves headers.set and headers.set_file.
func readHeaders(p profile.Profile) (http.Header, error) {
	headers := http.Header{}
	for name, value := range p.Headers.Set {
		headers.Set(name, value)
	}
	for name, file := range p.Headers.SetFile {
		value, err := readSecretFile(file)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		headers.Set(name, value)
	}
	return headers, nil
}

// service is one profile, served: an account and a handler on a socket.
type service struct {
	world       *world
	account     *oauth.Account
	store       *tokenstore.Store
	unmount     func()
	unsubscribe func()
}

func (s *service) Check(ctx context.Context) status.Report {
	report := s.account.Check(ctx)
	if report.Code == status.SecretStoreLocked || report.Code == status.SecretStoreAbsent {
		s.world.recheck(ctx, s.store)
	}
	return report
}

// lookAgain finds out whether another process has signed in.
func (w *world) lookAgain(ctx context.Context) {
	w.mu.Lock()
	serving := maps.Clone(w.serving)
	w.mu.Unlock()
	for s := range serving {
		s.account.Check(ctx)
	}
}

// recheck looks at every sign-in again as soon as somebody has unlocked the keyring.
func (w *world) recheck(ctx context.Context, store *tokenstore.Store) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[store] {
		return
	}
	w.waiting[store] = true
	w.background.Go(func() {
		err := store.Wait(ctx)
		w.mu.Lock()
		delete(w.waiting, store)
		serving := maps.Clone(w.serving)
		w.mu.Unlock()
		for s := range serving {
			if err == nil && s.store == store {
				s.account.Check(ctx)
			}
		}
	})
}

// SignIn unlocks the keyring first: what lies in it may make the sign-in needless.
func (s *service) SignIn(ctx context.Context) error {
	if s.store.Ready(ctx) != nil {
		if err := s.store.Unlock(ctx); err != nil {
			return storeError(err)
		}
		if report := s.account.Check(ctx); report.Phase == status.Ready {
			return nil
		}
	}
	return s.account.SignIn(ctx)
}

func (s *service) SignOut(ctx context.Context, revoke bool) error {
	err := s.account.SignOut(ctx, revoke)
	var own *oauth.Error
	if errors.As(err, &own) {
		return &supervisor.Fault{Code: own.Code, Detail: own.Error(), Action: own.Action, Err: err}
	}
	return err
}

func (s *service) Close() {
	s.unsubscribe()
	s.unmount()
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	delete(s.world.serving, s)
}
