//go:build darwin || windows

package tokenstore

import (
	"context"
	"errors"

	"github.com/zalando/go-keyring"
)

// osKeyring is the macOS keychain or the Windows Credential Manager.
type osKeyring struct{}

// Open has nothing to do: this OS says that its keyring is locked, or prompts, when
// an item is read.
func (*osKeyring) Open(context.Context) error { return nil }

// Unlock leaves the prompt to the reading of the item, as Open does.
func (*osKeyring) Unlock() error { return nil }

// classify sorts the errors of go-keyring by the code the OS gave.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, keyring.ErrNotFound) {
		return fail(ErrNotFound, "", err)
	}
	if known := codes[code(err)]; known != nil {
		return known
	}
	return fail(ErrAbsent, "it refused", err)
}
