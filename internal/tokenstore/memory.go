package tokenstore

import (
	"bytes"
	"context"
	"sync"
)

// memory keeps blobs until the process ends.
type memory struct {
	mu    sync.Mutex
	blobs map[string][]byte // account → blob
}

func newMemory() *memory { return &memory{blobs: map[string][]byte{}} }

func (m *memory) load(_ context.Context, account string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	blob, ok := m.blobs[account]
	if !ok {
		return nil, fail(ErrNotFound, "", nil)
	}
	return bytes.Clone(blob), nil
}

func (m *memory) save(_ context.Context, account string, blob []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.blobs[account])
	m.blobs[account] = append([]byte{}, blob...)
	return nil
}

func (m *memory) delete(account string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.blobs[account])
	delete(m.blobs, account)
	return nil
}

func (m *memory) ready(context.Context) error { return nil }
