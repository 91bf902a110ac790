package supervisor

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Verb names what an Action does.
type Verb string

const (
	SignIn  Verb = "sign-in"  // start a sign-in; the Prompt appears in the Snapshot
	Cancel  Verb = "cancel"   // end a sign-in under way
	Page    Verb = "page"     // open the Prompt's page here, for a face that has no desktop
	Claim   Verb = "claim"    // have the Prompt's page to open for oneself; ErrNotNow: another face has
	SignOut Verb = "sign-out" // forget the sign-in, with Revoke also at the provider
	Restart Verb = "restart"  // one profile, or all when Profile is empty
	Pause   Verb = "pause"    // stop serving every profile
	Resume  Verb = "resume"   // serve them again
	Reload  Verb = "reload"   // read profiles.yaml again now
	Quit    Verb = "quit"     // end the app

	// LookAtClients reads the config files of MCP clients again now. It is sent by whoever
	// wrote one, and returns when the Snapshot shows how they stand.
	LookAtClients Verb = "look-at-clients"
	// WriteClients puts Profile, or all profiles that ask for it when Profile is empty, into
	// the config of Client, also what a person took out of it. While the client runs and
	// would overwrite that, it is done once it has quit, with Force at once. An entry that is
	// not ours is never replaced. It returns when the Snapshot shows the outcome.
	WriteClients Verb = "write-clients"
)

// Action is something a person asks of the engine. It is plain data, so that a
// menu item, a command line and a socket can carry it.
type Action struct {
	Verb    Verb   `json:"verb"`
	Profile string `json:"profile,omitempty"`
	Revoke  bool   `json:"revoke,omitempty"`
	Client  string `json:"client,omitempty"` // the id of an MCP client
	Force   bool   `json:"force,omitempty"`
}

func (a Action) String() string {
	s := string(a.Verb)
	for _, about := range []string{a.Client, a.Profile} {
		if about != "" {
			s += " " + about
		}
	}
	return s
}

// Engine is what every face needs: the state, and a way to ask for something.
type Engine interface {
	// Watch yields the newest Snapshot at once and again after each change, until ctx ends.
	Watch(ctx context.Context) iter.Seq[*status.Snapshot]
	// Do carries an Action out and returns when it is accepted, not when its effect is
	// complete: a sign-in goes on in the Snapshot. SignOut, Restart, Reload and those about
	// clients return when done.
	Do(ctx context.Context, a Action) error
}

// Errors of Do. Test with errors.Is.
var (
	ErrUnknownVerb    = errors.New("unknown action")
	ErrUnknownProfile = errors.New("no such profile")
	ErrNotNow         = errors.New("not possible now")
	ErrInvalidConfig  = errors.New("profiles.yaml is invalid")
	ErrStopped        = errors.New("the app is shutting down")
)

func notNow(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrNotNow}, args...)...)
}
