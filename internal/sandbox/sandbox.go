// Package sandbox is a real OAuth 2.1 / OpenID Connect authorization server and a
// real protected MCP server on loopback, with a switch per misbehaviour. Demo shows
// the product with it, and tests sign in to it.
//
// It must not know its clients, nor any other package of this module.
package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Login says who answers the authorize endpoint.
type Login int

const (
	LoginAuto  Login = iota // the sign-in is approved at once: the endpoint redirects back
	LoginPages              // a person approves or denies on a page
)

// Rotation says what a refresh does to the refresh token.
type Rotation int

const (
	RotateStrict Rotation = iota // a new one each time; using an old one again ends the whole sign-in
	RotateOnly                   // a new one each time; an old one is merely refused
	RotateNever                  // it stays the same
)

// Options describe a Sandbox. The zero value is a good citizen that approves every sign-in.
type Options struct {
	Addr       string // of the MCP server; default 127.0.0.1:0
	IssuerAddr string // of the authorization server; default 127.0.0.1:0
	OneOrigin  bool   // the authorization server answers on the MCP server's address
	IssuerPath string // path of the issuer, such as /tenant; default none
	TLS        bool   // https with HTTP/2; CA has the certificate to trust

	MCPPath      string // default /mcp; / for a server at the root
	Open         bool   // the MCP server wants no token
	Stateless    bool   // protocol 2026-07-28: no sessions, no GET stream
	JSONResponse bool   // answers to POST are JSON instead of event streams

	Login   Login
	Subject string // who signs in; default alice

	TokenTTL      time.Duration // life of an access token; default 1 h
	Opaque        bool          // access tokens are random strings instead of signed JWTs
	Refresh       Rotation
	Grace         time.Duration // how long a rotated refresh token still works
	OfflineAccess bool          // refresh tokens only with the scope offline_access

	DeviceInterval time.Duration // pause a device has to keep between polls; default 5 s

	Clients         []Client // known from the start
	ExactRedirect   bool     // no "any loopback port" of RFC 8252 §7.3
	RequireResource bool     // refuse requests without resource (RFC 8707)
	Resources       []string // further resources tokens are issued for
	Scopes          []string // scopes_supported; default DefaultScopes

	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // nil: discard
}

// DefaultScopes is what the authorization server knows unless told otherwise.
// ScopeTools is what the MCP server asks for.
var DefaultScopes = []string{"openid", "profile", "email", "offline_access", ScopeTools, ScopeAdmin}

const (
	ScopeTools = "mcp:tools"
	ScopeAdmin = "mcp:admin"
)

// Sandbox is a running authorization server, MCP server and one more origin that
// nobody should ever send a secret to.
type Sandbox struct {
	opts    Options
	ctx     context.Context
	cancel  context.CancelFunc
	unwatch func() bool // ends the watching of Start's ctx
	served  sync.WaitGroup

	faults    atomic.Pointer[Faults]
	setting   sync.Mutex // held while faults change
	log       requestLog
	secrets   secrets
	store     store
	keys      keyRing
	ca        *authority
	resource  *site
	auth      *site
	elsewhere *site
	mcp       *mcpServer
	legacy    legacy

	mu      sync.Mutex
	trusted []*Sandbox // further authorization servers of the MCP server
}

// Start runs a Sandbox until Close or the end of ctx.
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	s := &Sandbox{opts: o.withDefaults()}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.faults.Store(&Faults{})
	s.store.init(s)
	if err := s.listen(); err != nil {
		return nil, errors.Join(err, s.shut())
	}
	s.unwatch = context.AfterFunc(ctx, func() { _ = s.shut() })
	return s, nil
}

func (o Options) withDefaults() Options {
	set := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	set(&o.Addr, "127.0.0.1:0")
	set(&o.IssuerAddr, "127.0.0.1:0")
	set(&o.MCPPath, "/mcp")
	set(&o.Subject, "alice")
	o.IssuerPath = strings.TrimRight(o.IssuerPath, "/")
	if o.TokenTTL == 0 {
		o.TokenTTL = time.Hour
	}
	if o.DeviceInterval == 0 {
		o.DeviceInterval = 5 * time.Second
	}
	if o.Scopes == nil {
		o.Scopes = DefaultScopes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (s *Sandbox) listen() (err error) {
	if err = s.keys.rotate(false); err != nil {
		return err
	}
	if s.opts.TLS {
		if s.ca, err = newAuthority(); err != nil {
			return err
		}
	}
	if s.resource, err = s.newSite(s.opts.Addr); err != nil {
		return err
	}
	s.auth = s.resource
	if !s.opts.OneOrigin {
		if s.auth, err = s.newSite(s.opts.IssuerAddr); err != nil {
			return err
		}
	}
	if s.elsewhere, err = s.newSite("127.0.0.1:0"); err != nil {
		return err
	}
	s.mcp = newMCPServer(s)
	s.routeResource()
	s.routeAuth()
	s.routeElsewhere()
	for _, t := range s.sites() {
		s.serve(t)
	}
	return nil
}

func (s *Sandbox) sites() []*site {
	var all []*site
	for _, t := range []*site{s.resource, s.auth, s.elsewhere} {
		if t != nil && (len(all) == 0 || all[len(all)-1] != t) {
			all = append(all, t)
		}
	}
	return all
}

func (s *Sandbox) newSite(addr string) (*site, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w; choose another address or port 0", err)
	}
	// Whoever reaches it is signed in: nobody else may.
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("sandbox: %s is not a loopback address; use 127.0.0.1", addr), l.Close())
	}
	scheme := "http"
	if s.ca != nil {
		scheme = "https"
	}
	return newSite(s, l, scheme), nil
}

func (s *Sandbox) serve(t *site) {
	t.server = &http.Server{
		Handler:           t,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(logWriter{s.opts.Logger}, "", 0),
	}
	run := t.server.Serve
	if s.ca != nil {
		t.server.TLSConfig = &tls.Config{GetCertificate: s.ca.certificate, MinVersion: tls.VersionTLS12}
		run = func(l net.Listener) error { return t.server.ServeTLS(l, "", "") }
	}
	s.served.Go(func() { _ = run(t.listener) })
}

const closeTimeout = 10 * time.Second

// Close ends every connection and waits for the servers to be gone. It may be called twice.
func (s *Sandbox) Close() error {
	s.unwatch()
	return s.shut()
}

func (s *Sandbox) shut() error {
	for _, t := range s.sites() {
		if t.server != nil {
			_ = t.server.Close()
		} else {
			_ = t.listener.Close()
		}
	}
	s.cancel() // only now: a client sees its connection end, no answer to a cancelled call
	s.served.Wait()
	if s.mcp != nil {
		s.mcp.close()
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), closeTimeout,
		errors.New("sandbox: a request is still being served"))
	defer cancel()
	return s.log.wait(ctx, func() bool { return s.log.active == 0 })
}

// MCPURL is the address of the protected MCP server and its resource identifier.
func (s *Sandbox) MCPURL() string { return s.resource.origin + s.mcpPath() }

// LegacyURL is the address of the same MCP server over the HTTP+SSE transport of
// protocol 2024-11-05. It is a resource of its own.
func (s *Sandbox) LegacyURL() string { return s.resource.origin + legacyPath }

// EchoURL reports each request it gets, in JSON, to who bears a token for MCPURL.
// Paths below it do too.
func (s *Sandbox) EchoURL() string { return s.MCPURL() + "/echo" }

// StreamURL answers an event stream as described by v.
func (s *Sandbox) StreamURL(v Stream) string { return s.MCPURL() + "/stream?" + v.query() }

// Origin is scheme, host and port of the MCP server.
func (s *Sandbox) Origin() string { return s.resource.origin }

// Issuer is the issuer identifier of the authorization server.
func (s *Sandbox) Issuer() string { return s.auth.origin + s.opts.IssuerPath }

// ElsewhereURL is another origin: a place for redirects, and no place for secrets.
func (s *Sandbox) ElsewhereURL() string { return s.elsewhere.origin }

// CA is the certificate to trust with Options.TLS, in PEM.
func (s *Sandbox) CA() []byte {
	if s.ca == nil {
		return nil
	}
	return s.ca.pem
}

// Client trusts CA and follows no redirects.
func (s *Sandbox) Client() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	if s.ca != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
		t.TLSClientConfig.RootCAs.AppendCertsFromPEM(s.ca.pem)
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// Trust makes the MCP server of s accept tokens of other's authorization server,
// list it in its metadata, and lets other issue tokens for it.
func (s *Sandbox) Trust(other *Sandbox) {
	other.store.addResources(s.resources()...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusted = append(s.trusted, other)
}

func (s *Sandbox) authorities() []*Sandbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Sandbox{s}, s.trusted...)
}

// resources lists what tokens may be issued for (RFC 8707).
func (s *Sandbox) resources() []string {
	return append([]string{s.MCPURL(), s.LegacyURL(), s.Origin()}, s.opts.Resources...)
}

func (s *Sandbox) now() time.Time { return s.opts.Now() }

type logWriter struct{ l *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.l.Debug(strings.TrimSpace(string(p)))
	return len(p), nil
}
