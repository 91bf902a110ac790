package supervisor

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

// steps says how the waits between tries grow.
type steps struct {
	first, longest time.Duration
}

var (
	checkSteps  = steps{first: time.Second, longest: 5 * time.Minute}
	listenSteps = steps{first: time.Second, longest: 5 * time.Second}
)

// maxRetryAfter bounds what a provider may ask for.
const maxRetryAfter = time.Hour

// retry is when something that failed is tried again.
type retry struct {
	at   time.Time // zero: nothing to try again
	next *backoff.ExponentialBackOff
}

func (r *retry) reset() { *r = retry{} }

// failed notes a failure at now; wish is the least wait asked for by the other side.
func (r *retry) failed(now time.Time, st steps, wish time.Duration) {
	if r.next == nil {
		r.next = &backoff.ExponentialBackOff{
			InitialInterval:     st.first,
			RandomizationFactor: 0.2,
			Multiplier:          2,
			MaxInterval:         st.longest,
		}
		r.next.Reset()
	}
	wait := max(min(r.next.NextBackOff(), st.longest), min(wish, maxRetryAfter))
	r.at = now.Add(wait).Round(0)
}

func (r *retry) due(now time.Time) bool { return passed(r.at, now) }
