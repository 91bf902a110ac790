package stdio

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// ErrUnknownProfile is how Run ends when the app has no such profile.
var ErrUnknownProfile = errors.New("no such profile")

// Options are what a Bridge needs.
type Options struct {
	Name     string // of the profile
	Version  string // of the app, for clients that the bridge answers by itself
	In       io.Reader
	Out      io.Writer // gets whole lines of JSON-RPC and nothing else
	Upstream Upstream
	Logger   *slog.Logger // nil: discard
	// Wanted is told of each request that needs the server and is answered without it.
	// It must not wait; nil: nobody.
	Wanted func()
}

// Bridge is one stdio client's way to one profile. It is used once.
type Bridge struct {
	name, version string
	in            *lineReader
	out           *lineWriter
	upstream      Upstream
	wanted        func()
	log           *slog.Logger
	http          exchanger

	ctx    context.Context
	stop   context.CancelCauseFunc
	work   sync.WaitGroup // everything but the goroutine that reads stdin
	ending sync.Mutex     // guards ended, after which nothing is added to work from outside it
	ended  bool
	calls  registry
	slots  chan struct{} // requests under way upstream
	link   link
	client clientSession
	tools  toolCache

	reader  chan struct{} // gets the turn to read stdin
	waiting atomic.Int32  // for it
	order   chan struct{} // closed when the line that later ones wait for is done; the reader's
}

// Bounds of one bridge.
const (
	maxWaiting  = 16               // goroutines that are kept for the next lines
	maxUnderWay = 128              // requests upstream at one time, streams of subscriptions aside
	maxOpen     = 16 << 10         // requests that have no answer yet
	drainTime   = 3 * time.Second  // for calls under way when stdin ends
	leaveTime   = time.Second      // for the farewell to the server, and for the last goroutines
	idleTime    = 50 * time.Second // of a connection to the listener
)

// New makes a Bridge. It starts nothing.
func New(o Options) *Bridge {
	b := &Bridge{
		name: o.Name, version: o.Version, in: newLineReader(o.In), out: &lineWriter{out: o.Out},
		upstream: o.Upstream, wanted: o.Wanted, log: o.Logger, slots: make(chan struct{}, maxUnderWay), reader: make(chan struct{}),
		order: make(chan struct{}), http: newExchanger(),
	}
	close(b.order)
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.calls.init()
	b.link.init()
	return b
}

// Run carries messages until stdin ends, stdout is closed or ctx ends. Calls under way
// when stdin ends get a moment to finish. It returns nil, ErrUnknownProfile, the cause
// of ctx, or why stdout cannot be written.
//
// The goroutine that reads In outlives Run when the read cannot be interrupted, and so
// do those that write to an Out that nobody reads.
func (b *Bridge) Run(ctx context.Context) error {
	b.ctx, b.stop = context.WithCancelCause(ctx)
	defer b.stop(nil)
	b.work.Go(b.follow)
	ended := make(chan error, 1)
	go b.readLines(ended)
	var err error
	select {
	case err = <-ended:
		if err == nil {
			err = b.drain()
		}
	case <-b.ctx.Done():
		err = context.Cause(b.ctx)
	}
	unknown := b.link.endpoint().State == Unknown
	b.stop(nil)
	b.client.leave(b)
	b.finish()
	b.http.close()
	if err == nil && unknown {
		return ErrUnknownProfile
	}
	return err
}

// begin counts one more worker, unless Run waits for the last of them.
func (b *Bridge) begin() bool {
	b.ending.Lock()
	defer b.ending.Unlock()
	if b.ended {
		return false
	}
	b.work.Add(1)
	return true
}

// finish waits for all goroutines but those that are stuck in a write.
func (b *Bridge) finish() {
	b.ending.Lock()
	b.ended = true
	b.ending.Unlock()
	done := make(chan struct{})
	go func() {
		b.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(leaveTime):
	}
}

// drain waits for the calls under way, but not for subscriptions.
func (b *Bridge) drain() error {
	t := time.NewTimer(drainTime)
	defer t.Stop()
	select {
	case <-b.calls.idle():
	case <-t.C:
	case <-b.ctx.Done():
		return context.Cause(b.ctx)
	}
	b.meetApp()
	return nil
}

// meetApp waits for the first word of the app, which may be that there is no such profile.
func (b *Bridge) meetApp() {
	ctx, cancel := context.WithTimeout(b.ctx, settleTime)
	defer cancel()
	_, _ = b.link.await(ctx)
}

// readLines works on the lines of stdin. Of the goroutines that run it one reads at a
// time, and passes that on before it works on what it got, so that a line is not handed
// from one to the other. ended gets why there are no more lines.
func (b *Bridge) readLines(ended chan<- error) {
	for {
		work, err := b.nextLine()
		if work == nil {
			ended <- err
			return
		}
		if !b.begin() {
			return
		}
		select {
		case b.reader <- struct{}{}:
		default:
			go b.readLines(ended)
		}
		work()
		again := b.awaitReading()
		b.work.Done()
		if !again {
			return
		}
	}
}

// awaitReading waits for the turn to read, unless enough others do.
func (b *Bridge) awaitReading() bool {
	defer b.waiting.Add(-1)
	if b.waiting.Add(1) > maxWaiting {
		return false
	}
	select {
	case <-b.reader:
		return true
	case <-b.ctx.Done():
		return false
	}
}

// nextLine returns the work on the next line that makes some; nil at the end.
func (b *Bridge) nextLine() (work func(), err error) {
	for {
		raw, err := b.in.next()
		switch {
		case b.ctx.Err() != nil, err == io.EOF:
			return nil, nil
		case err == errTooLong:
			b.write(failure{code: codeInvalidRequest, says: "the message is longer than 256 MiB"}.answer(b.name, nil))
		case err != nil:
			return nil, err
		default:
			if work := b.take(raw); work != nil {
				return work, nil
			}
		}
	}
}

// take begins with one line and returns the rest of the work on it, nil for none. It
// never waits: an answer of the client may be what the work on an earlier line waits for.
func (b *Bridge) take(raw []byte) (work func()) {
	line, err := oneLine(raw)
	if err != nil {
		b.write(failure{code: codeParse, says: "the line is not JSON"}.answer(b.name, nil))
		return nil
	}
	m := read(line)
	switch {
	case m.kind == invalid:
		b.write(failure{code: codeInvalidRequest, says: "the line is not a JSON-RPC message"}.answer(b.name, m.id))
		return nil
	case m.method == methodCancelled && b.cancelled(m):
		return nil
	case m.kind == response && b.client.tooLate(m.id):
		b.log.Debug("dropped: an answer to a session that is over")
		return nil
	case m.kind == notification && m.method == methodCancelled:
		return b.after(b.order, func() { b.passOn(m) })
	}
	b.client.noteEra(m)
	before := b.order
	done := func() {}
	if m.method == methodInitialize || m.method == methodInitialized {
		next := make(chan struct{})
		b.order, done = next, sync.OnceFunc(func() { close(next) })
	}
	if m.kind == request || m.kind == batch {
		if b.calls.full() {
			// Written here: a client that does not read is not read from either.
			b.write(failure{code: codeInternal, says: "too many requests are open at one time", action: "Wait for answers", reason: "busy"}.answer(b.name, m.id))
			done()
			return nil
		}
		c := b.calls.add(b.ctx, m)
		if m.kind == request && c.answered() {
			b.log.Warn("dropped: a request with the id of one that is under way", "method", m.method)
			c.stop()
			done()
			return nil
		}
		return b.after(before, func() {
			defer done()
			b.serve(c)
		})
	}
	return b.after(before, func() {
		defer done()
		b.passOn(m)
	})
}

// after is work that has to come after that on earlier lines.
func (b *Bridge) after(before <-chan struct{}, work func()) func() {
	return func() {
		select {
		case <-before:
			work()
		case <-b.ctx.Done():
		}
	}
}

// write puts one message on stdout. An error there ends the bridge.
func (b *Bridge) write(line []byte) {
	if err := b.out.write(line); err != nil {
		b.stop(err)
	}
}

// serve answers a request or a batch, here or by the server.
func (b *Bridge) serve(c *call) {
	defer c.stop()
	at, err := b.placeOf(c)
	if err != nil {
		b.calls.drop(c)
		return
	}
	if b.answerHere(c, at) {
		return
	}
	if c.method != methodListen {
		select {
		case b.slots <- struct{}{}:
			defer func() { <-b.slots }()
		case <-c.ctx.Done():
			b.calls.drop(c)
			return
		}
	}
	switch {
	case c.method == methodListen && c.version != "":
		b.listen(c)
	case c.modern() && b.client.adapted():
		b.callAdapted(c)
	case c.method == methodDiscover && c.modern():
		b.discover(c)
	case c.modern():
		b.callModern(c)
	case c.method == methodInitialize:
		b.initialize(c)
	default:
		b.callSession(c)
	}
	if c.ctx.Err() != nil {
		b.calls.drop(c)
	}
}

// placeOf is where a request goes. Who is met here is promised to be introduced later.
func (b *Bridge) placeOf(c *call) (place, error) {
	for {
		at, err := b.link.await(c.ctx)
		meets := c.method == methodInitialize || c.modern()
		if err != nil || !at.offline || !meets || at.endpoint.State == Unknown {
			return at, err
		}
		if b.link.promise() {
			if c.modern() {
				b.client.promise(nil)
			}
			return at, nil
		}
	}
}

// passOn sends a notification or an answer of the client to the server.
func (b *Bridge) passOn(m message) {
	at, err := b.link.await(b.ctx)
	if err != nil {
		return
	}
	if m.method == methodInitialized {
		b.client.initialized(b, m.raw)
		return
	}
	switch {
	case at.offline:
	case m.version == "" && b.client.isModern():
		b.log.Debug("dropped: this protocol has no such message from a client", "method", m.method)
	case m.version != "":
		b.report(m, b.sendModern(m))
	default:
		b.report(m, b.sendSession(m))
	}
}

func (b *Bridge) report(m message, err error) {
	if err != nil && b.ctx.Err() == nil {
		b.log.Warn("a message could not be passed on", "method", m.method, "error", err)
	}
}
