package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Error is every error that a face or a request may see.
type Error struct {
	Code       status.Code
	Summary    string // one line, at most about 60 characters
	Detail     string // names hosts, never paths or queries
	Action     string // what the person should do next
	RetryAfter time.Duration
	Wait       <-chan struct{} // closed when the sign-in under way ends; nil when there is none
	Err        error
}

// Error is one line: what, where, what to do next.
func (e *Error) Error() string {
	s := e.Summary
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Action != "" {
		s = strings.TrimSuffix(s, ".") + ". " + e.Action
	}
	return s
}

// Unwrap is the cause, nil when there is none of its own.
func (e *Error) Unwrap() error { return e.Err }

func profileError(detail, action string) *Error {
	return &Error{Code: status.ProfileError, Summary: "the profile has a setting that cannot be used", Detail: detail, Action: action}
}

func refusedBy(detail, action string) *Error {
	return &Error{Code: status.ProviderRefused, Summary: "the sign-in cannot be set up", Detail: detail, Action: action}
}

// storeTrouble is what a Store said, as it is told to people.
func storeTrouble(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return &Error{Code: status.SecretStoreAbsent, Summary: "the secret store cannot be used", Detail: clean(err.Error(), 200),
		Action: "Check the disk that holds the app's state folder", Err: err}
}

// asError makes an *Error of any error of this package.
func asError(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return &Error{Code: status.SignInFailed, Summary: "the sign-in failed", Detail: clean(err.Error(), 200), Err: err}
}

func asErrorOrNil(err error) *Error {
	if err == nil {
		return nil
	}
	return asError(err)
}

// unreachable explains why a host could not be asked. Nothing of the request but the
// host is told.
func unreachable(host string, code status.Code, err error) *Error {
	e := &Error{Code: code, Summary: host + " cannot be reached", Detail: reason(err), Err: err}
	var certificate *tls.CertificateVerificationError
	var refused *refusedAddress
	switch {
	case errors.As(err, &certificate):
		e.Summary = "the certificate of " + host + " is not trusted"
		if len(certificate.UnverifiedCertificates) > 0 {
			e.Detail = "it was issued by " + issuerName(certificate.UnverifiedCertificates[0])
		}
		e.Action = "If your organisation inspects traffic, set tls.ca_file to its certificate"
	case errors.As(err, &refused):
		e.Code, e.Action = status.ProviderRefused, refused.action()
		e.Summary = host + " is not asked"
	}
	return e
}

// unaskable is a host that does not answer, or a URL that is not asked at all.
func unaskable(host string, code status.Code, err error) *Error {
	var network *url.Error
	var refused *refusedAddress
	if errors.As(err, &network) || errors.As(err, &refused) {
		return unreachable(host, code, err)
	}
	return refusedBy(err.Error(), "Tell the operator of the server, or set sign_in.issuer of the profile")
}

func issuerName(c *x509.Certificate) string {
	if c.Issuer.CommonName != "" {
		return clean(c.Issuer.CommonName, 80)
	}
	return clean(c.Issuer.String(), 80)
}

// isTLS reports that no secure connection came about, so that nothing was sent.
func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert)
}

// reason is the innermost useful text of a network error, without any URL.
func reason(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "its name is not known here"
	case errors.As(err, &dns):
		return "its name could not be looked up"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "it did not answer in time"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return clean(withoutURLs(err.Error()), 160)
}

var urls = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`https?://[^\s"']+`) })

// withoutURLs leaves of each URL in a library's message the host.
func withoutURLs(s string) string { return urls().ReplaceAllStringFunc(s, hostOf) }

// clean makes foreign text fit for one line of a person's screen: printable characters
// only, at most n of them.
func clean(s string, n int) string {
	var b strings.Builder
	for _, r := range s {
		if n == 0 {
			b.WriteRune('…')
			break
		}
		switch {
		case unicode.IsSpace(r):
			r = ' '
		case !unicode.IsPrint(r) || r == unicode.ReplacementChar:
			continue
		}
		b.WriteRune(r)
		n--
	}
	return strings.TrimSpace(b.String())
}

// hostOf is the host of a URL as people are shown it.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "an unreadable address"
	}
	return clean(u.Host, 100)
}
