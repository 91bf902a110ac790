package oauth

import (
	"slices"
	"strings"
)

const (
	scopeOpenID  = "openid"
	scopeOffline = "offline_access"
)

// maxScopes bounds what a foreign document can make us ask for.
const maxScopes = 256

// splitScopes reads a scope parameter (RFC 6749 §3.3) and drops what is no scope.
func splitScopes(s string) []string { return validScopes(strings.Fields(s)) }

func validScopes(all []string) []string {
	var out []string
	for _, s := range all {
		if isScope(s) && len(out) < maxScopes && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func isScope(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return s != ""
}

func unionScopes(lists ...[]string) []string { return validScopes(slices.Concat(lists...)) }

// covers reports whether every wanted scope is in have.
func covers(have, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(s string) bool { return !slices.Contains(have, s) })
}
