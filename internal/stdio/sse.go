package stdio

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"time"
)

// Bounds of what a server may wish for its streams. A shorter wish than minRetry is
// no wish, and gives defaultRetry.
const (
	minRetry     = 100 * time.Millisecond
	defaultRetry = time.Second
	maxRetry     = 5 * time.Minute
)

// event is one event of a stream (WHATWG HTML, 9.2.6).
type event struct {
	name string
	data []byte
}

// eventReader reads an event stream. lastID and retry are what the stream said so far.
type eventReader struct {
	in     *bufio.Reader
	max    int
	skipLF bool
	line   []byte
	began  bool
	id     string // of the event that is being read
	lastID string
	retry  time.Duration // zero: it did not say
}

func newEventReader(in io.Reader) *eventReader {
	return &eventReader{in: bufio.NewReaderSize(in, 8<<10), max: maxMessage}
}

// next returns the next event that has data. An event that the stream's end cuts off
// is dropped.
func (r *eventReader) next() (event, error) {
	var e event
	var seen bool
	for {
		if err := r.readLine(); err != nil {
			return event{}, err
		}
		line := r.line
		if len(line) == 0 {
			r.lastID = r.id
			if len(e.data) > 0 {
				return e, nil
			}
			e, seen = event{}, false
			continue
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(name) {
		case "data":
			if seen {
				e.data = append(e.data, '\n')
			}
			if len(e.data)+len(value) > r.max {
				return event{}, errTooLong
			}
			e.data, seen = append(e.data, value...), true
		case "event":
			e.name = string(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				r.id = string(value)
			}
		case "retry":
			r.wish(string(value))
		}
	}
}

// wish takes a retry field: milliseconds in digits.
func (r *eventReader) wish(value string) {
	ms, err := strconv.ParseUint(value, 10, 63)
	if err != nil {
		return
	}
	d := maxRetry
	if ms < uint64(maxRetry.Milliseconds()) {
		d = time.Duration(ms) * time.Millisecond
	}
	if d < minRetry {
		d = defaultRetry
	}
	r.retry = d
}

// readLine reads up to a CR, LF or CRLF. It never waits for what follows a CR.
func (r *eventReader) readLine() error {
	r.line = r.line[:0]
	if cap(r.line) > 1<<20 {
		r.line = nil
	}
	for {
		if _, err := r.in.Peek(1); err != nil {
			return err
		}
		window, _ := r.in.Peek(r.in.Buffered())
		if r.skipLF {
			r.skipLF = false
			if window[0] == '\n' {
				_, _ = r.in.Discard(1)
				continue
			}
		}
		end := bytes.IndexAny(window, "\r\n")
		piece := window
		if end >= 0 {
			piece = window[:end]
			r.skipLF = window[end] == '\r'
		}
		if len(r.line)+len(piece) > r.max+16 {
			return errTooLong
		}
		r.line = append(r.line, piece...)
		if end >= 0 {
			_, _ = r.in.Discard(end + 1)
			if !r.began {
				r.began, r.line = true, bytes.TrimPrefix(r.line, []byte("\ufeff"))
			}
			return nil
		}
		_, _ = r.in.Discard(len(piece))
	}
}
