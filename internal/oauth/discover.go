package oauth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// found is everything a sign-in needs to know of the other side.
type found struct {
	web      *web
	profile  profile.Profile
	meta     metadata
	at       string   // the issuer the metadata was looked up by; empty for typed endpoints
	resource string   // RFC 8707, byte for byte; empty: none is sent
	scopes   []string // empty: none are asked for
	note     string

	ownRedirect string // to register for a client of the operator's own
}

// discoverTime bounds all of it: people wait.
const discoverTime = time.Minute

// discover finds out where p's target has people sign in. An issuer in the profile stands
// for itself: then the target is not asked at all. scopes are the configured ones, nil
// for none.
func discover(ctx context.Context, w *web, p profile.Profile, scopes []string) (*found, error) {
	ctx, cancel := context.WithTimeout(ctx, discoverTime)
	defer cancel()
	f := &found{web: w, profile: p}
	var err error
	switch {
	case p.SignIn.TokenURL != "":
		err = f.typed()
	case p.SignIn.Issuer != "":
		err = f.byIssuer(ctx)
	default:
		err = f.byTarget(ctx)
	}
	if err != nil {
		return nil, err
	}
	if scopes != nil {
		f.scopes = scopes
	} else if slices.Contains(f.meta.scopes, scopeOffline) && len(f.scopes) > 0 && f.meta.refreshes() {
		f.scopes = unionScopes(f.scopes, []string{scopeOffline})
	}
	return f, nil
}

// typed takes the endpoints from the profile: there is no metadata.
func (f *found) typed() error {
	si := f.profile.SignIn
	for _, typed := range [][2]string{{"sign_in.authorize_url", si.AuthorizeURL}, {"sign_in.token_url", si.TokenURL}} {
		if _, err := f.web.fence.url(typed[0], typed[1]); err != nil {
			return profileError(err.Error(), "Correct it in the profile")
		}
	}
	f.meta = metadata{issuer: si.Issuer, authorization: si.AuthorizeURL, token: si.TokenURL}
	f.resource = resourceFor(f.profile, "", si.AuthorizeURL)
	return nil
}

func (f *found) byIssuer(ctx context.Context) (err error) {
	si := f.profile.SignIn
	f.at = si.Issuer
	f.meta, err = f.web.findMetadata(ctx, si.Issuer, si.TrustedIssuers)
	f.resource = resourceFor(f.profile, "", si.Issuer)
	if f.meta.openID || slices.Contains(f.meta.scopes, scopeOpenID) {
		f.scopes = []string{scopeOpenID}
	}
	return err
}

// byTarget follows the MCP authorization specification: challenge, protected resource
// metadata, authorization server metadata.
func (f *found) byTarget(ctx context.Context) error {
	target, err := targetURL(f.profile)
	if err != nil {
		return err
	}
	answer, err := f.web.probe(ctx, target)
	if err != nil {
		return err
	}
	resource, err := f.web.findResource(ctx, target, answer.challenge.metadata)
	if err != nil {
		return err
	}
	if resource == nil {
		return refusedBy(fmt.Sprintf("%s does not say where to sign in (it answered %d and has no protected resource metadata)", target.Host, answer.status),
			"If it needs a sign-in, set sign_in.issuer of the profile")
	}
	f.note = resource.note
	if f.scopes = answer.challenge.scopes; len(f.scopes) == 0 {
		f.scopes = resource.scopes
	}
	if err := f.firstServer(ctx, resource.servers); err != nil {
		return err
	}
	f.resource = resourceFor(f.profile, resource.resource, f.at)
	return nil
}

// firstServer takes the first authorization server whose metadata can be used, trusted
// ones before others (RFC 9728 §7.6 leaves the choice to the client).
func (f *found) firstServer(ctx context.Context, servers []string) error {
	const most = 4
	trusted := f.profile.SignIn.TrustedIssuers
	servers = slices.Clone(servers[:min(len(servers), most)])
	slices.SortStableFunc(servers, func(a, b string) int {
		return btoi(slices.Contains(trusted, b)) - btoi(slices.Contains(trusted, a))
	})
	var failed error
	for _, server := range servers {
		m, err := f.web.findMetadata(ctx, server, trusted)
		if err == nil {
			f.meta, f.at = m, server
			return nil
		}
		if failed == nil {
			failed = err
		}
	}
	return failed
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// resourceFor is the resource parameter: what the profile says, what the metadata says, or,
// without any, the target, except for providers known to refuse it.
func resourceFor(p profile.Profile, named, issuer string) string {
	switch mode := p.SignIn.Resource; {
	case mode == profile.ResourceOmit:
		return ""
	case mode != profile.ResourceAuto:
		return mode
	case quirksOf(issuer).noResource:
		return ""
	case named != "":
		return named
	}
	return canonicalTarget(p.Target, false)
}

// changedProvider tells a person, once, that a target names another issuer than it did.
// What was stored for the old one is never sent to the new one either way.
func (g *grant) changedProvider(f *found) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	rec := g.rec
	if rec == nil || rec.FoundAt == f.at || rec.Issuer == f.meta.issuer || f.at == "" || slices.Contains(f.profile.SignIn.TrustedIssuers, f.at) {
		return nil
	}
	e := refusedBy(fmt.Sprintf("%s had people sign in at %s, now it names %s",
		hostOf(f.profile.Target), clean(rec.Issuer, 100), clean(f.meta.issuer, 100)), "")
	e.Summary = "the sign-in provider has changed"
	if !rec.Dynamic {
		e.Action = "If you expect that, add it to sign_in.trusted_issuers of the profile"
		return e
	}
	if g.reviewed == f.meta.issuer {
		return nil
	}
	g.reviewed = f.meta.issuer
	e.Action = "If you expect that, sign in again"
	return e
}
