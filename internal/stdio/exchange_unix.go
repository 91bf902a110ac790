//go:build unix

package stdio

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// direct is an exchanger that writes and reads its connections in the goroutine that
// calls it. net/http's Transport has two more for each connection, and what is passed on
// between them takes longer than everything else a bridge does. The bytes are net/http's
// all the same.
type direct struct {
	library exchanger // for https, and for bodies that may be answered before their end

	mu    sync.Mutex
	idle  []*conn // the one used last is at the end
	prune *time.Timer
}

func newExchanger() exchanger { return &direct{library: newLibrary()} }

func (d *direct) exchange(r *http.Request, wrote func()) (*http.Response, error) {
	if r.URL.Scheme != "http" || r.ContentLength > maxDirect {
		return d.library.exchange(r, wrote)
	}
	ctx := r.Context()
	c, err := d.connect(ctx, r.URL.Host)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	answer, err := c.exchange(r, wrote)
	if err != nil {
		stop()
		c.Close()
		return nil, interrupted(ctx, err)
	}
	body := &answerBody{from: answer.Body, ctx: ctx, end: func(whole bool) {
		if stop() && whole && !answer.Close {
			d.keep(c)
		} else {
			c.Close()
		}
	}}
	if answer.Body == http.NoBody {
		body.finish(true)
	}
	answer.Body = body
	return answer, nil
}

// connect returns an idle connection that the other side keeps open, or a new one.
func (d *direct) connect(ctx context.Context, host string) (*conn, error) {
	for {
		c := d.take(host)
		if c == nil {
			break
		}
		if c.alive() {
			return c, nil
		}
		c.Close()
	}
	addr := host
	if _, _, err := net.SplitHostPort(host); err != nil {
		addr = net.JoinHostPort(host, "80")
	}
	var dialer net.Dialer
	opened, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return newConn(opened, host), nil
}

func (d *direct) take(host string) *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, c := range slices.Backward(d.idle) {
		if c.host == host {
			d.idle = slices.Delete(d.idle, i, i+1)
			return c
		}
	}
	return nil
}

func (d *direct) keep(c *conn) {
	c.since = time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle = append(d.idle, c)
	if d.prune == nil {
		d.prune = time.AfterFunc(idleTime, d.closeOld)
	}
}

// closeOld closes connections that have been idle for long.
func (d *direct) closeOld() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle = slices.DeleteFunc(d.idle, func(c *conn) bool {
		old := time.Since(c.since) >= idleTime
		if old {
			c.Close()
		}
		return old
	})
	d.prune = nil
	if len(d.idle) > 0 {
		d.prune = time.AfterFunc(idleTime, d.closeOld)
	}
}

func (d *direct) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.prune != nil {
		d.prune.Stop()
		d.prune = nil
	}
	for _, c := range d.idle {
		c.Close()
	}
	d.idle = nil
	d.library.close()
}

// answerBody is an answer's body that gives its connection back.
type answerBody struct {
	from  io.Reader
	ctx   context.Context
	end   func(whole bool)
	ended bool
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	switch {
	case err == io.EOF:
		b.finish(true)
	case err != nil:
		b.finish(false)
		err = interrupted(b.ctx, err)
	}
	return n, err
}

// Close does not read the rest: a stream may have no end.
func (b *answerBody) Close() error {
	b.finish(false)
	return nil
}

func (b *answerBody) finish(whole bool) {
	if !b.ended {
		b.ended = true
		b.end(whole)
	}
}

// interrupted is the context's error where its end is why an exchange failed.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
