package tokenstore

import (
	"context"
	"crypto/rand"
	"errors"

	"golang.org/x/crypto/argon2"
)

// argon2p are parameters of Argon2id (RFC 9106).
type argon2p struct {
	Time    uint32 `json:"time"`
	Memory  uint32 `json:"memory"` // KiB
	Threads uint8  `json:"threads"`
	Salt    []byte `json:"salt"`
}

// newArgon2p is the second recommended option of RFC 9106 section 4.
func newArgon2p() *argon2p {
	p := &argon2p{Time: 3, Memory: 64 << 10, Threads: 4, Salt: make([]byte, 16)}
	rand.Read(p.Salt)
	return p
}

// check refuses parameters that are too weak to be ours or would eat the machine.
func (p *argon2p) check() error {
	if p == nil || p.Time < 1 || p.Time > 64 || p.Memory < 8<<10 || p.Memory > 1<<20 ||
		p.Threads < 1 || p.Threads > 64 || len(p.Salt) < 16 || len(p.Salt) > 64 {
		return errors.New("its argon2id parameters are missing or out of range")
	}
	return nil
}

func (p *argon2p) derive(passphrase string) []byte {
	return argon2.IDKey([]byte(passphrase), p.Salt, p.Time, p.Memory, p.Threads, keySize)
}

// wrapping is the account under which a key is sealed by its passphrase; no
// account's own name contains a zero byte.
const wrapping = "key\x00"

// passphraseKey is the key that lies in store.json, wrapped.
type passphraseKey struct {
	ask  func() (string, error)
	disk *disk
}

func (k *passphraseKey) find(ctx context.Context, create bool) (*sealer, error) {
	passphrase, err := k.passphrase()
	if err != nil {
		return nil, err
	}
	file, err := k.disk.readKeys()
	if err != nil {
		return nil, err
	}
	if entry := file.entry(KindFile); entry != nil {
		return unwrap(entry, passphrase)
	}
	if !create {
		return nil, nil
	}
	unlock, err := k.disk.lockWriters(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var made *sealer
	entry, err := k.disk.addKey(KindFile, func(e *keyEntry) { made = wrap(e, passphrase) })
	if err != nil {
		return nil, err
	}
	if made != nil {
		return made, nil
	}
	return unwrap(entry, passphrase) // another process was first
}

func (k *passphraseKey) passphrase() (string, error) {
	missing := &failure{kind: ErrPassphrase, detail: "there is none", hint: "set MCPAUTH_PASSPHRASE or MCPAUTH_PASSPHRASE_FILE"}
	if k.ask == nil {
		return "", missing
	}
	passphrase, err := k.ask()
	if err != nil {
		return "", fail(ErrPassphrase, err.Error(), err)
	}
	if passphrase == "" {
		return "", missing
	}
	return passphrase, nil
}

// wrap makes a random key and seals it with one derived from passphrase.
func wrap(e *keyEntry, passphrase string) *sealer {
	raw := make([]byte, keySize)
	defer clear(raw)
	rand.Read(raw)
	e.Derive = newArgon2p()
	outer := e.Derive.derive(passphrase)
	defer clear(outer)
	e.Wrapped = newSealer(e.ID, outer).seal(wrapping, raw)
	return newSealer(e.ID, raw)
}

func unwrap(e *keyEntry, passphrase string) (*sealer, error) {
	outer := e.Derive.derive(passphrase)
	defer clear(outer)
	raw, err := newSealer(e.ID, outer).open(wrapping, e.Wrapped)
	defer clear(raw)
	if err != nil || len(raw) != keySize {
		return nil, fail(ErrPassphrase, "it is wrong, or store.json is damaged", nil)
	}
	return newSealer(e.ID, raw), nil
}
