package tokenstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const (
	sealedSuffix = ".sealed"
	asideSuffix  = ".unreadable"
	tempMark     = ".tmp-"

	lockPoll = 10 * time.Millisecond
)

// disk is the state directory: tokens/ with the sealed files and store.json, and
// locks/. Processes that share it are kept apart by locks/store.lock: shared while
// a file is written, exclusive while a key is made or strays are removed.
type disk struct {
	root string

	mu    sync.RWMutex // held while a file is read or replaced
	swept bool         // guarded by mu
}

func (d *disk) tokens() string   { return filepath.Join(d.root, "tokens") }
func (d *disk) locks() string    { return filepath.Join(d.root, "locks") }
func (d *disk) keyFile() string  { return filepath.Join(d.tokens(), "store.json") }
func (d *disk) lockFile() string { return filepath.Join(d.locks(), "store.lock") }

func (d *disk) sealedFile(account string) string {
	return filepath.Join(d.tokens(), fileName(account)+sealedSuffix)
}

// fileName is the same for the same account and says nothing of it.
func fileName(account string) string {
	sum := sha256.Sum256([]byte(account))
	return hex.EncodeToString(sum[:16])
}

// prepare makes the folders and refuses those that somebody else could read.
func (d *disk) prepare() error {
	for _, dir := range []string{d.tokens(), d.locks()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return diskError("cannot make the folder for sign-ins", err)
		}
	}
	if err := checkOwner(d.root); err != nil {
		return err
	}
	for _, dir := range []string{d.tokens(), d.locks()} {
		if err := checkPrivate(dir); err != nil {
			return err
		}
	}
	d.sweep()
	return nil
}

// sweep removes, once, what a killed process left half-written. It waits for nobody:
// a file that is being written right now is no stray.
func (d *disk) sweep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.swept {
		return
	}
	l := flock.New(d.lockFile())
	if ok, err := l.TryLock(); !ok || err != nil {
		return
	}
	defer l.Unlock()
	entries, _ := os.ReadDir(d.tokens())
	for _, e := range entries {
		if strings.Contains(e.Name(), tempMark) {
			_ = os.Remove(filepath.Join(d.tokens(), e.Name()))
		}
	}
	d.swept = true
}

// lockWriters keeps every other writer out, in this process and in others.
func (d *disk) lockWriters(ctx context.Context) (unlock func(), err error) {
	if err := d.prepare(); err != nil {
		return nil, err
	}
	l := flock.New(d.lockFile())
	return release(l), lockError(l.TryLockContext(ctx, lockPoll))
}

// shareWriters keeps out those who need to be alone.
func (d *disk) shareWriters() (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	l := flock.New(d.lockFile())
	return release(l), lockError(l.TryRLockContext(ctx, lockPoll))
}

func release(l *flock.Flock) func() { return func() { _ = l.Unlock() } }

// read returns the sealed file of account, nil when there is none.
func (d *disk) read(account string) ([]byte, error) {
	data, err := readFile(d.sealedFile(account))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, diskError("cannot read the saved sign-in", err)
	}
	return data, nil
}

// readFile never returns nil for a file that is there.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxBlob+1024))
}

// setAside keeps a file that cannot be read out of the way of its successor.
func (d *disk) setAside(account string) error {
	name := d.sealedFile(account)
	aside := strings.TrimSuffix(name, sealedSuffix) + time.Now().UTC().Format(".20060102T150405.000000000") + asideSuffix
	if err := os.Rename(name, aside); err != nil {
		return diskError("cannot set the unreadable sign-in aside", err)
	}
	return nil
}

// delete removes the sealed file of account for good.
func (d *disk) delete(account string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := os.Remove(d.sealedFile(account))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(d.tokens())
	}
	if err != nil {
		return diskError("cannot remove the saved sign-in", err)
	}
	return nil
}

func (d *disk) sealedFiles() ([]string, error) {
	entries, err := os.ReadDir(d.tokens())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, diskError("cannot list the saved sign-ins", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), sealedSuffix) {
			names = append(names, filepath.Join(d.tokens(), e.Name()))
		}
	}
	return names, nil
}

// diskError keeps the path and the text of the operating system.
func diskError(what string, err error) error {
	return fmt.Errorf("%s: %w; make room there and make it writable for you", what, err)
}
