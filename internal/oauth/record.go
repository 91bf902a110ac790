package oauth

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

const recordVersion = 1

// States of a record. A dead one is kept until a sign-in replaces it.
const (
	stateLive = "live"
	stateDead = "dead"
)

// record is one grant at rest. Beside the tokens it carries what they are bound to: they
// are sent nowhere else.
type record struct {
	Version int    `json:"version"`
	Gen     uint64 `json:"gen"` // grows with every change
	State   string `json:"status"`
	Why     string `json:"why,omitempty"` // a dead one is dead

	Issuer        string `json:"issuer"`   // as its metadata says; empty for typed endpoints
	FoundAt       string `json:"found_at"` // the issuer the metadata was looked up by
	TokenEndpoint string `json:"token_endpoint"`
	Revocation    string `json:"revocation_endpoint,omitempty"`
	ClientID      string `json:"client_id"`
	ClientSecret  string `json:"client_secret,omitempty"` // of a dynamic client
	AuthMethod    string `json:"auth_method"`
	Dynamic       bool   `json:"dynamic,omitempty"`
	Redirect      string `json:"redirect_uri"`
	Resource      string `json:"resource,omitempty"`
	Upstream      string `json:"upstream_origin"`
	IssPromised   bool   `json:"iss_promised,omitempty"` // RFC 9207, pinned

	Access     string    `json:"access_token"`
	Refresh    string    `json:"refresh_token,omitempty"`
	Scopes     []string  `json:"scope,omitempty"`    // granted
	NoScope    bool      `json:"no_scope,omitempty"` // the server wants none on renewal
	Subject    string    `json:"subject,omitempty"`
	Obtained   time.Time `json:"obtained_at"`
	Expires    time.Time `json:"expiry_wall,omitzero"` // zero: unknown
	PrevSHA256 string    `json:"prev_rt_sha256_8,omitempty"`
}

// String keeps the tokens from being printed.
func (r *record) String() string {
	return fmt.Sprintf("[record gen %d at %s]", r.Gen, hostOf(r.Issuer))
}

// Format is String for every verb.
func (r *record) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }

// LogValue is String.
func (r *record) LogValue() slog.Value { return slog.StringValue(r.String()) }

func (r *record) clone() *record {
	c := *r
	return &c
}

var errNewerRecord = errors.New("it was written by a newer version of mcpauth-tray")

func decodeRecord(blob []byte) (*record, error) {
	var r record
	if err := json.Unmarshal(blob, &r); err != nil {
		return nil, errors.New("it cannot be read")
	}
	if r.Version > recordVersion {
		return nil, errNewerRecord
	}
	if r.Version < 1 || r.TokenEndpoint == "" || r.Upstream == "" {
		return nil, errors.New("it does not say what it is for")
	}
	return &r, nil
}

// Renewal times.
const (
	longestAhead  = 5 * time.Minute
	shortestAhead = 10 * time.Second
	longestUnseen = 24 * time.Hour // a longer life is not believed without a look
)

// renewAt is when the record should be renewed in the background; zero for never.
func (r *record) renewAt() time.Time {
	if !r.renewable() || r.Expires.IsZero() {
		return time.Time{}
	}
	life := r.Expires.Sub(r.Obtained)
	at := r.Expires.Add(-max(r.lastMoments(), min(longestAhead, life/5)))
	if latest := r.Obtained.Add(longestUnseen); at.After(latest) {
		return latest
	}
	return at
}

// lastMoments is how long before its end a token is no longer handed out while another may
// be had: a request takes its time to arrive.
func (r *record) lastMoments() time.Duration {
	return max(0, min(shortestAhead, r.Expires.Sub(r.Obtained)/2))
}

func (r *record) renewable() bool { return r.State == stateLive && r.Refresh != "" }

// livesPast reports whether the access token is good beyond t.
func (r *record) livesPast(t time.Time) bool {
	return r.Access != "" && (r.Expires.IsZero() || t.Before(r.Expires))
}

func (r *record) token() Token { return Token{Value: r.Access, Type: bearer, Expires: r.Expires} }

func (r *record) client() client {
	return client{id: r.ClientID, secret: r.ClientSecret, method: r.AuthMethod, dynamic: r.Dynamic}
}

// with is the record after a token answer: a new refresh token replaces the old one, none
// keeps it (RFC 6749 §6); no scope means as before (§5.1).
func (r *record) with(a *tokenAnswer, now time.Time) *record {
	next := *r
	next.Gen++
	next.State, next.Why = stateLive, ""
	if rt := a.usableRefresh(); rt != "" && rt != r.Refresh {
		if r.Refresh != "" {
			next.PrevSHA256 = fingerprint(r.Refresh)
		}
		next.Refresh = rt
	}
	if a.fault() != "" {
		return &next
	}
	next.Access, next.Obtained = a.access, now
	next.Expires = time.Time{}
	if a.lifetime > 0 {
		next.Expires = now.Add(a.lifetime)
	}
	if a.scoped {
		next.Scopes = a.scopes
	}
	return &next
}

func (r *record) account() *status.Account {
	a := &status.Account{
		Issuer: r.Issuer, ClientID: r.ClientID, Resource: r.Resource, Subject: r.Subject,
		Scopes: slices.Clone(r.Scopes), Refreshable: r.renewable(),
	}
	if !r.Expires.IsZero() {
		expires := r.Expires
		a.ExpiresAt = &expires
	}
	return a
}

// bound checks that r is for what p says now. A mismatch names both sides.
func (r *record) bound(p profile.Profile) error {
	si := p.SignIn
	differ := func(what, had, wants string) error {
		return fmt.Errorf("it was made for %s %s, the profile says %s", what, clean(had, 100), clean(wants, 100))
	}
	switch {
	case r.Upstream != targetOrigin(p):
		return differ("server", hostOf(r.Upstream), hostOf(p.Target))
	case si.Issuer != "" && si.TokenURL == "" && si.Issuer != r.FoundAt:
		return differ("issuer", r.FoundAt, si.Issuer)
	case si.TokenURL != "" && si.TokenURL != r.TokenEndpoint:
		return differ("token endpoint", hostOf(r.TokenEndpoint), hostOf(si.TokenURL))
	case si.TokenURL == "" && r.FoundAt == "":
		return differ("token endpoint", hostOf(r.TokenEndpoint), "none")
	case si.ClientID != "" && si.ClientID != r.ClientID:
		return differ("client", r.ClientID, si.ClientID)
	case si.ClientID == "" && !r.Dynamic:
		return differ("client", r.ClientID, "none")
	case si.TokenAuth != authAuto && si.TokenAuth != r.AuthMethod && !r.Dynamic:
		return differ("token_auth", r.AuthMethod, si.TokenAuth)
	case si.Resource == profile.ResourceOmit && r.Resource != "":
		return differ("resource", hostOf(r.Resource), "omit")
	case si.Resource != profile.ResourceAuto && si.Resource != profile.ResourceOmit && si.Resource != r.Resource:
		return differ("resource", r.Resource, si.Resource)
	}
	return nil
}

// intent says that a refresh token is about to be used (see refresh.go).
type intent struct {
	Gen     uint64    `json:"gen"`
	SHA256  string    `json:"rt_sha256_8"`
	Started time.Time `json:"started_at"`
	Pad     string    `json:"pad"` // as large as a record: room for one is proved
}

func intentKey(key string) string { return key + "-intent" }

// withDefaults fills in what a profile made by hand may leave out.
func withDefaults(p profile.Profile) profile.Profile {
	si := &p.SignIn
	for field, value := range map[*string]string{
		&si.Method: profile.MethodAuto, &si.Registration: profile.RegistrationAuto, &si.ScopeParam: "scope",
		&si.Resource: profile.ResourceAuto, &si.TokenAuth: authAuto,
	} {
		if *field == "" {
			*field = value
		}
	}
	if si.Timeout <= 0 {
		si.Timeout = 5 * time.Minute
	}
	return p
}

// accountKey names the account of a profile: profiles with the same key share a sign-in.
// Which issuer a target names is not known beforehand, so without a configured one the
// target stands for it. Tokens never cross to another origin.
func accountKey(p profile.Profile) string {
	si := p.SignIn
	switch si.Method {
	case profile.MethodNone:
		return "none-" + digest(p.Target, si.Session)
	case profile.MethodToken:
		t := si.Token
		return "token-" + digest(targetOrigin(p), t.Value, t.File, t.Env, t.Keyring, si.Session)
	}
	issuer, resource := si.Issuer, si.Resource
	if si.TokenURL != "" {
		issuer += " " + si.AuthorizeURL + " " + si.TokenURL
	}
	if issuer == "" || resource == profile.ResourceAuto {
		resource += " " + canonicalTarget(p.Target, true)
	}
	return "grant-" + digest(issuer, targetOrigin(p), resource, si.ClientID, si.Session)
}

// digest names a tuple; no part can run into the next.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func targetOrigin(p profile.Profile) string {
	u, err := url.Parse(p.Target)
	if err != nil {
		return ""
	}
	return originOf(u)
}

// canonicalTarget is the target as a resource identifier (MCP authorization, "Canonical
// Server URI"): no fragment, no lone slash, and a query only when it is asked for.
func canonicalTarget(target string, query bool) string {
	u, err := url.Parse(target)
	if err != nil {
		return target
	}
	s := originOf(u)
	if path := u.EscapedPath(); path != "/" {
		s += path
	}
	if query && u.RawQuery != "" {
		s += "?" + u.RawQuery
	}
	return s
}

// wallNow is the wall clock without its monotonic part, which stops while a computer sleeps.
func wallNow() time.Time { return time.Now().Round(0).UTC() }

// readable is a time as people are shown it.
func readable(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return strings.TrimSpace(t.Format("_2 Jan 15:04"))
}
