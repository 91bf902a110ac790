// Package profile is what the user asked for: profiles.yaml, parsed strictly,
// defaulted and checked as a whole, with line and column in every complaint, and
// the watching of that file.
//
// It must not know the network, tokens, or what is running.
package profile

import (
	"time"
)

// Config is one whole, valid profiles.yaml. It is immutable once parsed.
type Config struct {
	File     string // the path it was read from
	Settings Settings
	Profiles []Profile // in the order of the file
}

// Settings are the keys under settings:, defaults filled in.
type Settings struct {
	TokenStore   string   `yaml:"token_store"`
	RedirectHost string   `yaml:"redirect_host"`
	RedirectPort int      `yaml:"redirect_port"`
	Clients      []string `yaml:"clients"`
	LogLevel     string   `yaml:"log_level"`
}

// Profile is one entry under profiles:, defaults filled in.
type Profile struct {
	Name    string   `yaml:"-"`
	Target  string   `yaml:"target"`  // absolute URL, exactly as written
	Listen  string   `yaml:"listen"`  // host:port; empty: a port chosen once and remembered
	Path    string   `yaml:"path"`    // local path; default: the target's path
	Enabled bool     `yaml:"enabled"` // default true
	SignIn  SignIn   `yaml:"sign_in"`
	Guard   Guard    `yaml:"guard"`
	Spawn   *Spawn   `yaml:"spawn"`
	Headers Headers  `yaml:"headers"`
	TLS     TLS      `yaml:"tls"`
	Proxy   string   `yaml:"proxy_url"`
	Clients []string `yaml:"clients"` // nil: settings.clients
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

// SignIn says how a token for the target is got.
type SignIn struct {
	Method                 string            `yaml:"method"`
	Start                  string            `yaml:"start"`
	Issuer                 string            `yaml:"issuer"`
	AuthorizeURL           string            `yaml:"authorize_url"`
	TokenURL               string            `yaml:"token_url"`
	DeviceAuthorizationURL string            `yaml:"device_authorization_url"`
	ClientID               string            `yaml:"client_id"`
	ClientSecret           Secret            `yaml:"client_secret"`
	Registration           string            `yaml:"registration"`
	ClientMetadataURL      string            `yaml:"client_metadata_url"`
	Scopes                 []string          `yaml:"scopes"` // nil: from the challenge, then metadata
	ScopeParam             string            `yaml:"scope_param"`
	Resource               string            `yaml:"resource"`
	AuthorizeParams        map[string]string `yaml:"authorize_params"`
	RedirectURL            string            `yaml:"redirect_url"`
	OpenBrowser            bool              `yaml:"open_browser"`
	Timeout                time.Duration     `yaml:"timeout"`
	TokenAuth              string            `yaml:"token_auth"`
	AssumePKCE             bool              `yaml:"assume_pkce"`
	UseIDToken             bool              `yaml:"use_id_token"`
	TrustedIssuers         []string          `yaml:"trusted_issuers"`
	Session                string            `yaml:"session"`
	Token                  Secret            `yaml:"token"`
}

// Secret says where a secret is. At most one field is set; in the file they are
// the keys x, x_file, x_env and x_keyring.
type Secret struct {
	Value   string
	File    string
	Env     string
	Keyring string
}

// IsZero reports whether no place was named.
func (s Secret) IsZero() bool { return s == Secret{} }

// Values of guard.local.
const (
	LocalSameUser = "same-user"
	LocalKey      = "key"
	LocalOpen     = "open"
)

// Guard says who may use the listener.
type Guard struct {
	Local          string   `yaml:"local"`
	AllowedOrigins []string `yaml:"allowed_origins"`
}

// Spawn describes a child server.
type Spawn struct {
	Command []string          `yaml:"command"`
	Port    int               `yaml:"port"`
	Env     map[string]string `yaml:"env"`
	Dir     string            `yaml:"dir"`
}

// Headers are added to, or let through in, requests to the target.
type Headers struct {
	Set     map[string]string `yaml:"set"`
	SetFile map[string]string `yaml:"set_file"`
	Forward []string          `yaml:"forward"`
}

// TLS are settings of connections to the target and its authorization server.
type TLS struct {
	CAFile string `yaml:"ca_file"`
}
