package tokenstore

import (
	"context"
	"fmt"
)

// sealed keeps one sealed file an account.
type sealed struct {
	disk   *disk
	keeper *keeper
}

func (s *sealed) load(ctx context.Context, account string) ([]byte, error) {
	key, err := s.key(ctx, false)
	if err != nil {
		return nil, err
	}
	s.disk.mu.RLock()
	defer s.disk.mu.RUnlock()
	file, err := s.disk.read(account)
	switch {
	case err != nil:
		return nil, err
	case file == nil:
		return nil, fail(ErrNotFound, "", nil)
	case key == nil:
		return nil, fail(ErrCorrupt, "it was saved under another token_store", nil)
	}
	return key.open(account, file)
}

func (s *sealed) save(ctx context.Context, account string, blob []byte) error {
	if len(blob) > maxBlob {
		return fmt.Errorf("a sign-in of %d bytes is too big to save; ask the provider for smaller tokens", len(blob))
	}
	key, err := s.key(ctx, true)
	if err != nil {
		return err
	}
	file := key.seal(account, blob)
	unlock, err := s.disk.shareWriters()
	if err != nil {
		return err
	}
	defer unlock()
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	old, err := s.disk.read(account)
	if err != nil {
		return err
	}
	if old != nil {
		if _, err := key.open(account, old); err != nil {
			if err := s.disk.setAside(account); err != nil {
				return err
			}
		}
	}
	if err := write(s.disk.sealedFile(account), file); err != nil {
		return diskError("cannot save the sign-in", err)
	}
	return nil
}

func (s *sealed) delete(account string) error { return s.disk.delete(account) }

func (s *sealed) ready(ctx context.Context) error {
	_, err := s.key(ctx, false)
	return err
}

// key returns the key that store.json names. A folder that was moved away or put
// back from a backup while we run has another one, or none.
func (s *sealed) key(ctx context.Context, create bool) (*sealer, error) {
	if err := s.disk.prepare(); err != nil {
		return nil, err
	}
	if old := s.keeper.key(); old != nil {
		file, err := s.disk.readKeys()
		if err != nil {
			return nil, err
		}
		if !file.has(old.id) {
			s.keeper.forget(old)
		}
	}
	return s.keeper.get(ctx, create)
}
