// Package tokenstore keeps secrets at rest: one key in the operating system's
// keyring and, beside it, one sealed file an account; or the same files under a
// passphrase; or memory only. It also holds the lock between processes that use
// the same account.
//
// A keyring that is locked, absent or silent is an error of its own kind, never a
// reason to write in the clear, to make a new key or to remove what is saved.
//
// It must not know what a blob means, log a value, or decide when to ask a person.
package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"
)

// Values of Options.Kind.
const (
	KindKeyring = "keyring" // sealed files, their key in the OS keyring
	KindFile    = "file"    // sealed files, their key under a passphrase
	KindMemory  = "memory"  // nothing on disk, nothing survives the process
)

// service is what every item of ours is called in the keyring.
const service = "mcpauth-tray"

// poll is how often Wait looks at a keyring that is not usable.
const poll = 2 * time.Second

// Options say where secrets are kept.
type Options struct {
	Kind string
	// Dir is the state directory: sealed files go to Dir/tokens, locks to
	// Dir/locks. On Unix both are 0700 and refused otherwise; on Windows they
	// inherit the ACL of Dir, so Dir belongs under %LocalAppData%.
	Dir string
	// Passphrase is asked when the key of KindFile is first needed.
	Passphrase func() (string, error)
	// Keyring is the secret store of the OS when nil.
	Keyring Keyring
	// Logger hears when the keyring stops or starts to be usable; nil for nobody.
	Logger *slog.Logger
}

// records is where blobs are kept.
type records interface {
	load(ctx context.Context, account string) ([]byte, error)
	save(ctx context.Context, account string, blob []byte) error
	delete(account string) error
	ready(ctx context.Context) error
}

// Store keeps one blob an account. It is safe for concurrent use.
type Store struct {
	kind    string
	keyring Keyring
	gate    *gate // every reading and writing of the keyring goes through it
	prompt  prompt
	records records
	keeper  *keeper // nil for KindMemory
	locks   *locks
}

// New checks o and returns its Store. It starts nothing and touches neither the
// keyring nor the disk.
func New(o Options) (*Store, error) {
	s := &Store{kind: o.Kind, keyring: o.Keyring}
	if s.keyring == nil {
		s.keyring = &osKeyring{}
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s.gate = newGate(log, patience)
	if o.Kind == KindMemory {
		s.records, s.locks = newMemory(), newLocks(nil)
		return s, nil
	}
	if o.Dir == "" {
		return nil, errors.New("the token store has no folder; name a state directory")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("the token store's folder: %w; name the state directory in full", err)
	}
	d := &disk{root: dir}
	switch o.Kind {
	case KindKeyring:
		s.keeper = &keeper{gate: s.gate, find: (&keyringKey{keyring: s.keyring, disk: d}).find}
	case KindFile:
		s.keeper = &keeper{gate: newGate(log, diligence), find: (&passphraseKey{ask: o.Passphrase, disk: d}).find}
	default:
		return nil, fmt.Errorf("token_store %q is not known; use %s, %s or %s", o.Kind, KindKeyring, KindFile, KindMemory)
	}
	s.records, s.locks = &sealed{disk: d, keeper: s.keeper}, newLocks(d)
	return s, nil
}

// Load returns the blob of account, ErrNotFound when there is none. A record that
// cannot be read is ErrCorrupt and stays as it is.
func (s *Store) Load(ctx context.Context, account string) ([]byte, error) {
	return s.records.load(ctx, account)
}

// Save replaces the blob of account and is durable when it returns nil. After an
// error or a crash the record is the old one or the new one, whole. ctx bounds the
// wait for the keyring only. An unreadable old record is set aside, not overwritten.
func (s *Store) Save(ctx context.Context, account string, blob []byte) error {
	return s.records.save(ctx, account, blob)
}

// Delete removes the record of account, readable or not. It needs no key, and it
// is no error when there is none.
func (s *Store) Delete(_ context.Context, account string) error {
	return s.records.delete(account)
}

// Lock waits until nobody else, in this process or another, holds account, or
// until ctx ends. The lock ends with the process. unlock may be called repeatedly.
func (s *Store) Lock(ctx context.Context, account string) (unlock func(), err error) {
	return s.locks.lock(ctx, account)
}

// TryLock is Lock without waiting: free is false while somebody else holds account.
func (s *Store) TryLock(account string) (unlock func(), free bool, err error) {
	return s.locks.tryLock(account)
}

// Ready returns nil when records can be read and saved, and why not otherwise. It
// never shows a prompt and never makes a key.
func (s *Store) Ready(ctx context.Context) error {
	return s.records.ready(ctx)
}

// Wait returns nil once Ready does, looking every two seconds, or the error of ctx.
// It is how the app goes on by itself after somebody else unlocked the keyring.
func (s *Store) Wait(ctx context.Context) error {
	for {
		if s.Ready(ctx) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(poll):
		}
	}
}

// Unlock is a person's act: it may show the prompt of the OS and waits for the
// answer, two minutes at most. A prompt that is still open then stays; its answer
// counts whenever it comes, and another Unlock goes on waiting for it.
func (s *Store) Unlock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attention)
	defer cancel()
	if s.gate.refused(ErrLocked) || s.kind == KindKeyring && s.keeper.key() == nil {
		if err := s.openKeyring(ctx); err != nil {
			return err
		}
	}
	if s.keeper == nil {
		return nil
	}
	return s.keeper.attend(ctx)
}

func (s *Store) openKeyring(ctx context.Context) error {
	err := s.gate.attend(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return s.keyring.Open(ctx)
	})
	if !errors.Is(err, ErrLocked) {
		return err
	}
	if err := s.prompt.join(ctx, s.keyring.Unlock); err != nil {
		return err
	}
	s.gate.settle(nil)
	return nil
}

// Secret reads an item of the user's own from the keyring, whatever the Kind. name
// is "service/user", parted at the last slash.
func (s *Store) Secret(ctx context.Context, name string) (string, error) {
	i := strings.LastIndexByte(name, '/')
	if i <= 0 || i == len(name)-1 {
		return "", fmt.Errorf("keyring item %q is not of the form service/user; correct the setting", name)
	}
	var value string
	err := s.gate.run(ctx, func(ctx context.Context) (err error) {
		if err = s.keyring.Open(ctx); err == nil {
			value, err = s.keyring.Get(name[:i], name[i+1:])
		}
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return "", &failure{kind: ErrNotFound, detail: fmt.Sprintf("the keyring has no item %q", name), hint: "store it there or correct the setting"}
	}
	if err != nil {
		return "", err // and value left alone: a late answer may still be written to it
	}
	return value, nil
}

// Format keeps blobs and keys out of whatever prints a Store.
func (s *Store) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "tokenstore("+s.kind+")")
}
