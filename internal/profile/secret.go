package profile

import (
	"fmt"
	"log/slog"
)

// Secret says where a secret is. At most one field is set. In the file a secret x
// is one of the keys x, x_file, x_env and x_keyring; the tags are those endings.
type Secret struct {
	Value   string `yaml:""`
	File    string `yaml:"_file"`    // absolute path
	Env     string `yaml:"_env"`     // name of an environment variable
	Keyring string `yaml:"_keyring"` // service/user of an item in the OS keyring
}

// IsZero reports whether no place was named.
func (s Secret) IsZero() bool { return s == Secret{} }

// String names the place of the secret, never its value.
func (s Secret) String() string {
	switch {
	case s.Value != "":
		return "inline"
	case s.File != "":
		return "file " + s.File
	case s.Env != "":
		return "environment " + s.Env
	case s.Keyring != "":
		return "keyring " + s.Keyring
	}
	return "none"
}

// Format keeps every verb of fmt, %#v too, from printing the value.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText keeps the value out of JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue keeps the value out of logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
