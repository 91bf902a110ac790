package supervisor

import (
	"context"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Effects is everything the supervisor can do to the world. It is filled in once,
// where the program is wired together. Configure, Listen, ClientURL and Socket.Serve are
// called on the supervisor's own goroutine and must not wait for anything.
type Effects struct {
	// Configure puts new settings in force before profiles are served under them.
	Configure func(profile.Settings) error
	// Listen opens the local socket of a profile. A busy port is an error, never another port.
	Listen func(profile.Profile) (Socket, error)
	// OpenURL opens the browser for a profile's sign-in that a request started (start:
	// on_request), or that a face without a desktop shows. Of a request's its error ends the
	// sign-in, and is what SignIn's context says of why.
	OpenURL func(profile, url string) error
	// ClientURL is where clients reach a profile at every start, empty when that is another
	// place each time. It is not settled while no port was chosen yet.
	ClientURL func(profile.Profile) (url string, settled bool)
	// WriteClients makes the config files of MCP clients what they should be, and says how
	// they stand. It may take long; one call runs at a time. nil: they are not kept.
	WriteClients func(ctx context.Context, t ClientTask) ClientOutcome
	// Reload reads profiles.yaml now and hands it to Apply or Reject before it returns.
	Reload func(ctx context.Context) error
	// Quit ends the program.
	Quit func()
}

// ClientTask is one look at the config files of MCP clients.
type ClientTask struct {
	Wishes   []Wish   // all profiles; entries of others are to go
	Requests []Action // LookAtClients and WriteClients, of this moment
}

// Wish is a profile as the config files of clients should have it.
type Wish struct {
	Profile string
	URL     string   // see ClientURL
	Clients []string // that profiles.yaml asks for
	Idle    bool     // disabled, or without a port yet: what is there stays, nothing is added
}

// ClientOutcome is what came of a ClientTask.
type ClientOutcome struct {
	Clients []status.Client
	Again   time.Duration // when to look again although nothing changed; zero: not at all
	Answers []error       // to the Requests, in their order
}

// Socket is an open local address. It outlives the profile served on it.
type Socket interface {
	// Addr is the bound host:port.
	Addr() string
	// Serve builds p's service and puts it in place of the present one, which
	// goes on for requests in flight. After an error nothing is replaced.
	Serve(p profile.Profile, h Hooks) (Service, error)
	// Close gives the address up at once and waits, elsewhere, for requests in flight.
	Close()
}

// Service is one profile being served.
type Service interface {
	// Check brings the sign-in up to date without a person. It may take long.
	Check(ctx context.Context) status.Report
	// SignIn runs a sign-in to its end; its progress comes as Reports.
	SignIn(ctx context.Context) error
	// SignOut forgets the sign-in, with revoke also at the provider.
	SignOut(ctx context.Context, revoke bool) error
	// Close takes no new requests. Those in flight go on.
	Close()
}

// Hooks are how a Service tells the supervisor what happens. They may be called from
// any goroutine, also while Serve runs, and never wait.
type Hooks struct {
	Report   func(status.Report)
	Requests func(status.Requests)
	// SignIn says that a request would start a sign-in (start: on_request).
	SignIn func()
}

// Fault is an error of an effect that says for itself how a row should show it.
type Fault struct {
	Code   status.Code
	Detail string
	Action string
	Err    error
}

func (f *Fault) Error() string { return f.Detail }
func (f *Fault) Unwrap() error { return f.Err }
