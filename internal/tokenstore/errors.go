package tokenstore

import (
	"cmp"
	"errors"
	"fmt"
)

// What can be wrong with a store, to be told apart with errors.Is. The error that
// wraps one of them says more and ends in what to do next.
var (
	ErrNotFound   = errors.New("nothing is saved")
	ErrLocked     = errors.New("the keyring is locked")
	ErrAbsent     = errors.New("there is no usable keyring")
	ErrTimeout    = errors.New("the keyring does not answer")
	ErrCorrupt    = errors.New("the saved sign-in cannot be read")
	ErrPassphrase = errors.New("the passphrase does not open the saved sign-ins")
	// ErrKeyGone means that records are there and their key is not. No new key is
	// made while that is so: it would orphan them.
	ErrKeyGone = errors.New("the key for the saved sign-ins is gone from the keyring")
)

// errDeclined is a person's no to a prompt. It is an ErrLocked that is not tried
// again for a while, because trying shows the prompt again.
var errDeclined = &failure{kind: ErrLocked, detail: "its prompt was dismissed"}

var hints = map[error]string{
	ErrNotFound:   "sign in",
	ErrLocked:     "unlock it, or sign in to be asked for its password",
	ErrAbsent:     "start one (GNOME Keyring, KWallet, KeePassXC), or set token_store to file or memory",
	ErrTimeout:    "look for an open password prompt, or restart the keyring",
	ErrCorrupt:    "sign in again; the unreadable file is kept",
	ErrPassphrase: "set MCPAUTH_PASSPHRASE or MCPAUTH_PASSPHRASE_FILE to the passphrase the sign-ins were saved with",
	ErrKeyGone:    "put the keyring item back, or move the tokens folder away and sign in again",
}

// failure is one of the errors above with its circumstances.
type failure struct {
	kind   error
	detail string
	cause  error  // not shown: it may be another program's text
	hint   string // what to do next; empty for that of the kind
}

func fail(kind error, detail string, cause error) error {
	return &failure{kind: kind, detail: detail, cause: cause}
}

func (f *failure) Error() string {
	text := f.kind.Error()
	if f.detail != "" {
		text += ": " + f.detail
	}
	return text + "; " + cmp.Or(f.hint, hints[f.kind])
}

func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.kind}
	}
	return []error{f.kind, f.cause}
}

// abandoned is the answer for a caller that went away: nothing is wrong.
func abandoned(err error) error {
	return fmt.Errorf("the keyring was not waited for: %w; try again", err)
}
