package clientconfig

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A lock of a client's own is a folder beside its file. A file of that name must never
// be made: some clients then cannot lock any more.

// staleLock is the age at which a folder counts as left behind. Holders renew it, or
// are done, in less.
const staleLock = 30 * time.Second

// lockProtocols are how clients lock their config.
var lockProtocols = map[string]func(path string) (unlock func(), err error){
	"directory":       lockDirectory,
	"owned directory": lockOwnedDirectory,
}

// lockClient takes the lock that a client takes itself when it writes its config. Where
// the folder of the config is missing the client has none to write. unlock may be called
// twice.
func lockClient(ctx context.Context, p *Plan) (unlock func(), err error) {
	var held []func()
	unlock = func() {
		for _, release := range held {
			release()
		}
		held = nil
	}
	try := lockProtocols[p.Client.Lock]
	if try == nil {
		return unlock, nil
	}
	for _, path := range lockPaths(p) {
		release, err := waitForLock(ctx, path, try)
		if err != nil {
			unlock()
			return nil, notLocked(p, path, err)
		}
		held = append(held, release)
	}
	return unlock, nil
}

// errNoFolder is a lock that nobody can take.
var errNoFolder = errors.New("a file is in the place of the lock")

func notLocked(p *Plan, path string, err error) error {
	what, hint := err.Error(), "see that the folder can be written and the disk is not full"
	switch {
	case errors.Is(err, errNoFolder):
		hint = "delete " + path + ", which keeps " + p.Client.Name + " from saving its settings, too"
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		what, hint = path+" is there", "try again in a moment; if it stays so, quit "+p.Client.Name+" and delete that folder"
	}
	return &Error{Summary: fmt.Sprintf("the config of %s could not be locked, so nothing was written: %s", p.Client.Name, what), Hint: hint, Err: err}
}

// lockPaths are the locks of a config: beside the name that the client knows, and, where
// that is a link, beside the file that it leads to.
func lockPaths(p *Plan) []string {
	var paths []string
	for _, file := range []string{p.File, p.before.real} {
		dir, err := filepath.EvalSymlinks(filepath.Dir(file))
		path := filepath.Join(dir, filepath.Base(file)+".lock")
		if err == nil && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

func waitForLock(ctx context.Context, path string, try func(string) (func(), error)) (func(), error) {
	sweepLocks(path)
	for {
		release, err := try(path)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return release, err
		}
		info, statErr := os.Lstat(path)
		switch {
		case statErr == nil && !info.IsDir():
			return nil, fmt.Errorf("%w: %s", errNoFolder, path)
		case statErr == nil && time.Since(info.ModTime()) > staleLock && breakLock(path) == nil:
			continue
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// ourToken is in the names of what we make on the way to a lock.
const ourToken = "mcpauth-tray-"

// sweepLocks removes what was left on the way to a lock or from it, if it is old.
func sweepLocks(path string) {
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, entry := range entries {
		after, ok := strings.CutPrefix(entry.Name(), filepath.Base(path)+".")
		if !ok || !strings.Contains(after, ourToken) {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > staleLock {
			os.RemoveAll(filepath.Join(filepath.Dir(path), entry.Name()))
		}
	}
}

// breakLock takes a lock away that was left behind, so that of several who do only one
// succeeds.
func breakLock(path string) error {
	aside := path + ".stale." + ourToken + rand.Text()
	if err := os.Rename(path, aside); err != nil {
		return err
	}
	return os.RemoveAll(aside)
}

// lockDirectory is the protocol of the npm package proper-lockfile: who makes the folder
// has the lock.
func lockDirectory(path string) (unlock func(), err error) {
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, err
	}
	return func() { os.Remove(path) }, nil
}

// lockOwnedDirectory is Cline's: the folder gets its name when it has a file in it that
// names the owner.
func lockOwnedDirectory(path string) (unlock func(), err error) {
	token := fmt.Sprintf("%d.%d.%s%s", os.Getpid(), time.Now().UnixMilli(), ourToken, rand.Text())
	owner := "owner." + token
	staging := path + ".tmp." + token
	if err := os.Mkdir(staging, 0o700); err != nil {
		return nil, err
	}
	err = os.WriteFile(filepath.Join(staging, owner), []byte(token), 0o600)
	if err == nil {
		err = os.Rename(staging, path)
	}
	if err != nil {
		os.RemoveAll(staging)
		if !errors.Is(err, fs.ErrExist) && exists(path) { // as Windows says it
			err = fs.ErrExist
		}
		return nil, err
	}
	return func() {
		os.Remove(filepath.Join(path, owner))
		os.Remove(path)
	}, nil
}
