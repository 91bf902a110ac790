// Package proxy serves one profile: a loopback listener whose requests are judged by
// the guard, given the profile's token, and forwarded to its target, answers
// streaming back as they come.
//
// It must not know other profiles or the supervisor, open a browser, or store a token.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/guard"
	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Bounds of what one profile serves.
const (
	maxBody     = 16 << 20         // bytes of a request body
	maxBuffered = 256 << 20        // bytes of all large request bodies at one time
	maxStreams  = 1024             // answers streaming at one time
	holdFor     = 30 * time.Second // default of Options.Hold
)

// Tokens is where a request's token comes from.
type Tokens interface {
	// Token returns a token that is usable now; the zero Token means that none is sent.
	Token(context.Context) (oauth.Token, error)
	// Refused takes back a token the target answered 401 to, together with the
	// WWW-Authenticate values of that answer, and returns another one.
	Refused(context.Context, oauth.Token, []string) (oauth.Token, error)
	// Accepted is told of each token that the target let a request in with.
	Accepted(oauth.Token)
}

// Options are what New needs of a profile and its surroundings.
type Options struct {
	Profile profile.Profile
	Addr    string      // of the Listener it will be mounted on, see Listener.Addr
	Tokens  Tokens      // nil: no token is sent
	Headers http.Header // headers.set and headers.set_file, values looked up
	Logger  *slog.Logger

	// Requests is told the counters at most once a second, only when they changed.
	Requests func(status.Requests)
	// WantSignIn asks for a sign-in on behalf of a request, once a request; nil: only
	// a person starts one. It must not block.
	WantSignIn func()
	// Hold is how long a request waits for a sign-in under way; zero: 30 s.
	Hold time.Duration
}

// Handler serves one profile. It is mounted on one Listener, once.
type Handler struct {
	name       string
	gate       *guard.Gate
	route      route
	headers    headerRules
	tokens     Tokens
	transport  *http.Transport
	wantSignIn func()
	hold       time.Duration
	log        *slog.Logger

	bearer    atomic.Pointer[bearer]
	wake      wake
	inVain    atomic.Int64 // when a request asked for a sign-in that did not appear, Unix nanoseconds
	counters  counters
	buffered  atomic.Int64 // bytes of large request bodies held now
	endpoints endpoints
	previous  atomic.Pointer[Handler] // served here before, and still has streams with endpoints of their own
}

// New makes the Handler of a profile. It starts nothing. It fails on a target that is
// no http or https URL, an unreadable tls.ca_file and a malformed proxy_url.
func New(o Options) (*Handler, error) {
	p := o.Profile
	route, err := newRoute(p)
	if err != nil {
		return nil, err
	}
	gate, err := guard.New(guard.Options{Addr: o.Addr, Path: route.local, Guard: p.Guard})
	if err != nil {
		return nil, err
	}
	transport, err := Transport(p)
	if err != nil {
		return nil, err
	}
	h := &Handler{
		name: p.Name, gate: gate, route: route, headers: newHeaderRules(p.Headers.Forward, o.Headers),
		tokens: o.Tokens, transport: transport, wantSignIn: o.WantSignIn, hold: o.Hold, log: o.Logger,
	}
	h.wake.born = time.Now()
	h.counters.report = o.Requests
	if h.tokens == nil {
		h.tokens = noTokens{}
	}
	if h.hold == 0 {
		h.hold = holdFor
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.log = h.log.With("profile", p.Name)
	return h, nil
}

// ServeHTTP judges, forwards and answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if refusal := h.gate.Caller(r); refusal != nil {
		h.turnAway(w, r, refusal)
		return
	}
	h.gate.CORS(w.Header(), r)
	if h.answersItself(w, r) {
		return
	}
	to, refusal := h.target(r)
	if refusal != nil {
		if old := h.former(r); old != nil {
			old.ServeHTTP(w, r)
			return
		}
		h.refuse(w, r, refusal)
		return
	}
	h.wake.notice(h.transport)
	h.counters.request()
	h.serve(w, r, to)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, to *url.URL) {
	if h.counters.streams.Load() >= maxStreams {
		h.fail(w, r, nil, tooManyStreams)
		return
	}
	body, held, failed := h.readBody(w, r)
	if held > 0 {
		defer h.buffered.Add(-held)
	}
	if failed != nil {
		h.fail(w, r, nil, failed)
		return
	}
	ctx := r.Context()
	if r.Method == http.MethodGet {
		var stop func()
		ctx, stop = untilClosing(ctx)
		defer stop()
	}
	answer, failed := h.send(h.outbound(ctx, r, to, body), body)
	if failed == nil {
		failed = h.relay(w, r, answer)
	}
	if failed != nil {
		h.fail(w, r, body, failed)
	}
}

// target is where r goes, or why it goes nowhere.
func (h *Handler) target(r *http.Request) (*url.URL, *guard.Refusal) {
	if to := h.endpoints.url(r); to != nil {
		return to, guard.Forwardable(r)
	}
	if refusal := h.gate.Endpoint(r); refusal != nil {
		return nil, refusal
	}
	return h.route.to(r.URL), nil
}

// outbound builds the request to the target. The header map moves over from r.
func (h *Handler) outbound(ctx context.Context, r *http.Request, to *url.URL, body []byte) *http.Request {
	header := h.headers.clean(r.Header)
	if legacyCandidate(r) {
		delete(header, "Accept-Encoding") // an endpoint event must stay readable
	}
	out := (&http.Request{
		Method: r.Method, URL: to, Host: h.headers.host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	setBody(out, body)
	return out
}

type noTokens struct{}

func (noTokens) Token(context.Context) (oauth.Token, error) { return oauth.Token{}, nil }

func (noTokens) Refused(context.Context, oauth.Token, []string) (oauth.Token, error) {
	return oauth.Token{}, errNoSignIn
}

func (noTokens) Accepted(oauth.Token) {}

var errNoSignIn = &oauth.Error{Code: status.CredentialsRejected,
	Summary: "the server wants a sign-in and this profile has none",
	Action:  "Remove sign_in.method: none from the profile"}

// route maps local URLs to the target's.
type route struct {
	local  string   // escaped path of the endpoint here
	target *url.URL // the endpoint there
	below  string   // escaped path that what lies below the endpoint is appended to
}

func newRoute(p profile.Profile) (route, error) {
	target, err := url.Parse(p.Target)
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err // without the URL, which may hold a secret
		}
		return route{}, fmt.Errorf("proxy: target of %s is not a URL: %w", p.Name, err)
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
		return route{}, fmt.Errorf("proxy: target of %s is not an http or https URL with a host", p.Name)
	}
	target.User, target.Fragment, target.RawFragment = nil, "", ""
	if target.Path == "" {
		target.Path = "/"
	}
	local := p.Path
	if local == "" {
		local = target.EscapedPath()
	}
	return route{local: local, target: target, below: strings.TrimSuffix(target.EscapedPath(), "/") + "/"}, nil
}

// to is where a local URL that the gate let in leads. The result must not be changed.
func (t *route) to(local *url.URL) *url.URL {
	path := local.EscapedPath()
	exact := path == t.local
	if exact && local.RawQuery == "" {
		return t.target
	}
	to := *t.target
	if !exact {
		rest := strings.TrimPrefix(strings.TrimPrefix(path, strings.TrimSuffix(t.local, "/")), "/")
		setPath(&to, t.below+rest)
	}
	to.RawQuery = joinQuery(to.RawQuery, local.RawQuery)
	return &to
}

// setPath gives u an escaped path and keeps its spelling.
func setPath(u *url.URL, escaped string) {
	path, err := url.PathUnescape(escaped)
	if err != nil {
		path = escaped
	}
	u.Path, u.RawPath = path, escaped
}

func joinQuery(ours, theirs string) string {
	if ours == "" || theirs == "" {
		return ours + theirs
	}
	return ours + "&" + theirs
}
