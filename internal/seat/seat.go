// Package seat is a desktop session of a test's own: a bus, a keyring, a panel and a screen,
// all of them real and none of them the user's. What is started here ends with its test.
//
// It must not know what is tested, and nothing but tests may use it.
package seat

import (
	"os"
	"testing"
)

// Missing skips a test whose outside part is not installed, and fails it in CI.
func Missing(t testing.TB, what string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: %v", what, err)
	}
	t.Skipf("%s is missing: build/test.sh installs it: %v", what, err)
}
