package tokenstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
