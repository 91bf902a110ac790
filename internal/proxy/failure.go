package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/guard"
	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// failure is an answer of our own: what is wrong and what to do about it.
type failure struct {
	code   status.Code
	says   string
	action string
	status int           // HTTP; zero: by the table
	retry  time.Duration // wish for the next try; zero: by the table
	allow  string        // Allow header
}

// kind is how failures of one code are answered.
type kind struct {
	status int
	retry  time.Duration
	// signIn: a JSON-RPC request gets the error as its result, with HTTP 200. Clients
	// show that sentence to their user; of another status most show only the number,
	// and 400 to 405 would make them try other transports or sign-ins of their own.
	signIn bool
}

var kinds = map[status.Code]kind{
	status.NotSignedIn:         {http.StatusServiceUnavailable, 10 * time.Second, true},
	status.SignInRunning:       {http.StatusServiceUnavailable, 5 * time.Second, true},
	status.SignInFailed:        {http.StatusServiceUnavailable, 10 * time.Second, true},
	status.SecretStoreLocked:   {http.StatusServiceUnavailable, 5 * time.Second, true},
	status.SecretStoreAbsent:   {http.StatusServiceUnavailable, 30 * time.Second, true},
	status.IDPUnavailable:      {http.StatusServiceUnavailable, 5 * time.Second, true},
	status.ProviderRefused:     {http.StatusServiceUnavailable, 30 * time.Second, true},
	status.CredentialsRejected: {http.StatusServiceUnavailable, 30 * time.Second, true},
	status.SignInUnsaved:       {http.StatusServiceUnavailable, 5 * time.Second, true},
	status.ProfileError:        {http.StatusServiceUnavailable, 30 * time.Second, true},

	status.UpstreamUnreachable: {status: http.StatusBadGateway},
	status.UpstreamBadResponse: {status: http.StatusBadGateway},
	status.UpstreamTimeout:     {status: http.StatusGatewayTimeout},

	status.Busy:         {status: http.StatusServiceUnavailable, retry: time.Second},
	status.ShuttingDown: {status: http.StatusServiceUnavailable, retry: 5 * time.Second},
	status.BodyTooLarge: {status: http.StatusRequestEntityTooLarge},
	status.BadRequest:   {status: http.StatusBadRequest},
}

// unlisted is the kind of every other code.
var unlisted = kind{status: http.StatusServiceUnavailable, retry: 5 * time.Second}

var (
	bodyTooLarge = &failure{code: status.BodyTooLarge, says: "the request body is larger than 16 MiB",
		action: "Send less in one message"}
	bodyTooSlow = &failure{code: status.BadRequest, status: http.StatusRequestTimeout,
		says: "the request body stopped coming", action: "Send the request again"}
	bodyBroken = &failure{code: status.BadRequest,
		says: "the request body broke off", action: "Send the request again"}
	tooManyBodies = &failure{code: status.Busy, says: "too many large requests at one time",
		action: "Try again in a moment"}
	tooManyStreams = &failure{code: status.Busy, says: "too many streams are open",
		action: "Close clients that are not in use"}
	nothingServed = &failure{code: status.Busy, says: "nothing is served at this address at the moment",
		action: "Try again in a moment; mcpauth-tray status says more"}
	shuttingDown = &failure{code: status.ShuttingDown, says: "mcpauth-tray is shutting down",
		action: "Start it again to go on"}
	tokensRefused = &failure{code: status.CredentialsRejected, says: "the server refuses the sign-in's tokens",
		action: "Try again in a moment"}
)

// badAnswer is a target that answered in a way that is not passed on.
func badAnswer(what string) *failure {
	return &failure{code: status.UpstreamBadResponse, says: "the server's answer cannot be used: " + what,
		action: "Check the target of this profile"}
}

func redirectedAway(to *url.URL) *failure {
	origin := to.Scheme + "://" + to.Host
	return &failure{code: status.UpstreamBadResponse, says: "the server tried to redirect to " + origin,
		action: "If that is right, make it the target of this profile"}
}

// ofToken is why there is no token.
func ofToken(e *oauth.Error) *failure {
	f := &failure{code: e.Code, says: e.Summary, action: e.Action, retry: e.RetryAfter}
	if e.Detail != "" {
		f.says += ": " + e.Detail
	}
	switch {
	case f.action != "":
	case e.RetryAfter > aMoment:
		f.action = "Try again at " + time.Now().Add(e.RetryAfter).Format(time.TimeOnly)
	default:
		f.action = "Try again in a moment"
	}
	return f
}

// aMoment is the longest wait that needs no time named.
const aMoment = 15 * time.Second

func ofGuard(r *guard.Refusal) *failure {
	return &failure{code: status.Code(r.Reason), says: r.Message, action: r.Action, status: r.Status, allow: r.Allow}
}

// Bounds of what is shown to a person, in bytes. What to do is kept whole, at the cost of
// what is wrong, of which shortest is kept.
const (
	maxMessage = 300
	shortest   = 100
)

// message is the whole sentence of a failure: profile, host, what is wrong, what to
// do, and the reference under which the log has it.
func (f *failure) message(profile, host, ref string) string {
	tail := " (ref " + ref + ")"
	text := profile
	if host != "" {
		text += " (" + host + ")"
	}
	text = oneLine(text + ": " + strings.TrimRight(f.says, ". ") + ".")
	action := ""
	if f.action != "" {
		action = oneLine(" " + strings.TrimRight(f.action, ". ") + ".")
	}
	most := maxMessage - len(tail)
	return clip(clip(text, max(most-len(action), shortest))+action, most) + tail
}

// clip cuts s to at most n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}

// oneLine takes out what would not stay on one line of a screen.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0x2028 || c == 0x2029:
			return ' '
		case c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069: // writing direction
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
}
