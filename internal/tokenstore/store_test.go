package tokenstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

var ctx = context.Background()

// kinds are the ways to open the same store again.
func kinds(t *testing.T) map[string]func() *Store {
	fake, dir, fileDir := newFake(), t.TempDir(), t.TempDir()
	memory := mustNew(t, Options{Kind: KindMemory})
	return map[string]func() *Store{
		KindKeyring: func() *Store { return mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}) },
		KindFile: func() *Store {
			return mustNew(t, Options{Kind: KindFile, Dir: fileDir, Passphrase: phrase("correct horse")})
		},
		KindMemory: func() *Store { return memory },
	}
}

func TestRoundTrip(t *testing.T) {
	for kind, open := range kinds(t) {
		t.Run(kind, func(t *testing.T) {
			s := open()
			_, err := s.Load(ctx, "nobody")
			wantErr(t, err, ErrNotFound)
			blobs := map[string][]byte{"a": canary(20), "b": canary(24 << 10), "c": {}, "": canary(1), "ä\x00/..": canary(3)}
			for account, blob := range blobs {
				mustSave(t, s, account, canary(100))
				mustSave(t, s, account, blob)
			}
			again := open()
			for account, blob := range blobs {
				wantBlob(t, s, account, blob)
				wantBlob(t, again, account, blob)
			}
			for range 2 {
				if err := again.Delete(ctx, "a"); err != nil {
					t.Fatal(err)
				}
			}
			_, err = s.Load(ctx, "a")
			wantErr(t, err, ErrNotFound)
			wantBlob(t, s, "b", blobs["b"])
			if err := s.Ready(ctx); err != nil {
				t.Error(err)
			}
			if err := s.Unlock(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// The caller's slice is its own again after Save, and Load's after Load.
func TestBlobsAreCopied(t *testing.T) {
	for kind, open := range kinds(t) {
		t.Run(kind, func(t *testing.T) {
			s, blob := open(), canary(30)
			want := bytes.Clone(blob)
			mustSave(t, s, "a", blob)
			clear(blob)
			got, err := s.Load(ctx, "a")
			if err != nil {
				t.Fatal(err)
			}
			clear(got)
			wantBlob(t, s, "a", want)
		})
	}
}

func TestNewTouchesNothing(t *testing.T) {
	dir, fake := filepath.Join(t.TempDir(), "state"), newFake()
	mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("New made a folder")
	}
	if fake.opens+fake.gets+fake.sets != 0 {
		t.Error("New called the keyring")
	}
	for _, o := range []Options{{Kind: "plain", Dir: dir}, {Dir: dir}, {Kind: KindKeyring}, {Kind: KindFile}} {
		if _, err := New(o); err == nil {
			t.Errorf("New(%+v) is accepted", o)
		} else {
			wantHint(t, err)
		}
	}
}

// One key, made at the first Save and read once a process, whatever happens after.
func TestKeyringIsTouchedOnce(t *testing.T) {
	dir, fake := t.TempDir(), newFake()
	s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	_, err := s.Load(ctx, "a")
	wantErr(t, err, ErrNotFound)
	if fake.sets != 0 {
		t.Error("a key was made before anything was saved")
	}
	for range 5 {
		mustSave(t, s, "a", canary(9))
	}
	if fake.sets != 1 {
		t.Errorf("the keyring was written %d times, want 1", fake.sets)
	}
	again := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	fake.gets, fake.opens = 0, 0
	for range 5 {
		mustSave(t, again, "b", canary(9))
		if _, err := again.Load(ctx, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if fake.gets != 1 || fake.opens != 1 || fake.sets != 1 {
		t.Errorf("after a restart: %d opens, %d gets, %d sets in all; want 1, 1, 1", fake.opens, fake.gets, fake.sets)
	}
	fake.open = fail(ErrLocked, "", nil)
	mustSave(t, again, "c", canary(9)) // a keyring that locks again is not missed
}

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

func TestPassphrase(t *testing.T) {
	dir, blob := t.TempDir(), canary(9)
	open := func(ask func() (string, error)) *Store {
		return mustNew(t, Options{Kind: KindFile, Dir: dir, Passphrase: ask})
	}
	for name, ask := range map[string]func() (string, error){
		"nobody to ask": nil, "empty": phrase(""),
		"unreadable": func() (string, error) { return "", errors.New("open secret.txt: permission denied") },
	} {
		t.Run(name, func(t *testing.T) {
			wantErr(t, open(ask).Save(ctx, "a", blob), ErrPassphrase)
			wantErr(t, open(ask).Ready(ctx), ErrPassphrase)
			if _, err := os.Stat(filepath.Join(dir, "tokens", "store.json")); err == nil {
				t.Error("a key was made without a passphrase")
			}
		})
	}
	mustSave(t, open(phrase("right")), "a", blob)
	before := snapshot(t, dir)
	wrong := open(phrase("canary-wrong"))
	_, err := wrong.Load(ctx, "a")
	wantErr(t, err, ErrPassphrase)
	err = open(phrase("canary-wrong")).Save(ctx, "b", blob)
	wantErr(t, err, ErrPassphrase)
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("the error tells the passphrase: %v", err)
	}
	if fmt.Sprint(before) != fmt.Sprint(snapshot(t, dir)) {
		t.Error("a wrong passphrase changed files")
	}
	wantBlob(t, open(phrase("right")), "a", blob)
}

// A person who corrects the passphrase does not wait for the next try.
func TestUnlockReadsThePassphraseAgain(t *testing.T) {
	dir, blob, now := t.TempDir(), canary(9), "right"
	mustSave(t, mustNew(t, Options{Kind: KindFile, Dir: dir, Passphrase: phrase(now)}), "a", blob)
	now = "wrong"
	s := mustNew(t, Options{Kind: KindFile, Dir: dir, Passphrase: func() (string, error) { return now, nil }})
	_, err := s.Load(ctx, "a")
	wantErr(t, err, ErrPassphrase)
	now = "right"
	if err := s.Unlock(ctx); err != nil {
		t.Fatal(err)
	}
	wantBlob(t, s, "a", blob)
}

// The other kind's records are neither readable nor lost.
func TestKindChanged(t *testing.T) {
	dir, fake, blob := t.TempDir(), newFake(), canary(9)
	inKeyring := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	mustSave(t, inKeyring, "a", blob)
	mustSave(t, inKeyring, "b", blob)
	inFile := mustNew(t, Options{Kind: KindFile, Dir: dir, Passphrase: phrase("p")})
	_, err := inFile.Load(ctx, "a")
	wantErr(t, err, ErrCorrupt)
	mustSave(t, inFile, "a", canary(9))
	_, err = inFile.Load(ctx, "b")
	wantErr(t, err, ErrCorrupt)
	wantBlob(t, mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}), "b", blob)
}

func TestSecret(t *testing.T) {
	fake := newFake()
	fake.items["svc/user"], fake.items["https://x.example/y/user"], fake.items["locked/user"] = "one", "two", "three"
	s := mustNew(t, Options{Kind: KindMemory, Keyring: fake})
	for name, want := range map[string]string{"svc/user": "one", "https://x.example/y/user": "two"} {
		if got, err := s.Secret(ctx, name); err != nil || got != want {
			t.Errorf("Secret(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", "user", "/user", "svc/"} {
		_, err := s.Secret(ctx, name)
		if err == nil || errors.Is(err, ErrNotFound) {
			t.Fatalf("Secret(%q): %v", name, err)
		}
		wantHint(t, err)
	}
	_, err := s.Secret(ctx, "svc/nobody")
	wantErr(t, err, ErrNotFound)
	fake.open = fail(ErrLocked, "", nil)
	_, err = s.Secret(ctx, "locked/user")
	wantErr(t, err, ErrLocked)
	if fake.asked != 0 {
		t.Error("a prompt was shown")
	}
	if err := s.Unlock(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Secret(ctx, "locked/user"); err != nil || got != "three" || fake.asked != 1 {
		t.Errorf("after Unlock: %q, %v, asked %d times", got, err, fake.asked)
	}
}

// Where the secrets are not: on disk in the clear, in errors, in logs, in print.
func TestCanary(t *testing.T) {
	dir, fake, log := t.TempDir(), newFake(), new(record)
	blob := canary(40)
	s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake, Logger: log.logger()})
	mustSave(t, s, "a", blob)
	file := mustNew(t, Options{Kind: KindFile, Dir: t.TempDir(), Passphrase: phrase("canary-phrase"), Logger: log.logger()})
	mustSave(t, file, "a", blob)
	memory := mustNew(t, Options{Kind: KindMemory, Logger: log.logger()})
	mustSave(t, memory, "a", blob)
	key := fake.items[fake.keyItem(t)]
	var seen strings.Builder
	for _, s := range []*Store{s, file, memory} {
		fmt.Fprintf(&seen, "%v %+v %#v %s %q", s, s, s, s, s)
		log.logger().Info("printed", "store", s)
		if s.keeper != nil {
			fmt.Fprintf(&seen, "%v %+v %#v %x", s.keeper.key(), s.keeper.key(), s.keeper.key(), s.keeper.key())
		}
	}
	seen.WriteString(log.String())
	for _, d := range []string{dir, file.locks.disk.root} {
		for name, data := range snapshot(t, d) {
			seen.WriteString(name + data)
		}
	}
	for _, secret := range []string{string(blob), key, "canary"} {
		if strings.Contains(seen.String(), secret) {
			t.Errorf("%q can be seen", secret)
		}
	}
}

func TestMemoryLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := mustNew(t, Options{Kind: KindMemory, Dir: dir})
	mustSave(t, s, "a", canary(9))
	unlock, err := s.Lock(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if files := snapshot(t, dir); len(files) != 0 {
		t.Errorf("files: %v", files)
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing of an ACL")
	}
	dir := filepath.Join(t.TempDir(), "state")
	s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: newFake()})
	mustSave(t, s, "a", canary(9))
	unlock, err := s.Lock(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"tokens", "locks"} {
		for _, mode := range []fs.FileMode{0o750, 0o701, 0o777} {
			if err := os.Chmod(filepath.Join(dir, sub), mode); err != nil {
				t.Fatal(err)
			}
			err := s.Save(ctx, "a", canary(9))
			if err == nil || !strings.Contains(err.Error(), "chmod 700") {
				t.Errorf("%s with mode %v: %v", sub, mode, err)
			}
		}
		if err := os.Chmod(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(ctx); err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("a state folder anybody can change: %v", err)
	}
}

func TestStrayTempsAreRemoved(t *testing.T) {
	dir, fake, blob := t.TempDir(), newFake(), canary(9)
	mustSave(t, mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake}), "a", blob)
	stray, err := writeTemp(sealedPath(dir, "a"), []byte("half"))
	if err != nil {
		t.Fatal(err)
	}
	s := mustNew(t, Options{Kind: KindKeyring, Dir: dir, Keyring: fake})
	unlock, err := s.locks.disk.shareWriters() // another process is writing
	if err != nil {
		t.Fatal(err)
	}
	wantBlob(t, s, "a", blob)
	if _, err := os.Stat(stray); err != nil {
		t.Error("a file was removed while somebody was writing")
	}
	unlock()
	wantBlob(t, s, "a", blob)
	if _, err := os.Stat(stray); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the stray file is still there")
	}
}

func TestTooBig(t *testing.T) {
	s := mustNew(t, Options{Kind: KindKeyring, Dir: t.TempDir(), Keyring: newFake()})
	mustSave(t, s, "a", make([]byte, maxBlob))
	wantBlob(t, s, "a", make([]byte, maxBlob))
	err := s.Save(ctx, "a", make([]byte, maxBlob+1))
	if err == nil {
		t.Fatal("saved")
	}
	wantHint(t, err)
}

// Every kind of failure has a hint of its own.
func TestHints(t *testing.T) {
	for _, kind := range []error{ErrNotFound, ErrLocked, ErrAbsent, ErrTimeout, ErrCorrupt, ErrPassphrase, ErrKeyGone} {
		wantErr(t, fail(kind, "detail", errors.New("cause")), kind)
	}
	wantErr(t, errDeclined, ErrLocked)
	wantErr(t, abandoned(context.Canceled), context.Canceled)
}
