// Package status is what is happening: plain values that describe every
// profile at one moment, and the Feed that hands the latest of them out.
//
// It must not know profiles.yaml, do I/O, or hold behaviour beyond the Feed.
package status

import "time"

// Phase is where a profile stands. A profile is in exactly one.
type Phase string

const (
	Stopped      Phase = "stopped"        // not served: disabled, paused or removed
	Starting     Phase = "starting"       // listening, its sign-in not yet looked at
	Ready        Phase = "ready"          // requests are forwarded
	SignInNeeded Phase = "sign-in-needed" // only a person can go on
	SigningIn    Phase = "signing-in"     // a sign-in is under way, see Prompt
	Backoff      Phase = "backoff"        // something failed and is tried again at RetryAt
)

// Phases lists every phase, calm ones first.
var Phases = []Phase{Stopped, Starting, Ready, SigningIn, SignInNeeded, Backoff}

// Snapshot is the whole state at one moment. It is immutable once published.
type Snapshot struct {
	Serial   uint64    `json:"serial"`
	Paused   bool      `json:"paused"`
	Config   Config    `json:"config"`
	Profiles []Profile `json:"profiles"`
	Clients  []Client  `json:"clients"`
}

// Profile returns the row of that name, or nil.
func (s *Snapshot) Profile(name string) *Profile {
	for i := range s.Profiles {
		if s.Profiles[i].Name == name {
			return &s.Profiles[i]
		}
	}
	return nil
}

// Config says which profiles.yaml is in force and what is wrong with a newer one.
type Config struct {
	File     string    `json:"file"`
	Error    *Problem  `json:"error"`              // nil: the file on disk is the one in force
	Problems []Problem `json:"problems,omitempty"` // all of them; Error is the first
	LoadedAt time.Time `json:"loaded_at"`          // when the profiles in force were applied
}

// Problem is one complaint about a file. Line and Column count from 1; 0 means the whole file.
type Problem struct {
	Message string `json:"message"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
}

// Profile is one row: everything a face shows of one profile.
type Profile struct {
	Name     string     `json:"name"`
	URL      string     `json:"url"` // what a client is pointed at; empty while there is no socket
	Phase    Phase      `json:"phase"`
	Summary  string     `json:"summary"` // one line, at most about 60 characters
	Detail   string     `json:"detail"`
	Code     Code       `json:"code"`   // stable, empty when all is well
	Action   string     `json:"action"` // what the person should do next, empty for nothing
	Since    time.Time  `json:"since"`
	RetryAt  *time.Time `json:"retry_at"`
	Prompt   *Prompt    `json:"prompt"`
	Account  *Account   `json:"account"`
	Requests Requests   `json:"requests"`
}

// Prompt is what a person needs to go on with a sign-in under way.
type Prompt struct {
	URL       string    `json:"url"`
	UserCode  string    `json:"user_code"`
	ExpiresAt time.Time `json:"expires_at"`
	LinkOnly  bool      `json:"link_only"` // sign_in.open_browser: false: show the link, open nothing
}

// Account describes a sign-in without any of its secrets.
type Account struct {
	Issuer      string     `json:"issuer"`
	ClientID    string     `json:"client_id"`
	Resource    string     `json:"resource"`
	Subject     string     `json:"subject"`
	Scopes      []string   `json:"scopes"`
	ExpiresAt   *time.Time `json:"expires_at"` // nil: the provider did not say
	Refreshable bool       `json:"refreshable"`
}

// Requests counts what a listener answered since the profile was started.
type Requests struct {
	Total         int64 `json:"total"`
	Errors        int64 `json:"errors"`
	ActiveStreams int64 `json:"active_streams"`
}

// Client is an MCP client that is installed on this computer, and how the profiles stand
// in its config file.
type Client struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	File     string        `json:"file"`
	State    ClientState   `json:"state"`   // the worst of those of Profiles that were asked for or written
	Detail   string        `json:"detail"`  // why it is not current and what to do, empty when all is well
	Waiting  bool          `json:"waiting"` // it runs and would overwrite what is written: that is done once it has quit
	Profiles []ClientEntry `json:"profiles"`
}

// ClientEntry is one profile in a client's config file.
type ClientEntry struct {
	Profile string      `json:"profile"`
	State   ClientState `json:"state"`
	Asked   bool        `json:"asked"`  // profiles.yaml asks for it, or it was added by hand
	Detail  string      `json:"detail"` // as "somebody pointed it elsewhere", often empty
}

// ClientState says whether a client's config holds what it should.
type ClientState string

const (
	ClientCurrent    ClientState = "current"
	ClientOutdated   ClientState = "outdated"   // ours, and no longer right
	ClientMissing    ClientState = "missing"    // not there
	ClientForeign    ClientState = "foreign"    // there and somebody else's, or changed by somebody
	ClientUnreadable ClientState = "unreadable" // the file cannot be read or edited
)

// ClientStates lists every state of a client, calm ones first.
var ClientStates = []ClientState{ClientCurrent, ClientMissing, ClientOutdated, ClientForeign, ClientUnreadable}

// Report is what a served profile says of its own sign-in, whenever that changes.
// Phase is one of Ready, SignInNeeded, SigningIn and Backoff.
type Report struct {
	Phase   Phase
	Summary string
	Detail  string
	Code    Code
	Action  string
	Prompt  *Prompt
	Account *Account

	// RenewAt is when the sign-in wants its next check; zero for never.
	// It is wall-clock time: timers stop while a computer sleeps.
	RenewAt time.Time
	// Failed says that the last check failed in a way that is worth another try.
	// With Phase Ready the token at hand is still good, and RenewAt is when it ends.
	Failed bool
	// RetryAfter is the provider's wish for the next try, zero for none.
	RetryAfter time.Duration
}
