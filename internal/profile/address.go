package profile

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The URLs of a file. Every check answers what is wrong, "" for nothing, and never
// repeats the URL: it may hold a key in its query.

const secureShape = `^(https://[^/?#@\\\s]+|http://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?)([/?][^#\\\s]*)?$`

var (
	target = text{like: "a URL such as https://mcp.example.com/mcp", shape: secureShape,
		check: link(overTLS, noDots)}
	issuer = text{like: "a URL such as https://auth.example.com", shape: secureShape,
		check: link(overTLS, noQuery)}
	endpoint = text{like: "a URL such as https://auth.example.com/token", shape: secureShape,
		check: link(overTLS)}
	redirect = text{like: "a URL such as http://localhost:8666/callback",
		shape: `^http://(localhost|127\.0\.0\.1|\[::1\]):[1-9][0-9]{0,4}(/[^?#\\\s]*)?$`,
		check: link(loopbackRedirect, noQuery, noDots)}
	origin = text{like: "an origin such as https://app.example.com",
		shape: `^[a-z][a-z0-9+.-]*://[^/?#@\\\s]+$`,
		check: originProblem}
)

// link makes a check of an absolute URL with a host.
func link(rules ...func(*url.URL) string) func(string) string {
	return func(s string) string {
		u, wrong := absolute(s)
		if wrong == "" && u.User != nil {
			wrong = "must not have a user or password in front of the host"
		}
		for _, rule := range rules {
			if wrong == "" {
				wrong = rule(u)
			}
		}
		return wrong
	}
}

// absolute parses a URL and judges its host and port.
func absolute(s string) (*url.URL, string) {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return nil, `must not have a space, a control character or a \ in it`
	}
	u, err := url.Parse(s)
	switch {
	case err != nil && strings.Contains(err.Error(), "invalid port"):
		return nil, badPort
	case err != nil:
		return nil, "is not a valid URL"
	case u.Scheme == "" || u.Opaque != "" || u.Host == "":
		return nil, "must be a whole URL such as https://example.com/path"
	case u.Fragment != "" || strings.Contains(s, "#"):
		return nil, "must not have a # in it"
	}
	return u, hostProblem(u)
}

const badPort = "has a bad port (it must be from 1 to 65535)"

var hostName = lazily(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

func hostProblem(u *url.URL) string {
	host := u.Hostname()
	switch {
	case strings.ContainsFunc(host, func(r rune) bool { return r > 0x7f }):
		return "must have its host in ASCII (xn--…)"
	case strings.HasPrefix(u.Host, "["):
		if ip, err := netip.ParseAddr(host); err != nil || ip.Zone() != "" {
			return "has a bad IPv6 address"
		}
	case len(host) > 253 || !hostName.MatchString(host):
		return "has a bad host name"
	}
	if _, ok := portNumber(u.Port()); strings.HasSuffix(u.Host, ":") || u.Port() != "" && !ok {
		return badPort
	}
	return ""
}

// portNumber reads a port from 1 to 65535.
func portNumber(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= 65535 && strconv.Itoa(n) == s
}

// loopback reports whether a host is this computer whatever a name server says.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

func overTLS(u *url.URL) string {
	switch {
	case u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	case u.Scheme == "http":
		return "must start with https:// (http:// sends tokens readable over the network and is only for localhost and 127.0.0.1)"
	}
	return "must start with https://"
}

func noQuery(u *url.URL) string {
	if u.RawQuery != "" || u.ForceQuery {
		return "must not have a query (?)"
	}
	return ""
}

func noDots(u *url.URL) string {
	if hasDots(u.EscapedPath()) {
		return "must not have . or .. as a part of its path"
	}
	return ""
}

// hasDots finds dot segments, encoded ones too.
func hasDots(path string) bool {
	plain := strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%5c", "/", "%5C", "/").Replace(path)
	return slices.ContainsFunc(strings.Split(plain, "/"), func(part string) bool {
		part, _, _ = strings.Cut(part, ";")
		return part == "." || part == ".."
	})
}

func loopbackRedirect(u *url.URL) string {
	switch {
	case u.Scheme != "http":
		return "must start with http:// (the browser comes back to this computer, where nobody has a certificate)"
	case !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()):
		return "must have localhost, 127.0.0.1 or [::1] as its host (the browser has to come back to this computer)"
	case u.Port() == "":
		return "must name its port, as in http://localhost:8666/callback"
	}
	return ""
}

func originProblem(s string) string {
	u, wrong := absolute(s)
	switch {
	case s == "*" || s == "null":
		return "must name one origin such as https://app.example.com"
	case wrong != "":
		return wrong
	case u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery:
		return "must be only scheme, host and port, as in https://app.example.com"
	case s != strings.ToLower(s):
		return "must be in lower case, as browsers send it"
	case u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80":
		return "must not name the default port, as browsers do not send it"
	}
	return ""
}

// resource is auto, omit or the exact identifier (RFC 8707 section 2).
var resource = text{
	like:  "auto, omit or an absolute URI",
	shape: `^(auto|omit|[A-Za-z][A-Za-z0-9+.-]*:[^#\s]+)$`,
	check: func(s string) string {
		if s == ResourceAuto || s == ResourceOmit {
			return ""
		}
		u, err := url.Parse(s)
		switch near := nearest(s, []string{ResourceAuto, ResourceOmit}); {
		case near != "":
			return "must be auto, omit or an absolute URI (did you mean " + strconv.Quote(near) + "?)"
		case err != nil || !u.IsAbs() || u.Opaque == "" && u.Host == "" && u.Path == "" || strings.ContainsAny(s, " \t\r\n"):
			return "must be auto, omit or an absolute URI"
		case strings.Contains(s, "#"):
			return "must not have a # in it (RFC 8707)"
		case u.User != nil:
			return "must not have a user or password in front of the host"
		}
		return ""
	},
}

// outgoing is the address of an HTTP or SOCKS proxy.
var outgoing = text{
	like:    "a URL such as http://proxy.example.com:3128",
	shape:   `^(https?|socks5h?)://[^/?#\\\s]+/?$`,
	instead: "remove it here and set HTTPS_PROXY in the environment instead",
	secret: func(s string) bool {
		u, err := url.Parse(s)
		return err == nil && u.User != nil
	},
	check: func(s string) string {
		u, wrong := absolute(s)
		switch {
		case wrong != "":
			return wrong
		case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme):
			return "must start with http://, https:// or socks5://"
		case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery:
			return "must be only scheme, host and port, as in http://proxy.example.com:3128"
		}
		return ""
	},
}

// listen is where a profile is served. Other computers cannot be let in: the
// listener carries the user's own sign-in.
var listen = text{
	like:  "an address such as 127.0.0.1:7801",
	shape: `^(127\.0\.0\.1|localhost|\[::1\]):(0|[1-9][0-9]{0,4})$`,
	check: func(s string) string {
		const why = "must be on 127.0.0.1, localhost or [::1]"
		i := strings.LastIndexByte(s, ':')
		if i < 0 || strings.HasSuffix(s, "]") || strings.Count(s, ":") > 1 && s[0] != '[' {
			return "must be an address with a port such as 127.0.0.1:7801"
		}
		host, port := s[:i], s[i+1:]
		switch _, ok := portNumber(port); {
		case host == "":
			return why + " (without a host every computer on the network could use your sign-in)"
		case !slices.Contains([]string{"127.0.0.1", "localhost", "[::1]"}, host):
			return why + " (other computers on the network must not be able to use your sign-in)"
		case !ok && port != "0":
			return "must have a port from 1 to 65535 (or 0: a new one each start)"
		}
		return ""
	},
}

// localPath is where the endpoint lies on the listener.
var localPath = text{
	like:  "a path such as /mcp",
	shape: `^/[A-Za-z0-9._~!$&'()*+,=:@/-]*$`,
	check: pathProblem,
}

var pathText = lazily(`^/[A-Za-z0-9._~!$&'()*+,=:@/-]*$`)

func pathProblem(s string) string {
	switch {
	case !strings.HasPrefix(s, "/"):
		return "must start with /"
	case strings.ContainsAny(s, "?#"):
		return "must not have a ? or # in it (a query belongs into target)"
	case !pathText.MatchString(s):
		return "may only have letters, digits and -._~!$&'()*+,=:@/ in it"
	case hasDots(s) || strings.Contains(s, "//"):
		return "must not have . or .. or nothing between two /"
	}
	return ""
}

// ownPaths are answered by the listener itself.
var ownPaths = []string{"/healthz", "/.well-known", "/oauth/register"}

func reserved(path string) bool {
	return slices.ContainsFunc(ownPaths, func(own string) bool {
		return path == own || strings.HasPrefix(path, own+"/")
	})
}
