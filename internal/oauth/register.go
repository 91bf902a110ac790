package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// registration is a client registered dynamically (RFC 7591). It belongs to one issuer and
// is never shown to another.
type registration struct {
	Version      int       `json:"version"`
	Issuer       string    `json:"issuer"`
	Redirect     string    `json:"redirect_uri"`
	ClientID     string    `json:"client_id"`
	Secret       string    `json:"client_secret,omitempty"`
	Expires      time.Time `json:"client_secret_expires_at,omitzero"`
	Method       string    `json:"token_endpoint_auth_method"`
	Scopes       []string  `json:"scopes,omitempty"` // empty: any
	Doubted      bool      `json:"doubted,omitempty"`
	Reregistered time.Time `json:"reregistered_at,omitzero"` // when it last replaced one that was doubted
}

// reregisterEvery is how often a client that a server does not know, or seems not to
// know, is registered afresh there.
const reregisterEvery = 24 * time.Hour

func (r *registration) client() client {
	return client{id: r.ClientID, secret: r.Secret, method: r.Method, dynamic: true}
}

// fits reports whether r, nil for none, can be used again with those scopes.
func (r *registration) fits(scopes []string, now time.Time) bool {
	switch {
	case r == nil, len(r.Scopes) > 0 && !covers(r.Scopes, scopes), !r.Expires.IsZero() && !now.Before(r.Expires):
		return false
	case r.Doubted:
		return now.Sub(r.Reregistered) < reregisterEvery
	}
	return true
}

func registrationKey(issuer, redirect string) string { return "client-" + digest(issuer, redirect) }

// registered returns the client to sign in with at f's server, registering one when there
// is none that fits. reused says that it was registered earlier.
func (g *grant) registered(ctx context.Context, f *found, redirect string, keep bool) (c client, reused bool, err error) {
	key := registrationKey(f.meta.issuer, redirect)
	unlock, err := g.s.store.Lock(ctx, key)
	if err != nil {
		return client{}, false, storeTrouble(err)
	}
	defer unlock()
	old, err := g.loadRegistration(ctx, key)
	if err != nil {
		return client{}, false, err
	}
	now := wallNow()
	if old.fits(f.scopes, now) {
		return old.client(), true, nil
	}
	fresh, err := f.web.register(ctx, f, redirect)
	if err != nil {
		return client{}, false, err
	}
	g.s.log.Info("client registered", "host", hostOf(f.meta.registration))
	if old != nil {
		fresh.Reregistered = old.Reregistered
		if old.Doubted {
			fresh.Reregistered = now
		}
	}
	if keep {
		err = g.saveRegistration(ctx, key, fresh)
	}
	return fresh.client(), false, err
}

func (g *grant) loadRegistration(ctx context.Context, key string) (*registration, error) {
	blob, err := g.s.store.Load(ctx, key)
	switch {
	case errors.Is(err, ErrNoRecord):
		return nil, nil
	case err != nil:
		return nil, storeTrouble(err)
	}
	var r registration
	if json.Unmarshal(blob, &r) != nil || r.Version != recordVersion {
		return nil, nil // a new registration costs nothing and replaces it
	}
	return &r, nil
}

func (g *grant) saveRegistration(ctx context.Context, key string, r *registration) error {
	blob, err := json.Marshal(r)
	if err == nil {
		err = g.s.store.Save(ctx, key, blob)
	}
	if err != nil {
		return storeTrouble(err)
	}
	return nil
}

// doubt notes that a server seems not to know a registered client any more.
func (g *grant) doubt(ctx context.Context, issuer, redirect, clientID string) {
	key := registrationKey(issuer, redirect)
	unlock, err := g.s.store.Lock(ctx, key)
	if err != nil {
		return
	}
	defer unlock()
	r, err := g.loadRegistration(ctx, key)
	if err != nil || r == nil || r.ClientID != clientID || r.Doubted {
		return
	}
	r.Doubted = true
	if err := g.saveRegistration(ctx, key, r); err != nil {
		g.s.log.Warn("registration not updated", "error", err)
	}
}

// register registers a native client with exactly one redirect URI.
func (w *web) register(ctx context.Context, f *found, redirect string) (*registration, error) {
	host := hostOf(f.meta.registration)
	u, err := w.fence.url("registration_endpoint", f.meta.registration)
	if err != nil {
		return nil, unaskable(host, status.IDPUnavailable, err)
	}
	body, err := json.Marshal(registrationRequest(f, redirect))
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	reply, err := w.do(r, metadataLimit, false)
	if err != nil {
		return nil, unreachable(host, status.IDPUnavailable, err)
	}
	if reply.status >= 500 || reply.status == http.StatusTooManyRequests {
		return nil, &Error{Code: status.IDPUnavailable, Summary: host + " cannot register a client now", Detail: reply.odd(), RetryAfter: retryAfter(reply.header)}
	}
	d, err := parseDocument(reply)
	if reply.status != http.StatusCreated && reply.status != http.StatusOK {
		why := reply.odd()
		if err == nil && d.text("error") != "" {
			why = "it says " + clean(d.text("error"), 40) + " " + clean(d.text("error_description"), 160)
		}
		return nil, needsClient(f, host+" did not register a client: "+strings.TrimSpace(why))
	}
	if err != nil {
		return nil, needsClient(f, host+" did not register a client: "+err.Error())
	}
	return readRegistration(d, f, redirect)
}

func registrationRequest(f *found, redirect string) map[string]any {
	request := map[string]any{
		"client_name":                "mcpauth-tray",
		"client_uri":                 "https://github.com/mcpauth-tray/mcpauth-tray",
		"application_type":           "native",
		"redirect_uris":              []string{redirect},
		"grant_types":                []string{"authorization_code", "refresh_token"},
		"response_types":             []string{"code"},
		"token_endpoint_auth_method": registrationAuth(f.meta.tokenAuth),
	}
	if len(f.scopes) > 0 {
		request["scope"] = strings.Join(f.scopes, " ")
	}
	return request
}

// registrationAuth prefers a public client: a secret on a desk is none.
func registrationAuth(supported []string) string {
	for _, method := range []string{authNone, authPost, authBasic} {
		if slices.Contains(supported, method) {
			return method
		}
	}
	return authNone
}

// readRegistration reads the answer; what the server returns wins (RFC 7591 §3.2.1).
func readRegistration(d document, f *found, redirect string) (*registration, error) {
	host := hostOf(f.meta.registration)
	r := &registration{
		Version:  recordVersion,
		Issuer:   f.meta.issuer,
		Redirect: redirect,
		ClientID: d.text("client_id"),
		Secret:   d.text("client_secret"),
		Method:   d.text("token_endpoint_auth_method"),
		Scopes:   splitScopes(d.text("scope")),
	}
	const longest = 4 << 10
	if !sendable(r.ClientID) || len(r.ClientID) > longest || len(r.Secret) > longest {
		return nil, needsClient(f, host+" registered a client that cannot be used")
	}
	if uris := d.list("redirect_uris"); uris != nil && !slices.ContainsFunc(uris, func(u string) bool { return sameRedirect(u, redirect) }) {
		return nil, needsClient(f, host+" registered another redirect URI")
	}
	if r.Method == "" || r.Method != authNone && r.Secret == "" {
		r.Method = authNone
		if r.Secret != "" {
			r.Method = authBasic // RFC 7591 §2: the default
		}
	}
	if !slices.Contains([]string{authNone, authPost, authBasic}, r.Method) {
		return nil, needsClient(f, host+" wants clients to use "+clean(r.Method, 40))
	}
	var expires float64
	if json.Unmarshal(d["client_secret_expires_at"], &expires) == nil && expires > 0 && r.Secret != "" {
		r.Expires = time.Unix(int64(min(expires, 1<<40)), 0).UTC()
	}
	return r, nil
}

// sameRedirect compares redirect URIs; a loopback one may have lost its port (RFC 8252 §7.3).
func sameRedirect(a, b string) bool {
	if a == b {
		return true
	}
	x, err1 := url.Parse(a)
	y, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && isLoopbackHost(hostKey(x.Hostname())) &&
		x.Port() == "" && x.Hostname() == y.Hostname() && x.EscapedPath() == y.EscapedPath()
}

// needsClient says what to register where, and which keys to set.
func needsClient(f *found, why string) *Error {
	return &Error{
		Code:    status.ProviderRefused,
		Summary: "this provider needs a client of your own",
		Detail:  why,
		Action: fmt.Sprintf("Register a native client with redirect URI %s, then set sign_in.client_id of profile %s",
			toRegister(f.ownRedirect), f.profile.Name),
	}
}

// toRegister is how people are told a redirect URI. With port 0 a provider has to allow any
// port, as it should for native clients (RFC 8252 §7.3).
func toRegister(redirect string) string {
	host, path, found := strings.Cut(redirect, ":0/")
	if !found {
		return redirect
	}
	return host + "/" + path + " on any port (or fix settings.redirect_port)"
}
