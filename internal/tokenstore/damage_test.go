package tokenstore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// F6: killed between naming the key and storing it, or between storing it and the first record.
func TestInterruptedKeyCreation(t *testing.T) {
	dir, fake := t.TempDir(), newFake()
	fake.set = fail(ErrAbsent, "", nil)
	s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	wantErr(t, s.Save(ctx, "a", canary(9)), ErrAbsent)
	named := snapshot(t, dir)["/tokens/store.json"]
	if named == "" {
		t.Fatal("the key has no name on disk")
	}
	fake.set = nil
	mustSave(t, mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}), "a", canary(9))
	if got := snapshot(t, dir)["/tokens/store.json"]; got != named {
		t.Errorf("store.json changed from %s to %s", named, got)
	}
	if err := os.Remove(sealedPath(dir, "a")); err != nil {
		t.Fatal(err)
	}
	value := fake.items[fake.keyItem(t)]
	mustSave(t, mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}), "a", canary(9))
	if fake.items[fake.keyItem(t)] != value {
		t.Error("a second key was made")
	}
}

// A dismissed prompt lets Set return nil with nothing stored.
func TestKeyThatWasNotKept(t *testing.T) {
	dir, fake := t.TempDir(), newFake()
	fake.forget = true
	s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	wantErr(t, s.Save(ctx, "a", canary(9)), ErrLocked)
	if _, err := os.Stat(sealedPath(dir, "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a record was sealed with a key that is not stored")
	}
}

// F18: the user deletes the item.
func TestKeyGone(t *testing.T) {
	dir, fake, blob := t.TempDir(), newFake(), canary(9)
	running := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	mustSave(t, running, "a", blob)
	item := fake.keyItem(t)
	value := fake.items[item]
	for _, broken := range []string{"", "bm90IGEga2V5", "%%%"} {
		t.Run(broken, func(t *testing.T) {
			delete(fake.items, item)
			if broken != "" {
				fake.items[item] = broken
			}
			sets, before := fake.sets, snapshot(t, dir)
			wantBlob(t, running, "a", blob)
			started := func() *Store { return mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}) }
			_, err := started().Load(ctx, "a")
			wantErr(t, err, ErrKeyGone)
			wantErr(t, started().Save(ctx, "b", canary(9)), ErrKeyGone)
			wantErr(t, started().Ready(ctx), ErrKeyGone)
			wantErr(t, started().Unlock(ctx), ErrKeyGone)
			if fake.sets != sets {
				t.Error("a new key was made that orphans the saved sign-ins")
			}
			if after := snapshot(t, dir); fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("files changed: %v, before %v", after, before)
			}
			fake.items[item] = value
			wantBlob(t, started(), "a", blob)
		})
	}
	delete(fake.items, item)
	fresh := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	if err := fresh.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	mustSave(t, fresh, "b", blob) // nothing is left that the old key could open
	wantBlob(t, fresh, "b", blob)
}

// A148, A149, F63: what cannot be read is an error of that account alone, stays as
// it is, and is set aside when its successor is saved.
func TestUnreadableRecords(t *testing.T) {
	read := func(t *testing.T, path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	damage := map[string]func(own, others []byte) []byte{
		"garbage":      func(_, _ []byte) []byte { return []byte("not ours at all, but long enough to be") },
		"empty":        func(_, _ []byte) []byte { return nil },
		"cut":          func(own, _ []byte) []byte { return own[:len(own)-1] },
		"header only":  func(own, _ []byte) []byte { return own[:headerSize] },
		"bit":          func(own, _ []byte) []byte { own[len(own)-20] ^= 1; return own },
		"newer":        func(own, _ []byte) []byte { own[len(magic)] = sealedV1 + 1; return own },
		"version 0":    func(own, _ []byte) []byte { own[len(magic)] = 0; return own },
		"other key":    func(own, _ []byte) []byte { own[headerSize-1] ^= 1; return own },
		"copied over":  func(_, others []byte) []byte { return others },
		"grown":        func(own, _ []byte) []byte { return append(own, make([]byte, 100)...) },
		"grown beyond": func(own, _ []byte) []byte { return append(own, make([]byte, maxBlob+4096)...) },
	}
	for name, f := range damage {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, other := t.TempDir(), canary(9)
			s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: newFake()})
			mustSave(t, s, "a", canary(9))
			mustSave(t, s, "b", other)
			bad := f(read(t, sealedPath(dir, "a")), read(t, sealedPath(dir, "b")))
			if err := os.WriteFile(sealedPath(dir, "a"), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := s.Load(ctx, "a")
			wantErr(t, err, ErrCorrupt)
			wantBlob(t, s, "b", other)
			if !bytes.Equal(read(t, sealedPath(dir, "a")), bad) {
				t.Error("the unreadable file was touched")
			}
			blob := canary(9)
			mustSave(t, s, "a", blob)
			wantBlob(t, s, "a", blob)
			kept, _ := filepath.Glob(filepath.Join(dir, "tokens", fileName("a")+".*"+asideSuffix))
			if len(kept) != 1 || !bytes.Equal(read(t, kept[0]), bad) {
				t.Errorf("the unreadable file was not kept: %v", kept)
			}
		})
	}
}

func TestUnreadableKeyFile(t *testing.T) {
	for name, text := range map[string]string{
		"garbage": "}{", "empty": "", "no version": `{"keys":[]}`, "newer": `{"version":2,"keys":"elsewhere"}`,
		"twice":     `{"version":1,"keys":[{"id":"0011223344556677","kind":"keyring"},{"id":"0011223344556678","kind":"keyring"}]}`,
		"unknown":   `{"version":1,"keys":[{"id":"0011223344556677","kind":"keyring","pin":true}]}`,
		"short id":  `{"version":1,"keys":[{"id":"00","kind":"keyring"}]}`,
		"hungry":    `{"version":1,"keys":[{"id":"0011223344556677","kind":"file","argon2id":{"time":1,"memory":4294967295,"threads":1,"salt":"AAAAAAAAAAAAAAAAAAAAAA=="}}]}`,
		"no params": `{"version":1,"keys":[{"id":"0011223344556677","kind":"file"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir, fake := t.TempDir(), newFake()
			mustSave(t, mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}), "a", canary(9))
			path := filepath.Join(dir, "tokens", "store.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, dir)
			s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
			_, err := s.Load(ctx, "a")
			wantErr(t, err, ErrCorrupt)
			wantErr(t, s.Save(ctx, "a", canary(9)), ErrCorrupt)
			if after := snapshot(t, dir); fmt.Sprint(before) != fmt.Sprint(after) || fake.sets != 1 {
				t.Error("something was changed")
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		dir, fake := t.TempDir(), newFake()
		s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
		mustSave(t, s, "a", canary(9))
		if err := os.Remove(filepath.Join(dir, "tokens", "store.json")); err != nil {
			t.Fatal(err)
		}
		wantErr(t, s.Save(ctx, "b", canary(9)), ErrCorrupt)
		_, err := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}).Load(ctx, "a")
		wantErr(t, err, ErrCorrupt)
	})
}

// The folder goes away, or comes back from a backup, under a running store.
func TestFolderChangesWhileRunning(t *testing.T) {
	dir, fake, old, blob := t.TempDir(), newFake(), canary(9), canary(9)
	tokens, aside := filepath.Join(dir, "tokens"), filepath.Join(dir, "aside")
	s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	mustSave(t, s, "a", old)
	if err := os.Rename(tokens, aside); err != nil {
		t.Fatal(err)
	}
	_, err := s.Load(ctx, "a")
	wantErr(t, err, ErrNotFound)
	mustSave(t, s, "a", blob)
	wantBlob(t, mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}), "a", blob)
	if err := os.RemoveAll(tokens); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, tokens); err != nil {
		t.Fatal(err)
	}
	wantBlob(t, s, "a", old)
	mustSave(t, s, "b", blob)
	wantBlob(t, mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}), "b", blob)
}
