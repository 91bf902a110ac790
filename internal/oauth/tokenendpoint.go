package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Ways a client names itself at the token endpoint (RFC 6749 §2.3, RFC 8414).
const (
	authAuto  = "auto"
	authNone  = "none"
	authPost  = "client_secret_post"
	authBasic = "client_secret_basic"
)

// client is who we are at one authorization server.
type client struct {
	id      string
	secret  string
	method  string // exactly one way, never found out by trying
	dynamic bool
}

// verdict is what an answer of a token endpoint means for the sign-in.
type verdict int

const (
	transient    verdict = iota // try again later, keep everything
	blocked                     // TLS: keep everything
	configured                  // somebody has to change a setting
	unknownOwner                // the client is not known there
	ended                       // the grant is
)

// failure is an answer that brought no token.
type failure struct {
	verdict verdict
	told    bool // the server itself said no
	unsent  bool // nothing reached the server
	lost    bool // the request may have been acted upon and the answer gone missing
	code    string
	err     *Error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// verdicts is RFC 6749 §5.2, RFC 8707 §2 and what common providers say instead.
var verdicts = map[string]verdict{
	"invalid_grant":          ended,
	"bad_refresh_token":      ended, // GitHub
	"bad_verification_code":  ended, // GitHub
	"invalid_refresh_token":  ended, // Slack
	"invalid_code":           ended, // Slack
	"token_revoked":          ended, // Slack
	"invalid_client":         unknownOwner,
	"unauthorized_client":    unknownOwner,
	"invalid_client_id":      unknownOwner, // Slack
	"bad_client_secret":      unknownOwner, // Slack
	"invalid_scope":          configured,
	"invalid_target":         configured,
	"invalid_request":        configured,
	"unsupported_grant_type": configured,
	"redirect_uri_mismatch":  configured,

	"incorrect_client_credentials": unknownOwner, // GitHub
	"temporarily_unavailable":      transient,
	"server_error":                 transient,
	"slow_down":                    transient,
}

// hints say which key of the profile an error is about.
var hints = map[string]string{
	"invalid_scope":  "Check sign_in.scopes of the profile",
	"invalid_target": "Set sign_in.resource of the profile to omit, or to the value the provider expects",
}

// post sends form to a token endpoint. The answer may hold a refresh token worth keeping
// even when there is a failure.
func (w *web) post(ctx context.Context, endpoint string, c client, form url.Values) (tokenAnswer, *failure) {
	host := hostOf(endpoint)
	r, err := w.credentialed(ctx, "token_endpoint", endpoint, c, form)
	if err != nil {
		return tokenAnswer{}, &failure{verdict: configured, unsent: true, err: unaskable(host, status.IDPUnavailable, err)}
	}
	reply, err := w.do(r, tokenLimit, false)
	if err != nil {
		f := &failure{lost: mayBeSent(err), unsent: !mayBeSent(err), err: unreachable(host, status.IDPUnavailable, err)}
		if f.err.Code == status.ProviderRefused {
			f.verdict = configured
		} else if isTLS(err) {
			f.verdict = blocked
		}
		return tokenAnswer{}, f
	}
	a := readTokenAnswer(reply.body)
	a.errText = withoutSecrets(a.errText, c, form)
	return a, classify(reply, &a)
}

// withoutSecrets takes what we sent in confidence out of a text that a provider sent back.
func withoutSecrets(text string, c client, form url.Values) string {
	for _, secret := range []string{c.secret, form.Get("refresh_token"), form.Get("code"), form.Get("code_verifier"), form.Get("token")} {
		for _, written := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			if written != "" {
				text = strings.ReplaceAll(text, written, "[redacted]")
			}
		}
	}
	return text
}

// credentialed is a POST that carries secrets: to a checked URL, in exactly one way.
func (w *web) credentialed(ctx context.Context, what, endpoint string, c client, form url.Values) (*http.Request, error) {
	u, err := w.fence.url(what, endpoint)
	if err != nil {
		return nil, err
	}
	switch c.method {
	case authPost:
		form.Set("client_secret", c.secret)
		fallthrough
	case authNone:
		form.Set("client_id", c.id)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if c.method == authBasic {
		pair := url.QueryEscape(c.id) + ":" + url.QueryEscape(c.secret)
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	return r, nil
}

// classify says what an answer means; nil means that it brought a usable access token.
func classify(r *reply, a *tokenAnswer) *failure {
	if v, known := verdicts[a.err]; known && saysNo(r.status) {
		return declined(r, a, v)
	}
	f := &failure{err: &Error{Code: status.IDPUnavailable, Summary: "unexpected answer from " + r.host, RetryAfter: retryAfter(r.header)}}
	switch {
	case r.status < 200 || r.status >= 300:
		f.err.Detail = r.odd()
	case a.fault() == "":
		return nil
	default:
		f.err.Detail = a.fault()
		f.lost = a.begun && a.malformed
	}
	if a.err != "" {
		f.err.Detail += " (" + clean(a.err, 40) + ")"
	}
	return f
}

// saysNo reports whether an error with that status is the server's word. GitHub sends
// errors with 200; what comes with 5xx or "too many" is a passing state.
func saysNo(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return code >= 200 && code < 300 || code >= 400 && code < 500
}

func declined(r *reply, a *tokenAnswer, v verdict) *failure {
	name := clean(a.err, 40)
	f := &failure{verdict: v, told: true, code: a.err, err: &Error{
		Code:    status.ProviderRefused,
		Summary: r.host + " says " + name,
		Detail:  clean(a.errText, 200),
		Action:  hints[a.err],
	}}
	if v == transient {
		f.err.Code, f.err.RetryAfter = status.IDPUnavailable, retryAfter(r.header)
	}
	if strings.Contains(a.errText, "AADSTS9010010") {
		f.err.Action = hints["invalid_target"]
	}
	return f
}

// mayBeSent reports whether a request whose sending failed may have been acted upon.
func mayBeSent(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	var refused *refusedAddress
	switch {
	case errors.As(err, &dns), errors.As(err, &refused), isTLS(err):
		return false
	case errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect"):
		return false
	}
	return true
}

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = time.Hour

// retryAfter reads Retry-After (RFC 9110 §10.2.3); 0 when there is none that makes sense.
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseFloat(v, 64); err == nil && n > 0 {
		return time.Duration(min(n, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, min(time.Until(at), maxRetryAfter))
	}
	return 0
}

// pickAuth chooses how a client with, or without, a secret names itself.
func pickAuth(configured string, secret bool, m *metadata, typed bool) (string, error) {
	switch {
	case configured != "" && configured != authAuto:
		if configured != authNone && !secret {
			return "", profileError("sign_in.token_auth is "+configured+", but there is no client secret", "Set sign_in.client_secret_file")
		}
		return configured, nil
	case !secret:
		return authNone, nil
	case typed:
		return authPost, nil
	case m.tokenAuth == nil:
		return authBasic, nil // RFC 8414 §2: the default when nothing is said
	}
	for _, method := range []string{authPost, authBasic} {
		if slices.Contains(m.tokenAuth, method) {
			return method, nil
		}
	}
	return "", refusedBy(hostOf(m.token)+" takes no client secret in a way that is known here", "Set sign_in.token_auth of the profile")
}
