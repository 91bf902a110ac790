// Package guard judges the requests that reach a listener: whether the caller is
// one this machine's user meant to let in, and whether the request is one that may
// be forwarded at all.
//
// It must not know tokens, forward anything, or write an answer: it says yes, or
// says why not.
package guard

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// Options say what one listener lets in.
type Options struct {
	Addr  string        // host:port of the listener
	Path  string        // local path of the endpoint as it stands in a URL; "" or "/": every path
	Guard profile.Guard // who may use it
}

// Reasons of a Refusal, stable names.
const (
	HostNotAllowed   = "host_not_allowed"
	OriginNotAllowed = "origin_not_allowed"
	PeerNotAllowed   = "peer_not_allowed"
	BadRequest       = "bad_request"
	NotFound         = "not_found"
	MethodNotAllowed = "method_not_allowed"
	BadContentType   = "bad_content_type"
)

// Refusal says why a request is not let in.
type Refusal struct {
	Status  int    // of the HTTP answer
	Reason  string // one of the Reasons
	Message string // one line: what is wrong
	Action  string // what to do about it
	Allow   string // value of the Allow header, with MethodNotAllowed
}

// Gate judges requests for one listener. It is safe for concurrent use.
type Gate struct {
	hosts   []string // accepted Host values; the first is the likeliest
	origins []string // accepted Origin values: our own, then the listed ones
	listed  []string // the Origin values whose pages may read answers
	path    string   // "" stands for every path
	below   string   // prefix of the paths below path
	anyone  bool     // no look at who is calling
}

// New makes the Gate of a listener. It fails on an address without host and port
// and on a value of guard.local it does not know.
func New(o Options) (*Gate, error) {
	host, port, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("guard: listener address %q: %w", o.Addr, err)
	}
	g := &Gate{listed: o.Guard.AllowedOrigins}
	switch o.Guard.Local {
	case "", profile.LocalSameUser:
	case profile.LocalOpen:
		g.anyone = true
	default:
		return nil, fmt.Errorf("guard: local: %s is not supported; use %s or %s", o.Guard.Local, profile.LocalSameUser, profile.LocalOpen)
	}
	g.hosts = ownHosts(host, port)
	for _, h := range g.hosts {
		g.origins = append(g.origins, "http://"+h)
	}
	g.origins = append(g.origins, g.listed...)
	if o.Path != "/" {
		g.path = o.Path
		g.below = strings.TrimSuffix(o.Path, "/") + "/"
	}
	return g, nil
}

// ownHosts lists what a client of ours may write into Host.
func ownHosts(host, port string) []string {
	names := []string{host, "127.0.0.1", "localhost", "::1"}
	var hosts []string
	for i, name := range names {
		if i > 0 && name == host {
			continue
		}
		hosts = append(hosts, net.JoinHostPort(name, port))
		if port == "80" { // the port a client leaves out
			hosts = append(hosts, strings.TrimSuffix(net.JoinHostPort(name, port), ":80"))
		}
	}
	return hosts
}

// Caller judges who is calling and from where: Host, connection headers, Origin,
// Sec-Fetch metadata and the user at the other end. It looks at nothing else of the
// request, so it comes before everything that could tell a stranger something.
// Nil means admitted.
func (g *Gate) Caller(r *http.Request) *Refusal {
	if !g.ownHost(r.Host) {
		return hostRefused
	}
	if refusal := plainHTTP(r); refusal != nil {
		return refusal
	}
	if refusal := g.origin(r); refusal != nil {
		return refusal
	}
	if g.anyone {
		return nil
	}
	return samePeer(r.Context())
}

// Endpoint judges whether the request is one the endpoint takes: path, method,
// query and body type. Nil means it may be forwarded.
func (g *Gate) Endpoint(r *http.Request) *Refusal {
	if !g.onPath(r.URL) {
		return pathRefused
	}
	return Forwardable(r)
}
