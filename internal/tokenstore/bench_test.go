package tokenstore

import "testing"

func benchStore(b *testing.B) *Store {
	s := mustNew(b, Options{Kind: KindKeyring, Dir: b.TempDir(), Keyring: newFake()})
	mustSave(b, s, "a", canary(2<<10))
	return s
}

// BenchmarkSave answers what a token refresh pays for durability.
func BenchmarkSave(b *testing.B) {
	s, blob := benchStore(b), canary(2<<10)
	for b.Loop() {
		mustSave(b, s, "a", blob)
	}
}

func BenchmarkLoad(b *testing.B) {
	s := benchStore(b)
	for b.Loop() {
		if _, err := s.Load(ctx, "a"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLock(b *testing.B) {
	s := benchStore(b)
	for b.Loop() {
		unlock, err := s.Lock(ctx, "a")
		if err != nil {
			b.Fatal(err)
		}
		unlock()
	}
}

// BenchmarkPassphrase answers what KindFile adds to a start.
func BenchmarkPassphrase(b *testing.B) {
	p := newArgon2p()
	for b.Loop() {
		clear(p.derive("correct horse battery staple"))
	}
}
