package oauth

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"time"
)

// Token is an access token. No verb of fmt, no logger and no JSON encoder prints its value.
type Token struct {
	Value   string
	Type    string    // always Bearer; empty for the zero Token
	Expires time.Time // wall clock; zero when the provider did not say
}

// IsZero reports that no token is to be sent.
func (t Token) IsZero() bool { return t.Value == "" }

// Authorization is the value of the Authorization header, empty for the zero Token.
func (t Token) Authorization() string {
	if t.IsZero() {
		return ""
	}
	return t.Type + " " + t.Value
}

// String names the token without revealing it.
func (t Token) String() string {
	if t.IsZero() {
		return "[no token]"
	}
	return "[redacted sha256:" + fingerprint(t.Value) + "]"
}

// GoString is String.
func (t Token) GoString() string { return t.String() }

// Format is String for every verb.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// LogValue is String.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalJSON is String.
func (t Token) MarshalJSON() ([]byte, error) { return []byte(`"` + t.String() + `"`), nil }

// MarshalText is String.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// fingerprint is the first 8 hex digits of a secret's SHA-256: enough to tell two
// apart in a log, nothing to guess from.
func fingerprint(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:4])
}

// bearer is the one token type we use (RFC 6750).
const bearer = "Bearer"

// sendable reports whether a token can stand in a header: visible ASCII of a sane size.
func sendable(token string) bool {
	const longest = 32 << 10
	if token == "" || len(token) > longest {
		return false
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return true
}
