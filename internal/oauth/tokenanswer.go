package oauth

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// tokenAnswer is what a token endpoint said, read tolerantly: each member that is whole
// counts, whatever is wrong with the others. A rotated refresh token must never be lost
// to an odd expires_in (RFC 6749 §5).
type tokenAnswer struct {
	access    string
	kind      string // token_type
	refresh   string
	idToken   string
	scopes    []string
	scoped    bool          // scope was there
	lifetime  time.Duration // 0: unknown
	err       string        // error
	errText   string        // error_description
	begun     bool          // it starts as a JSON object
	malformed bool          // and does not end as one
}

// longestSecret bounds refresh and ID tokens.
const longestSecret = 64 << 10

// readTokenAnswer reads the members of the top-level object in order, up to the first
// byte that is no JSON.
func readTokenAnswer(body []byte) tokenAnswer {
	var a tokenAnswer
	d := json.NewDecoder(bytes.NewReader(body))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		a.malformed = true
		return a
	}
	a.begun = true
	for d.More() {
		name, err := d.Token()
		if err != nil {
			break
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			break
		}
		key, _ := name.(string)
		if field := tokenFields[key]; field != nil {
			field(&a, value)
		}
	}
	shut, err := d.Token()
	a.malformed = err != nil || shut != json.Delim('}')
	return a
}

// tokenFields reads each member we know. A value of the wrong type changes nothing.
var tokenFields = map[string]func(*tokenAnswer, json.RawMessage){
	"access_token":      func(a *tokenAnswer, v json.RawMessage) { readText(v, &a.access) },
	"token_type":        func(a *tokenAnswer, v json.RawMessage) { readText(v, &a.kind) },
	"refresh_token":     func(a *tokenAnswer, v json.RawMessage) { readText(v, &a.refresh) },
	"id_token":          func(a *tokenAnswer, v json.RawMessage) { readText(v, &a.idToken) },
	"error":             func(a *tokenAnswer, v json.RawMessage) { readText(v, &a.err) },
	"error_description": func(a *tokenAnswer, v json.RawMessage) { readText(v, &a.errText) },
	"expires_in":        func(a *tokenAnswer, v json.RawMessage) { a.lifetime = readLifetime(v) },
	"scope": func(a *tokenAnswer, v json.RawMessage) {
		var text string
		var list []string
		switch {
		case json.Unmarshal(v, &text) == nil:
			a.scopes, a.scoped = splitScopes(text), text != ""
		case json.Unmarshal(v, &list) == nil:
			a.scopes, a.scoped = validScopes(list), len(list) > 0
		}
	},
}

func readText(v json.RawMessage, into *string) {
	var s string
	const longest = tokenLimit
	if json.Unmarshal(v, &s) == nil && len(s) <= longest {
		*into = s
	}
}

// readLifetime takes a number of seconds, also one in a string; anything else, and what is
// not above zero, is unknown: such a token is used until it is refused.
func readLifetime(v json.RawMessage) time.Duration {
	text := strings.TrimSpace(string(v))
	if quoted, err := strconv.Unquote(text); err == nil {
		text = strings.TrimSpace(quoted)
	}
	seconds, err := strconv.ParseFloat(text, 64)
	const longest = 10 * 365 * 24 * 3600
	if err != nil || math.IsNaN(seconds) || seconds <= 0 {
		return 0
	}
	return time.Duration(min(seconds, longest)) * time.Second
}

// usableRefresh is the refresh token, empty when there is none that could be kept.
func (a *tokenAnswer) usableRefresh() string {
	if len(a.refresh) > longestSecret || strings.ContainsAny(a.refresh, "\x00\r\n") {
		return ""
	}
	return a.refresh
}

// fault says why the access token cannot be used, empty when it can.
func (a *tokenAnswer) fault() string {
	switch {
	case a.access == "" && a.malformed:
		return "its answer is not a token answer (does this network want a login page?)"
	case a.access == "":
		return "its answer has no access token"
	case a.kind != "" && !strings.EqualFold(a.kind, bearer):
		return "it sent a token of type " + clean(a.kind, 20) + ", which is not Bearer"
	case !sendable(a.access):
		return "it sent an unusable token"
	}
	return ""
}
