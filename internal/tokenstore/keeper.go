package tokenstore

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"sync"
)

// keeper has the sealing key from the moment somebody needs it. The key is read once
// and stays for as long as the files on disk are sealed with it.
type keeper struct {
	gate *gate
	// find reads the key. There may be none yet: then it makes one, or returns nil.
	find func(ctx context.Context, create bool) (*sealer, error)

	mu   sync.Mutex
	have *sealer
}

// key returns the key if it was read already.
func (k *keeper) key() *sealer {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.have
}

// forget drops a key that is no longer the one on disk.
func (k *keeper) forget(old *sealer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.have == old {
		k.have = nil
	}
}

// get returns the key, nil when there is none yet and none is to be made.
func (k *keeper) get(ctx context.Context, create bool) (*sealer, error) {
	for { // again only when it was forgotten in between
		if key := k.key(); key != nil {
			return key, nil
		}
		if err := k.gate.run(ctx, k.read(create)); err != nil {
			return nil, err
		}
		if !create {
			return k.key(), nil
		}
	}
}

// attend reads the key for a person who may be asked for something.
func (k *keeper) attend(ctx context.Context) error {
	if k.key() != nil {
		return nil
	}
	return k.gate.attend(ctx, k.read(false))
}

// read also serves the callers that come after one whose wait was too short.
func (k *keeper) read(create bool) func(context.Context) error {
	return func(ctx context.Context) error {
		if k.key() != nil {
			return nil
		}
		key, err := k.find(ctx, create)
		if err != nil {
			return err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.have = key
		return nil
	}
}

// keyringKey is the key that lives in an item of the keyring.
type keyringKey struct {
	keyring Keyring
	disk    *disk
}

func (k *keyringKey) find(ctx context.Context, create bool) (*sealer, error) {
	if err := k.keyring.Open(ctx); err != nil {
		return nil, err
	}
	file, err := k.disk.readKeys()
	if err != nil {
		return nil, err
	}
	if entry := file.entry(KindKeyring); entry != nil {
		key, err := k.lookup(entry.ID)
		if key != nil || err != nil {
			return key, err
		}
	}
	if !create {
		return nil, nil
	}
	return k.create(ctx)
}

// create names the key on disk before it makes it, so that whatever happens in
// between there is never a second one.
func (k *keyringKey) create(ctx context.Context) (*sealer, error) {
	unlock, err := k.disk.lockWriters(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	entry, err := k.disk.addKey(KindKeyring, func(*keyEntry) {})
	if err != nil {
		return nil, err
	}
	if key, err := k.lookup(entry.ID); key != nil || err != nil {
		return key, err // another process was first
	}
	raw := make([]byte, keySize)
	defer clear(raw)
	rand.Read(raw)
	if err := k.keyring.Set(service, itemName(entry.ID), base64.StdEncoding.EncodeToString(raw)); err != nil {
		return nil, err
	}
	// A keyring whose prompt was dismissed says that it stored the item.
	key, err := k.lookup(entry.ID)
	if key == nil && err == nil {
		return nil, fail(ErrLocked, "it did not keep the key", nil)
	}
	return key, err
}

// lookup returns nil when the item is missing and nothing was sealed with it.
func (k *keyringKey) lookup(id keyID) (*sealer, error) {
	text, err := k.keyring.Get(service, itemName(id))
	if errors.Is(err, ErrNotFound) {
		used, err := k.disk.sealedWith(id)
		if used {
			return nil, fail(ErrKeyGone, "item "+service+"/"+itemName(id), err)
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	defer clear(raw)
	if err != nil || len(raw) != keySize {
		return nil, fail(ErrKeyGone, "item "+service+"/"+itemName(id)+" holds something else", nil)
	}
	return newSealer(id, raw), nil
}

// itemName is the user of the keyring item; the id in it keeps several state
// directories apart.
func itemName(id keyID) string { return "storage-key-" + id.String() }
