package oauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/url"
	"strconv"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// redirectFor is the redirect URI of a sign-in. A registered one is fixed; a client that
// registers itself gets a path of its own for each issuer (RFC 9700 §4.4.2).
func (g *grant) redirectFor(f *found) (*url.URL, error) {
	if fixed := f.profile.SignIn.RedirectURL; fixed != "" {
		return checkRedirect(fixed)
	}
	own := g.ownRedirect(f)
	if f.profile.SignIn.ClientID == "" {
		own += "/" + digest(f.meta.issuer)[:8]
	}
	return checkRedirect(own)
}

// ownRedirect is the redirect URI of a client that somebody registered by hand.
func (g *grant) ownRedirect(f *found) string {
	if fixed := f.profile.SignIn.RedirectURL; fixed != "" {
		return fixed
	}
	settings := g.s.currentSettings()
	return "http://" + net.JoinHostPort(cmp.Or(settings.RedirectHost, "localhost"), strconv.Itoa(settings.RedirectPort)) + "/callback"
}

// receiveAt opens the port the browser will come back to. When it is busy, only a client
// that registers itself can move to another.
func (g *grant) receiveAt(f *found, a *attempt) (*visit, *url.URL, error) {
	wanted, err := g.redirectFor(f)
	if err != nil {
		return nil, nil, err
	}
	f.ownRedirect = g.ownRedirect(f)
	if err := checkClient(f); err != nil {
		return nil, nil, err
	}
	v := newVisit(rand.Text(), a.life, func(note string) { g.noteAnswer(a, note) })
	at, err := g.s.doors.expect(wanted, v)
	if si := f.profile.SignIn; errors.Is(err, errPortBusy) && si.ClientID == "" && si.RedirectURL == "" {
		free := *wanted
		free.Host = net.JoinHostPort(wanted.Hostname(), "0")
		at, err = g.s.doors.expect(&free, v)
	}
	switch {
	case errors.Is(err, errPortBusy):
		return nil, nil, g.s.portBusy(wanted)
	case err != nil:
		return nil, nil, &Error{Code: status.SignInFailed, Summary: "port " + portOf(wanted) + " cannot be opened",
			Detail: clean(err.Error(), 160), Action: "Set settings.redirect_port to another port", Err: err}
	}
	return v, at, nil
}

// noteAnswer tells people of an answer that did not count.
func (g *grant) noteAnswer(a *attempt, note string) {
	g.mu.Lock()
	a.note = note
	g.mu.Unlock()
	g.changed()
}

// checkClient finds out early that there is no way to a client.
func checkClient(f *found) error {
	si := f.profile.SignIn
	switch {
	case si.ClientID != "":
		return nil
	case si.Registration == profile.RegistrationStatic:
		return needsClient(f, "sign_in.registration is static, but there is no client_id")
	case f.meta.registration == "":
		return needsClient(f, hostOf(f.meta.authorization)+" does not register clients by itself")
	}
	return nil
}

// clientFor is the client to sign in with: the configured one, or one that registers
// itself. A registration at a port taken by chance is not kept.
func (g *grant) clientFor(ctx context.Context, f *found, redirect *url.URL) (c client, reused bool, err error) {
	si := f.profile.SignIn
	if si.ClientID == "" {
		wanted, err := g.redirectFor(f)
		keep := err == nil && wanted.Host == redirect.Host
		return g.registered(ctx, f, redirect.String(), keep)
	}
	c = client{id: si.ClientID}
	if c.method, err = pickAuth(si.TokenAuth, !si.ClientSecret.IsZero(), &f.meta, si.TokenURL != ""); err != nil {
		return client{}, false, err
	}
	if c.method != authNone {
		c.secret, err = g.clientSecret(ctx)
	}
	return c, false, err
}

// clientSecret reads the configured secret afresh: the file may have changed.
func (g *grant) clientSecret(ctx context.Context) (string, error) {
	secret, err := g.s.secret(ctx, g.present().SignIn.ClientSecret)
	if err != nil {
		return "", profileError("the client secret cannot be read: "+clean(err.Error(), 200), "Check sign_in.client_secret of the profile")
	}
	return secret, nil
}
