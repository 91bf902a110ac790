package profile

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The smaller kinds of text, and what is wrong with one.

var (
	profileName = lazily(`^[a-z][a-z0-9-]{0,23}$`)
	envName     = lazily(`^[A-Za-z_][A-Za-z0-9_]*$`)
	keyringItem = lazily(`^[^/\s][^/]*/[^/]*[^/\s]$`)
	paramName   = lazily(`^[A-Za-z0-9._~-]{1,64}$`)
	headerName  = lazily("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$") // RFC 9110 section 5.6.2
)

// scope is one scope-token of RFC 6749 section 3.3.
var scope = text{
	like:    "a scope without spaces (one entry for each scope)",
	pattern: lazily(`^[\x21\x23-\x5b\x5d-\x7e]+$`),
}

// file is the path of a file: absolute, from the home folder with ~/, or from the
// folder of profiles.yaml.
var file = text{like: "the path of a file", check: oneLine, expand: absoluteFile}

func absoluteFile(w *walker, s string) (string, error) {
	if rest, ok := strings.CutPrefix(filepath.ToSlash(s), "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", errors.New("has a ~ in it, but no home folder is known (write the whole path)")
		}
		return filepath.Join(home, filepath.FromSlash(rest)), nil
	}
	if strings.HasPrefix(s, "~") {
		return "", errors.New("must start with ~/ or be a whole path")
	}
	if filepath.IsAbs(s) {
		return filepath.Clean(s), nil
	}
	return filepath.Join(w.folder, s), nil
}

// always is a dict's kind whatever the name.
func always(k kind) func(string) kind { return func(string) kind { return k } }

func oneLine(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "must be one line without control characters"
	}
	return ""
}

// bearer judges a token of RFC 6750 section 2.1.
func bearer(s string) string {
	switch {
	case len(s) > 7 && strings.EqualFold(s[:7], "bearer "):
		return "must be the token alone, without Bearer in front"
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "must be one word of ASCII characters"
	}
	return ""
}

// flowParams are set for each sign-in by itself; the value says which key decides.
var flowParams = map[string]string{
	"client_id": "client_id", "client_secret": "client_secret_file", "redirect_uri": "redirect_url",
	"scope": "scopes", "resource": "resource", "response_type": "", "response_mode": "", "state": "", "nonce": "",
	"code": "", "code_challenge": "", "code_challenge_method": "", "code_verifier": "", "grant_type": "",
	"request": "", "request_uri": "",
}

func flowParam(name string) string {
	instead, ours := flowParams[strings.ToLower(name)]
	switch {
	case !ours:
		return ""
	case instead == "":
		return "is part of every sign-in and cannot be set"
	}
	return "cannot be set here (use " + instead + ")"
}

func scopeParam(s string) string {
	if _, ours := flowParams[strings.ToLower(s)]; ours && s != "scope" {
		return "is the name of another parameter of a sign-in"
	}
	return ""
}

// Headers that belong to a connection or that requests always bring with them. The
// first are those of RFC 9110 section 7.6.1 and what proxies claim about a caller.
var (
	connectionHeaders = []string{
		"connection", "content-length", "forwarded", "host", "http2-settings", "keep-alive", "proxy-authenticate",
		"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "via",
		"x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip",
	}
	requestHeaders = []string{
		"accept", "accept-encoding", "content-encoding", "content-type", "last-event-id", "proxy-authorization",
	}
)

// notSettable says what is wrong with a header of headers.set and set_file.
func notSettable(name string) string {
	name = strings.ToLower(name)
	if slices.Contains(connectionHeaders, name) || slices.Contains(requestHeaders, name) || strings.HasPrefix(name, "mcp-") {
		return "cannot be set: it belongs to the request or the connection"
	}
	return ""
}

// notForwardable says what is wrong with a header of headers.forward.
func notForwardable(name string) string {
	switch name = strings.ToLower(name); {
	case slices.Contains(connectionHeaders, name):
		return "cannot have " + name + " in it: that header belongs to the connection"
	case name != "proxy-authorization" && slices.Contains(requestHeaders, name), strings.HasPrefix(name, "mcp-"):
		return "has " + name + " in it, which needs no permission (remove it)"
	}
	return ""
}

var secretWord = lazily(`(?i)auth|cookie|key|token|secret|password|credential|session`)

// SecretName reports that what goes by that name, a header or a parameter of a URL, looks
// like a secret.
func SecretName(name string) bool { return secretWord.MatchString(name) }

// headerValue is a header's value; one that looks like a secret by its name is treated as such.
func headerValue(name string) kind {
	k := text{check: fieldValue}
	if SecretName(name) {
		k.instead = "store it in a file that only you can read and name that in headers.set_file"
	}
	return k
}

// fieldValue judges a value by RFC 9110 section 5.5.
func fieldValue(s string) string {
	switch {
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f }):
		return "must be one line of ASCII characters"
	case strings.TrimSpace(s) != s:
		return "must not start or end with a space"
	}
	return ""
}
