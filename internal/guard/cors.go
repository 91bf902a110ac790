package guard

import (
	"net/http"
	"slices"
	"strings"
)

// exposed are the answer headers a page of a listed origin may read.
const exposed = "Mcp-Session-Id, MCP-Protocol-Version, Retry-After"

// CORS adds to an answer's headers what lets a page of a listed origin read it, and
// nothing for every other request. Caller must have admitted the request.
func (g *Gate) CORS(answer http.Header, r *http.Request) {
	if len(g.listed) == 0 {
		return
	}
	answer.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !slices.Contains(g.listed, origin) {
		return
	}
	answer.Set("Access-Control-Allow-Origin", origin)
	answer.Set("Access-Control-Expose-Headers", exposed)
}

// Preflight reports whether r asks on behalf of a listed origin whether a request
// would be let in, and if so adds the answer to what CORS adds.
func (g *Gate) Preflight(answer http.Header, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header["Access-Control-Request-Method"] == nil ||
		!slices.Contains(g.listed, r.Header.Get("Origin")) {
		return false
	}
	answer.Set("Access-Control-Allow-Methods", allow)
	answer.Set("Access-Control-Max-Age", "600")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" && headerNames(asked) {
		answer.Set("Access-Control-Allow-Headers", asked)
	}
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		answer.Set("Access-Control-Allow-Private-Network", "true")
	}
	return true
}

// headerNames reports whether s is a short list of header names.
func headerNames(s string) bool {
	return len(s) <= 1024 && strings.IndexFunc(s, func(c rune) bool {
		return !(c == '-' || c == ',' || c == ' ' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')
	}) < 0
}
