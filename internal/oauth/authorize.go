package oauth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// request is one authorization request (RFC 6749 §4.1.1) and what its answer is judged by.
// All of it is fixed before a browser is opened.
type request struct {
	found    *found
	client   client
	redirect string
	state    string
	nonce    string // empty unless openid is asked for
	verifier string
	issuer   string   // the only one whose answer counts; empty: not known
	trusted  []string // further issuer values
	promised bool     // the answer must carry iss (RFC 9207)
}

func newRequest(f *found, c client, redirect, state string, promised bool) *request {
	r := &request{
		found: f, client: c, redirect: redirect,
		state: state, verifier: oauth2.GenerateVerifier(),
		issuer: f.meta.issuer, trusted: f.profile.SignIn.TrustedIssuers, promised: promised || f.meta.iss,
	}
	if slices.Contains(f.scopes, scopeOpenID) {
		r.nonce = rand.Text()
	}
	return r
}

// checkPKCE refuses a server that does not say it supports S256 (MCP authorization,
// "Authorization Code Protection"). Only the operator can say so in its place.
func checkPKCE(f *found) error {
	si := f.profile.SignIn
	if si.TokenURL != "" || slices.Contains(f.meta.pkce, "S256") || si.AssumePKCE && si.ClientID != "" {
		return nil
	}
	why := "its metadata has no code_challenge_methods_supported"
	if f.meta.pkce != nil {
		why = "code_challenge_methods_supported in its metadata lacks S256"
	}
	action := "If it supports PKCE nevertheless, set sign_in.assume_pkce: true"
	if si.ClientID == "" {
		action += " together with sign_in.client_id"
	}
	return refusedBy(hostOf(f.meta.issuer)+" does not say that it protects sign-ins with PKCE: "+why, action)
}

// url is where the browser is sent. It is parsed and written anew, so that nothing of a
// foreign string reaches the browser as it came.
func (r *request) url() (string, error) {
	base, err := r.found.web.fence.url("authorization_endpoint", r.found.meta.authorization)
	if err != nil {
		return "", unaskable(hostOf(r.found.meta.authorization), status.IDPUnavailable, err)
	}
	own, err := url.ParseQuery(base.RawQuery)
	if err != nil {
		return "", refusedBy("authorization_endpoint has an unreadable query (host "+base.Host+")", "Tell the operator of the provider")
	}
	base.RawQuery = ""
	u, err := url.Parse(r.config(base.String()).AuthCodeURL(r.state, r.options()...))
	if err != nil {
		return "", err
	}
	q := u.Query()
	for name, values := range own {
		if q.Has(name) {
			return "", refusedBy("authorization_endpoint sets "+clean(name, 40)+" itself (host "+base.Host+")", "Tell the operator of the provider")
		}
		q[name] = values
	}
	u.RawQuery = q.Encode()
	const longest = 8 << 10
	if s := u.String(); len(s) <= longest {
		return s, nil
	}
	return "", refusedBy("the sign-in address of "+base.Host+" is too long", "Set sign_in.scopes of the profile to the few it needs")
}

// config is x/oauth2's view of the request; its token calls are not used.
func (r *request) config(endpoint string) *oauth2.Config {
	c := &oauth2.Config{
		ClientID:    r.client.id,
		RedirectURL: r.redirect,
		Endpoint:    oauth2.Endpoint{AuthURL: endpoint, TokenURL: r.found.meta.token, AuthStyle: oauth2.AuthStyleInParams},
	}
	if r.found.profile.SignIn.ScopeParam == "scope" {
		c.Scopes = r.found.scopes
	}
	return c
}

func (r *request) options() []oauth2.AuthCodeOption {
	si := r.found.profile.SignIn
	set := map[string]string{}
	if si.ScopeParam != "scope" && len(r.found.scopes) > 0 {
		set[si.ScopeParam] = strings.Join(r.found.scopes, " ")
	}
	if r.found.resource != "" {
		set["resource"] = r.found.resource
	}
	if r.nonce != "" {
		set["nonce"] = r.nonce
	}
	if slices.Contains(r.found.scopes, scopeOffline) {
		set["prompt"] = "consent" // OpenID Connect Core §11
	}
	for _, more := range []map[string]string{quirksOf(r.found.at).params, si.AuthorizeParams} {
		for name, value := range more {
			set[name] = value
		}
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(r.verifier)}
	for name, value := range set {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	return options
}

// reservedParams refuses extra parameters that are the protocol's own.
func reservedParams(extra map[string]string) error {
	own := []string{"response_type", "response_mode", "client_id", "redirect_uri", "state", "scope", "nonce", "code_challenge", "code_challenge_method", "resource", "request", "request_uri"}
	for name := range extra {
		if slices.Contains(own, name) {
			return profileError("sign_in.authorize_params may not set "+name, "Remove it there; resource and scopes have keys of their own")
		}
	}
	return nil
}

// answer judges an authorization response whose state was right: iss first, then errors,
// then the code (RFC 6749 §4.1.2, RFC 9207 §2.4). On a wrong iss nothing else of the
// response is looked at.
func (r *request) answer(q url.Values) (code string, err error) {
	iss := q.Get("iss")
	switch {
	case iss == "" && !q.Has("iss"):
		if r.promised {
			return "", wrongIssuer("the answer does not say which provider it is from, though " + hostOf(r.issuer) + " promises to")
		}
	case r.issuer != "" && iss != r.issuer && !slices.Contains(r.trusted, iss):
		return "", wrongIssuer(fmt.Sprintf("the answer is from another provider than %s", hostOf(r.issuer)))
	}
	if q.Has("error") {
		return "", declinedBy(hostOf(r.found.meta.authorization), q)
	}
	if q.Get("code") == "" {
		return "", &Error{Code: status.SignInFailed, Summary: "the provider's answer has no code"}
	}
	return q.Get("code"), nil
}

func wrongIssuer(detail string) *Error {
	return &Error{Code: status.SignInFailed, Summary: "a sign-in answer was not trusted", Detail: detail,
		Action: "Sign in again; if it happens again, tell the operator of the provider"}
}

// errDeclined marks a sign-in that a person, or the provider's rules, said no to.
var errDeclined = errors.New("access_denied")

func declinedBy(host string, q url.Values) *Error {
	e := &Error{Code: status.SignInFailed, Summary: "the sign-in was declined at the provider",
		Detail: host + " says " + clean(q.Get("error"), 40)}
	if text := clean(q.Get("error_description"), 200); text != "" {
		e.Detail += ": " + text
	}
	e.Action = hints[q.Get("error")]
	if q.Get("error") == "access_denied" {
		e.Err = errDeclined
	} else {
		e.Summary = "the provider refused the sign-in"
	}
	return e
}
