// Package soon bounds what tests wait for: a test that waits for what never comes fails
// and says what it was, instead of taking the whole run with it.
//
// It must not know what is tested, and nothing but tests may use it.
package soon

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// Limit is how long something may take that has to happen. It is no measure of speed: a
// busy machine stands still for many seconds.
const Limit = time.Minute

// Context ends with the test, or after Limit.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), Limit, fmt.Errorf("not within %v", Limit))
	t.Cleanup(cancel)
	return ctx
}

// Receive returns the next value of c, the zero value once it is closed; what names it.
// Like t.Fatal it is for the goroutine of the test.
func Receive[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	limit := time.NewTimer(Limit)
	defer limit.Stop()
	select {
	case v := <-c:
		return v
	case <-limit.C:
		t.Fatalf("not within %v: %s", Limit, what)
		panic("unreachable")
	}
}

// Until asks again and again until ok says yes; what names that. It is for what has no
// channel, and for the goroutine of the test.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(Limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", Limit, what)
		}
	}
}
