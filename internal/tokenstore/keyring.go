package tokenstore

import (
	"context"
	"fmt"

	"github.com/zalando/go-keyring"
)

// Keyring is a secret store of the operating system, as far as it is needed here.
// Its errors are ErrNotFound, ErrLocked, ErrAbsent and ErrTimeout.
type Keyring interface {
	// Open returns nil when items can be read and written without asking a person.
	Open(ctx context.Context) error
	// Unlock shows the OS's prompt if there is something to ask. It returns when the
	// prompt was answered, however long that takes.
	Unlock() error
	// Get and Set may block for as long as the OS likes. They are called one at a time.
	Get(service, user string) (string, error)
	Set(service, user, value string) error
}

// Open, Unlock and classify differ from OS to OS.

func (*osKeyring) Get(service, user string) (value string, err error) {
	defer survive(&err)
	value, err = keyring.Get(service, user)
	return value, classify(err)
}

func (*osKeyring) Set(service, user, value string) (err error) {
	defer survive(&err)
	return classify(keyring.Set(service, user, value))
}

// survive turns a panic into an error: go-keyring asserts the types of what the
// daemon answers, and reads a signal that is nil once the bus is gone.
func survive(err *error) {
	if r := recover(); r != nil {
		*err = fail(ErrAbsent, "it gave an answer that makes no sense", fmt.Errorf("go-keyring: %v", r))
	}
}
