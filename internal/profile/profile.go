// Package profile is what the user asked for: profiles.yaml, parsed strictly,
// defaulted and checked as a whole, with line and column in every complaint, and
// the watching of that file.
//
// It must not know the network, tokens, or what is running.
package profile

import (
	"reflect"
	"time"
)

// Config is one whole, valid profiles.yaml. It is immutable once parsed.
type Config struct {
	File     string    `yaml:"-"` // the path it was read from
	Settings Settings  `yaml:"settings"`
	Profiles []Profile `yaml:"profiles"` // in the order of the file
	Warnings Errors    `yaml:"-"`        // what is allowed but unwise, in the order of the file
}

// Settings are the keys under settings:, defaults filled in.
type Settings struct {
	TokenStore   string   `yaml:"token_store"`
	RedirectHost string   `yaml:"redirect_host"`
	RedirectPort int      `yaml:"redirect_port"` // 0: any free port each time
	LogLevel     string   `yaml:"log_level"`
	Clients      []string `yaml:"clients"` // ids of the MCP clients whose configs every profile is kept in
}

// Values of settings.token_store.
const (
	StoreKeyring = "keyring"
	StoreFile    = "file"
	StoreMemory  = "memory"
)

// Profile is one entry under profiles:, defaults filled in.
type Profile struct {
	Name    string   `yaml:"-"`
	Target  string   `yaml:"target"`  // absolute URL, exactly as written
	Listen  string   `yaml:"listen"`  // host:port; empty: a port chosen once and remembered
	Path    string   `yaml:"path"`    // local path; default: the target's path; empty: every path is forwarded
	Enabled bool     `yaml:"enabled"` // default true
	SignIn  SignIn   `yaml:"sign_in"`
	Guard   Guard    `yaml:"guard"`
	Headers Headers  `yaml:"headers"`
	TLS     TLS      `yaml:"tls"`
	Proxy   string   `yaml:"proxy_url"` // empty: HTTPS_PROXY and NO_PROXY of the environment
	Clients []string `yaml:"clients"`   // nil: settings.clients; see Config.ClientsOf
}

// ServedLike reports whether p and q are served in the same way. An absent list and an
// empty one differ, as they do in the file. Clients do not count: they are told, not served.
func (p Profile) ServedLike(q Profile) bool {
	p.Clients, q.Clients = nil, nil
	return reflect.DeepEqual(p, q)
}

// ClientsOf are the MCP clients whose configs p is to be kept in.
func (c *Config) ClientsOf(p Profile) []string {
	if p.Clients != nil {
		return p.Clients
	}
	return c.Settings.Clients
}

// Methods of getting a token.
const (
	MethodAuto    = "auto"
	MethodBrowser = "browser"
	MethodToken   = "token"
	MethodNone    = "none"
)

// Values of sign_in.start.
const (
	StartManual    = "manual"
	StartOnRequest = "on_request"
)

// Values of sign_in.registration.
const (
	RegistrationAuto    = "auto"
	RegistrationStatic  = "static"
	RegistrationDynamic = "dynamic"
)

// Special values of sign_in.resource; anything else is the exact URI (RFC 8707).
const (
	ResourceAuto = "auto"
	ResourceOmit = "omit"
)

// Values of sign_in.token_auth (RFC 7591 section 2, token_endpoint_auth_method).
const (
	TokenAuthAuto  = "auto"
	TokenAuthNone  = "none"
	TokenAuthPost  = "client_secret_post"
	TokenAuthBasic = "client_secret_basic"
)

// SignIn says how a token for the target is got.
type SignIn struct {
	Method          string            `yaml:"method"`
	Start           string            `yaml:"start"`
	Issuer          string            `yaml:"issuer"`
	AuthorizeURL    string            `yaml:"authorize_url"`
	TokenURL        string            `yaml:"token_url"`
	ClientID        string            `yaml:"client_id"`
	ClientSecret    Secret            `yaml:"client_secret"`
	Registration    string            `yaml:"registration"`
	Scopes          []string          `yaml:"scopes"` // nil: from the challenge, then metadata; empty: none asked for
	ScopeParam      string            `yaml:"scope_param"`
	Resource        string            `yaml:"resource"`
	AuthorizeParams map[string]string `yaml:"authorize_params"`
	RedirectURL     string            `yaml:"redirect_url"`
	OpenBrowser     bool              `yaml:"open_browser"`
	Timeout         time.Duration     `yaml:"timeout"`
	TokenAuth       string            `yaml:"token_auth"`
	AssumePKCE      bool              `yaml:"assume_pkce"`
	TrustedIssuers  []string          `yaml:"trusted_issuers"`
	Session         string            `yaml:"session"`
	Token           Secret            `yaml:"token"`
}

// Values of guard.local.
const (
	LocalSameUser = "same-user"
	LocalOpen     = "open"
)

// Guard says who may use the listener.
type Guard struct {
	Local          string   `yaml:"local"`
	AllowedOrigins []string `yaml:"allowed_origins"` // empty: the listener's own loopback origins
}

// Headers are added to, or let through in, requests to the target.
type Headers struct {
	Set     map[string]string `yaml:"set"`
	SetFile map[string]string `yaml:"set_file"` // header → file that holds its value
	Forward []string          `yaml:"forward"`
}

// TLS are settings of connections to the target and its authorization server.
type TLS struct {
	CAFile string `yaml:"ca_file"`
}
