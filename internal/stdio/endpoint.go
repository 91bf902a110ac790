package stdio

import (
	"context"
	"iter"
)

// State says what can be done with an Endpoint.
type State int

const (
	// Settling: it will be known in a moment.
	Settling State = iota
	// Ready: the server answers at URL.
	Ready
	// Shaky: a session that is under way goes on, a new one had better wait for Ready.
	Shaky
	// SignedOut: only a person can go on.
	SignedOut
	// Absent: the app does not run.
	Absent
	// Unknown: the app has no such profile.
	Unknown

	// down: the app is ready, its server is not, and is tried again. Only the bridge
	// itself finds that out.
	down
)

// Endpoint is where the server of a bridge is at one moment, and what is wrong with it.
type Endpoint struct {
	State State
	URL   string // of the listener; needed with Ready and Shaky

	// With a State other than Ready: a sentence for a person, what to do next, and the
	// JSON-RPC error for a request that cannot be answered.
	Says   string
	Action string
	Code   int
	Reason string // stable name of the error, for programs

	// Helps is what the sign-in tool does about it, a sentence; empty: it starts the sign-in,
	// for which a page opens.
	Helps string
}

// Upstream is the app, as a bridge sees it.
type Upstream interface {
	// Watch yields the Endpoint at once and again after each change, until ctx ends.
	Watch(ctx context.Context) iter.Seq[Endpoint]
	// SignIn starts a sign-in that a client asked for. It returns what to tell the
	// person: that it is done, or how to go on with it. ctx ends with the client's wish.
	SignIn(ctx context.Context) (says string, done bool, err error)
}
