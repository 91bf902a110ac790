package clientconfig

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// lockClient takes the lock that a client takes itself when it writes its config.
func lockClient(ctx context.Context, p *Plan) (unlock func(), err error) {
	try := lockProtocols[p.Client.Lock]
	if try == nil {
		return func() {}, nil
	}
	var held []func()
	unlock = func() {
		for _, release := range held {
			release()
		}
	}
	paths := []string{p.File + ".lock"}
	if p.before.real != p.File {
		paths = append(paths, p.before.real+".lock")
	}
	for _, path := range paths {
		release, err := waitForLock(ctx, path, try)
		if err != nil {
			unlock()
			return nil, &Error{Summary: fmt.Sprintf("the config of %s could not be locked: %v; nothing was written", p.Client.Name, err),
				Hint: "try again in a moment; if it stays so, quit the client and delete " + path, Err: err}
		}
		held = append(held, release)
	}
	return unlock, nil
}

func waitForLock(ctx context.Context, path string, try func(string) (func(), error)) (func(), error) {
	for {
		release, err := try(path)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return release, err
		}
		info, statErr := os.Lstat(path)
		switch {
		case statErr == nil && !info.IsDir():
			return nil, fmt.Errorf("%s is a file", path)
		case statErr == nil && time.Since(info.ModTime()) > staleLock && breakLock(path) == nil:
			continue
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s is there: %w", path, ctx.Err())
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// breakLock takes a lock away that was left behind, so that of several who do only one
// succeeds.
func breakLock(path string) error {
	aside := path + ".stale." + rand.Text()
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
	token := fmt.Sprintf("%d.%d.%s", os.Getpid(), time.Now().UnixMilli(), rand.Text())
	owner := "owner." + token
	staging := path + ".tmp." + token
	if err := os.Mkdir(staging, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(staging, owner), []byte(token), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(staging))
	}
	if err := os.Rename(staging, path); err != nil {
		os.RemoveAll(staging)
		if exists(path) {
			return nil, fs.ErrExist
		}
		return nil, err
	}
	return func() {
		os.Remove(filepath.Join(path, owner))
		os.Remove(path)
	}, nil
}
