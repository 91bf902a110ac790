package clientconfig

import "errors"

// What an Error can be, for errors.Is.
var (
	ErrUnknownClient = errors.New("unknown client")
	ErrByHand        = errors.New("not written by this app")
	ErrName          = errors.New("unusable name")
	ErrEntry         = errors.New("unusable entry")
	ErrUnreadable    = errors.New("unreadable config")     // and left untouched
	ErrForeign       = errors.New("not our entry")         // and left untouched
	ErrRunning       = errors.New("the client is running") // and would overwrite the file
	ErrChanged       = errors.New("the config changed")    // since the plan was made
	ErrNoUndo        = errors.New("nothing to undo")
)

// Error is what a person is told: what is wrong, where, and what to do next.
type Error struct {
	Summary string
	Hint    string
	Err     error // one of the above, or what the system said
}

func (e *Error) Error() string { return e.Summary }
func (e *Error) Unwrap() error { return e.Err }
