package guard

import (
	"net/http"
	"slices"
	"strings"
)

var (
	hostRefused = &Refusal{Status: http.StatusForbidden, Reason: HostNotAllowed,
		Message: "the Host header does not name this listener",
		Action:  "Use the URL shown for this profile, with its 127.0.0.1 address and port"}
	upgradeRefused = &Refusal{Status: http.StatusBadRequest, Reason: BadRequest,
		Message: "connection upgrades are not served here",
		Action:  "Use plain HTTP/1.1"}
	connectionRefused = &Refusal{Status: http.StatusBadRequest, Reason: BadRequest,
		Message: "the Connection header names headers that must reach the server",
		Action:  "Send Connection: keep-alive or close, or leave it out"}
	targetRefused = &Refusal{Status: http.StatusBadRequest, Reason: BadRequest,
		Message: "the request target is not a plain http URL of this listener",
		Action:  "Use the URL shown for this profile"}
	pageRefused = &Refusal{Status: http.StatusForbidden, Reason: OriginNotAllowed,
		Message: "web pages may not use this listener",
		Action:  "Point an MCP client at this address; it is no web page"}
)

func (g *Gate) ownHost(host string) bool {
	for _, own := range g.hosts {
		if host == own {
			return true
		}
	}
	for _, own := range g.hosts {
		if strings.EqualFold(host, own) {
			return true
		}
	}
	return false
}

// plainHTTP refuses upgrades, headers smuggled away by Connection, and targets of
// another scheme.
func plainHTTP(r *http.Request) *Refusal {
	if r.URL.Scheme != "" && r.URL.Scheme != "http" || r.URL.User != nil || r.URL.Opaque != "" {
		return targetRefused
	}
	if r.Header["Upgrade"] != nil || r.Header["Http2-Settings"] != nil {
		return upgradeRefused
	}
	for _, value := range r.Header["Connection"] {
		if value == "keep-alive" || value == "close" {
			continue
		}
		for token := range strings.SplitSeq(value, ",") {
			if !connectionTokens[strings.ToLower(strings.Trim(token, " \t"))] {
				return connectionRefused
			}
		}
	}
	return nil
}

// connectionTokens are the connection options that name no end-to-end header.
var connectionTokens = map[string]bool{"keep-alive": true, "close": true, "te": true, "": true}

// fetchModes are the values of Sec-Fetch-Mode a script can send; without the header
// it is no browser. Navigations, no-cors loads and web sockets are left out.
var fetchModes = []string{"cors", "same-origin"}

// origin refuses web pages that were not let in (MCP 2026-07-28, Streamable HTTP,
// "Security & Endpoint"). A request without Origin can still come from a page: then
// Sec-Fetch metadata tells.
func (g *Gate) origin(r *http.Request) *Refusal {
	if mode := r.Header["Sec-Fetch-Mode"]; mode != nil && !(len(mode) == 1 && slices.Contains(fetchModes, mode[0])) {
		return pageRefused
	}
	if origin := r.Header["Origin"]; origin != nil {
		if len(origin) == 1 && slices.Contains(g.origins, origin[0]) {
			return nil
		}
		return originRefused(origin)
	}
	if site := r.Header["Sec-Fetch-Site"]; site != nil && !(len(site) == 1 && (site[0] == "same-origin" || site[0] == "none")) {
		return pageRefused
	}
	return nil
}

func originRefused(origin []string) *Refusal {
	name := "several origins"
	if len(origin) == 1 {
		name = "the origin " + printable(origin[0], 80)
	}
	return &Refusal{Status: http.StatusForbidden, Reason: OriginNotAllowed,
		Message: name + " may not use this listener",
		Action:  "If you trust it, list it under guard.allowed_origins of this profile"}
}

// printable keeps what is safe to show of something a stranger sent.
func printable(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.Map(func(c rune) rune {
		if c <= ' ' || c >= 0x7f || strings.ContainsRune(`<>"'\&`, c) {
			return '?'
		}
		return c
	}, s)
}
