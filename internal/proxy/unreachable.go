package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// unreachable is a round trip that got no answer.
func unreachable(ctx context.Context, err error) *failure {
	if ctx.Err() != nil {
		return shuttingDown
	}
	return explain(err)
}

// explain turns an error of an exchange with the target into what a person can act on.
// It names hosts, never paths, and shows nothing that the target sent: that could be
// the token.
func explain(err error) *failure {
	for _, one := range explanations {
		if f := one(err); f != nil {
			if f.code == "" {
				f.code = status.UpstreamUnreachable
			}
			return f
		}
	}
	return badAnswer("it broke off, or is not proper HTTP")
}

// explanations are tried in this order; nil means that it is something else.
var explanations = []func(error) *failure{viaProxy, badCertificate, noTLS, nameUnknown, tooLate, notConnected, brokeOff}

// proxyRefused is a proxy's answer to CONNECT.
type proxyRefused struct {
	host string
	code int
}

func (e *proxyRefused) Error() string {
	return "proxy " + e.host + " answered " + strconv.Itoa(e.code)
}

// refusedByProxy is for http.Transport.OnProxyConnectResponse.
func refusedByProxy(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyRefused{proxy.Host, answer.StatusCode}
}

// viaProxy is trouble with the proxy on the way rather than with the target.
func viaProxy(err error) *failure {
	const action = "Check proxy_url of this profile, or HTTPS_PROXY and NO_PROXY"
	var refused *proxyRefused
	var op, dial *net.OpError
	var dns *net.DNSError
	name := "on the way"
	switch {
	case errors.As(err, &refused):
		return &failure{says: oneLine(refused.Error()), action: action}
	case !errors.As(err, &op) || op.Op != "proxyconnect":
		return nil
	case errors.As(op.Err, &dns):
		name = dns.Name
	case errors.As(op.Err, &dial) && dial.Addr != nil:
		name = dial.Addr.String()
	}
	return &failure{says: "the proxy " + name + " cannot be reached", action: action}
}

// noTLS is a server that does not speak TLS, or not with us.
func noTLS(err error) *failure {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return &failure{says: "the server does not speak TLS", action: "Check whether the target should be http://"}
	case errors.As(err, &alert):
		return &failure{says: "the server refuses the TLS connection (" + alert.Error() + ")", action: "Check the target"}
	}
	return nil
}

func badCertificate(err error) *failure {
	var bad *tls.CertificateVerificationError
	if !errors.As(err, &bad) {
		return nil
	}
	issuer := "an unknown issuer"
	if len(bad.UnverifiedCertificates) > 0 {
		issuer = bad.UnverifiedCertificates[0].Issuer.String()
	}
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	switch {
	case errors.As(err, &host):
		return &failure{says: "the server's certificate is for another name (issued by " + issuer + ")",
			action: "Check the target, or whether this network wants a login page"}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return &failure{says: "the server's certificate has expired or is not valid yet (issued by " + issuer + ")",
			action: "Check this computer's clock, or tell the server's operator"}
	}
	return &failure{says: "the server's certificate is not trusted (issued by " + issuer + ")",
		action: "If that issuer is your company's, set tls.ca_file to its certificate"}
}

func nameUnknown(err error) *failure {
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		return nil
	}
	return &failure{says: "the name " + dns.Name + " was not found", action: "Check the network connection and the target"}
}

func tooLate(err error) *failure {
	var slow net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) && !(errors.As(err, &slow) && slow.Timeout()) {
		return nil
	}
	return &failure{code: status.UpstreamTimeout, says: "the server did not answer in time",
		action: "Check the network connection, then try again"}
}

func notConnected(err error) *failure {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" {
		return nil
	}
	says := "the server cannot be reached"
	if errors.Is(err, syscall.ECONNREFUSED) {
		says = "the server refuses connections"
	}
	return &failure{says: says, action: "Check the network connection and the target"}
}

// brokeOff is a connection lost after the request began to be sent. Nothing is sent
// again then: the server may have acted on it.
func brokeOff(err error) *failure {
	var op *net.OpError
	if !errors.As(err, &op) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return &failure{says: "the connection to the server was lost", action: "Try again"}
}
