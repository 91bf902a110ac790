package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/tokenstore"
)

// maxSecret is the most bytes a secret may have; longer files are something else.
const maxSecret = 64 << 10

// readSecret fetches a secret from the place profiles.yaml names.
func readSecret(ctx context.Context, store *tokenstore.Store, s profile.Secret) (string, error) {
	switch {
	case s.File != "":
		return readSecretFile(s.File)
	case s.Env != "":
		if v := os.Getenv(s.Env); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the environment variable %s is not set; set it and restart the app", s.Env)
	case s.Keyring != "":
		v, err := store.Secret(ctx, s.Keyring)
		return v, storeError(err)
	}
	return s.Value, nil
}

// readSecretFile reads a secret without the white space around it.
func readSecretFile(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("cannot read the secret: %w; create the file or correct its path", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file; name the file that holds the secret", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("cannot read the secret: %w; check the file's permissions", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("cannot read the secret: %w", err)
	}
	secret := strings.TrimSpace(string(data))
	switch {
	case len(data) > maxSecret:
		return "", fmt.Errorf("%s is larger than a secret can be; name the file that holds the secret alone", name)
	case secret == "":
		return "", fmt.Errorf("%s is empty; put the secret into it", name)
	}
	return secret, nil
}

// passphrase opens token_store: file. It is empty where the environment names none.
func passphrase() (string, error) {
	if v := os.Getenv("MCPAUTH_PASSPHRASE"); v != "" {
		return v, nil
	}
	if name := os.Getenv("MCPAUTH_PASSPHRASE_FILE"); name != "" {
		return readSecretFile(name)
	}
	return "", nil
}

// sealed lets oauth keep its records in the token store, and turns the store's
// errors into ones that say what a person should do.
type sealed struct{ *tokenstore.Store }

func (s sealed) Load(ctx context.Context, account string) ([]byte, error) {
	blob, err := s.Store.Load(ctx, account)
	if errors.Is(err, tokenstore.ErrNotFound) {
		return nil, oauth.ErrNoRecord
	}
	return blob, storeError(err)
}

func (s sealed) Save(ctx context.Context, account string, blob []byte) error {
	return storeError(s.Store.Save(ctx, account, blob))
}

func (s sealed) Delete(ctx context.Context, account string) error {
	return storeError(s.Store.Delete(ctx, account))
}

func (s sealed) Lock(ctx context.Context, account string) (func(), error) {
	unlock, err := s.Store.Lock(ctx, account)
	return unlock, storeError(err)
}

func (s sealed) TryLock(account string) (func(), bool, error) {
	unlock, free, err := s.Store.TryLock(account)
	return unlock, free, storeError(err)
}

// storeErrors is the one place where trouble of the token store gets its code and its words.
var storeErrors = []struct {
	is      error
	code    status.Code
	summary string
	action  string
}{
	{tokenstore.ErrLocked, status.SecretStoreLocked, "the keyring is locked", "Unlock keyring"},
	{tokenstore.ErrTimeout, status.SecretStoreLocked, "the keyring does not answer", "Unlock keyring"},
	{tokenstore.ErrAbsent, status.SecretStoreAbsent, "no keyring on this desktop", "Set settings.token_store to file or memory"},
	{tokenstore.ErrKeyGone, status.SecretStoreAbsent, "the key is gone from the keyring", "Restore the keyring, or sign out and in again"},
	{tokenstore.ErrPassphrase, status.SecretStoreAbsent, "wrong or missing passphrase", "Set MCPAUTH_PASSPHRASE and restart the app"},
}

func storeError(err error) error {
	if err == nil {
		return nil
	}
	for _, e := range storeErrors {
		if errors.Is(err, e.is) {
			return &oauth.Error{Code: e.code, Summary: e.summary, Detail: err.Error(), Action: e.action, Err: err}
		}
	}
	return err
}
