package proxy

import (
	"net/http"
	"slices"
	"strings"
)

// hopByHop never pass, in either direction (RFC 9110 section 7.6.1). Connection can
// name no others: the gate refuses that.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Http2-Settings", "Expect",
}

// withheld pass to the target only when headers.forward lists them: the caller's
// credentials, what would identify it as a local page, and what claims a route.
var withheld = []string{
	"Authorization", "Cookie", "Proxy-Authorization", "Origin", "Referer",
	"Forwarded", "Via", "X-Real-Ip", "X-Original-Url", "X-Rewrite-Url", "X-Mcpauth-Key",
	"Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User",
	"Access-Control-Request-Private-Network",
}

// dropped do not reach the client: they would act on the loopback origin, start the
// client's own sign-in, or lead it around us.
var dropped = setOf(hopByHop, []string{
	"Set-Cookie", "Set-Cookie2", "Www-Authenticate", "Proxy-Authenticate", "Proxy-Authentication-Info",
	"Strict-Transport-Security", "Public-Key-Pins", "Clear-Site-Data", "Alt-Svc", "Refresh", "Link", "Location",
	"Content-Location", "Report-To", "Reporting-Endpoints", "Nel", "Service-Worker-Allowed", "Sourcemap",
})

func setOf(lists ...[]string) map[string]bool {
	set := map[string]bool{}
	for _, name := range slices.Concat(lists...) {
		set[name] = true
	}
	return set
}

// headerRules turn a client's request headers into those for the target.
type headerRules struct {
	drop    map[string]bool
	forward map[string]bool
	set     http.Header
	host    string // overrides Host, usually empty
}

func newHeaderRules(forward []string, set http.Header) headerRules {
	rules := headerRules{drop: setOf(hopByHop, withheld), forward: map[string]bool{}, set: http.Header{}}
	for _, name := range forward {
		name = http.CanonicalHeaderKey(name)
		if !slices.Contains(hopByHop, name) {
			delete(rules.drop, name)
			rules.forward[name] = true
		}
	}
	for name, values := range set {
		name = http.CanonicalHeaderKey(name)
		if name == "Host" && len(values) > 0 {
			rules.host = values[0]
			continue
		}
		rules.set[name] = slices.Clone(values)
	}
	return rules
}

// clean takes over header and returns it as the target may see it.
func (rules *headerRules) clean(header http.Header) http.Header {
	for name := range header {
		if rules.drop[name] || smuggled(name) && !rules.forward[name] {
			delete(header, name)
		}
	}
	for name, values := range rules.set {
		header[name] = values
	}
	if _, told := header["User-Agent"]; !told {
		header["User-Agent"] = noUserAgent
	}
	return header
}

// noUserAgent keeps net/http from adding its own.
var noUserAgent = []string{""}

// smuggled reports names that servers may read as another header: an underscore is a
// hyphen to CGI, and X-Forwarded headers are believed.
func smuggled(name string) bool {
	return strings.HasPrefix(name, "X-Forwarded-") || strings.IndexByte(name, '_') >= 0
}

// answerHeader adds to dst what the client may see of an answer. Values that hold the
// token are left out.
func answerHeader(dst, src http.Header, token string) {
	vary := dst["Vary"]
	for name, values := range src {
		if dropped[name] || strings.HasPrefix(name, "Access-Control-") || holds(values, token) {
			continue
		}
		dst[name] = values
	}
	if vary != nil {
		dst["Vary"] = append(vary, src["Vary"]...)
	}
	dst["X-Content-Type-Options"] = noSniff
	if _, told := src["Content-Type"]; !told {
		dst["Content-Type"] = nil // keeps net/http from guessing one
	}
}

var noSniff = []string{"nosniff"}

func holds(values []string, token string) bool {
	if token == "" {
		return false
	}
	for _, value := range values {
		if len(value) >= len(token) && strings.Contains(value, token) {
			return true
		}
	}
	return false
}
