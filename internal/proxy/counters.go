package proxy

import (
	"sync/atomic"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// reportEvery is how often the counters are reported at most.
const reportEvery = time.Second

// counters count what a Handler served. Counting never blocks, and nothing runs while
// nothing is counted.
type counters struct {
	report                 func(status.Requests) // nil: nobody wants to know
	total, errors, streams atomic.Int64
	armed                  atomic.Bool // a report is due
	silent                 atomic.Bool // no more reports
}

func (c *counters) request() {
	c.total.Add(1)
	c.changed()
}

func (c *counters) failed() {
	c.errors.Add(1)
	c.changed()
}

func (c *counters) stream(change int64) {
	c.streams.Add(change)
	c.changed()
}

func (c *counters) changed() {
	if c.report == nil || c.armed.Load() || !c.armed.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(reportEvery, func() {
		c.armed.Store(false)
		if !c.silent.Load() {
			c.report(status.Requests{Total: c.total.Load(), Errors: c.errors.Load(), ActiveStreams: c.streams.Load()})
		}
	})
}
