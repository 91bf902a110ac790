package proxy

import (
	"bytes"
	"io"
)

// maxFirstEvent bounds what of a stream is held until its first event is whole, in
// bytes. A longer one is no endpoint event.
const maxFirstEvent = 64 << 10

// endpointReader passes an event stream on and rewrites its first event if that is an
// endpoint event. Every other byte stays as it is, and what cannot be part of that
// event is not held back.
type endpointReader struct {
	src     io.Reader
	rewrite func(value string) (string, error)
	ready   []byte // to be handed out
	err     error  // to be handed out after ready

	event   firstEvent
	through bool // the first event was seen
}

func newEndpointReader(src io.Reader, rewrite func(string) (string, error)) *endpointReader {
	return &endpointReader{src: src, rewrite: rewrite}
}

func (r *endpointReader) Read(p []byte) (int, error) {
	for len(r.ready) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.through {
			return r.src.Read(p)
		}
		n, err := r.src.Read(p)
		r.take(p[:n])
		if err != nil && r.err == nil {
			r.err = err
			r.pass(r.event.held, nil) // clients do not dispatch an event that is cut off
		}
	}
	n := copy(p, r.ready)
	if r.ready = r.ready[n:]; len(r.ready) == 0 {
		r.ready = nil
	}
	return n, nil
}

// take looks at more of the stream and makes ready what may go on.
func (r *endpointReader) take(b []byte) {
	for i, c := range b {
		switch r.event.add(c) {
		case goesOn:
		case passes:
			r.ready = append(r.ready, r.event.held...)
			r.event.reset()
		case isOther:
			r.pass(r.event.held, b[i+1:])
			return
		case isEndpoint:
			event, err := r.event.rewritten(r.rewrite)
			if err != nil {
				r.err, r.event = err, firstEvent{}
				return
			}
			r.pass(event, b[i+1:])
			return
		}
	}
	if len(r.event.held) > maxFirstEvent {
		r.pass(r.event.held, nil)
	}
}

// pass ends the search: event, rest and all that follows go on as they are.
func (r *endpointReader) pass(event, rest []byte) {
	r.ready = append(append(r.ready, event...), rest...)
	r.through, r.event = true, firstEvent{}
}

// verdict is what is known of a stream's first event after one more byte.
type verdict int

const (
	goesOn     verdict = iota // not whole yet
	passes                    // no part of an event that matters: let it go
	isOther                   // not an endpoint event
	isEndpoint                // a whole endpoint event
)

// firstEvent collects the lines of an event stream up to the end of its first event
// (HTML, section 9.2.6, "Interpreting an event stream").
type firstEvent struct {
	held  []byte
	line  int    // where in held the current line begins
	begun bool   // not at the start of the stream any more
	cr    bool   // the last byte was a CR, which a LF may complete
	name  []byte // of the event
	data  []span // values of its data lines in held
	event bool   // a line of held belongs to an event that is dispatched
}

// span is a part of held.
type span struct{ from, to int }

func (e *firstEvent) reset() {
	*e = firstEvent{held: e.held[:0], begun: e.begun, cr: e.cr}
}

func (e *firstEvent) add(c byte) verdict {
	completes := e.cr && c == '\n'
	e.held = append(e.held, c)
	e.cr = c == '\r'
	switch {
	case completes:
		e.line = len(e.held)
		if !e.event {
			return passes
		}
		return goesOn
	case c != '\n' && c != '\r':
		return goesOn
	}
	from, to := e.line, len(e.held)-1
	e.line = len(e.held)
	if !e.begun {
		e.begun = true
		if bytes.HasPrefix(e.held[from:to], []byte("\ufeff")) {
			from += len("\ufeff")
		}
	}
	return e.endOfLine(from, to)
}

func (e *firstEvent) endOfLine(from, to int) verdict {
	if from == to { // the event is whole
		switch {
		case !e.event:
			return passes
		case string(e.name) == "endpoint":
			return isEndpoint
		}
		return isOther
	}
	field, value := e.held[from:to], span{to, to}
	if colon := bytes.IndexByte(field, ':'); colon >= 0 {
		field, value.from = field[:colon], from+colon+1
		if value.from < to && e.held[value.from] == ' ' {
			value.from++
		}
	}
	switch string(field) {
	case "event":
		e.event = true
		e.name = bytes.Clone(e.held[value.from:value.to])
	case "data":
		e.event = true
		e.data = append(e.data, value)
	}
	if !e.event {
		return passes // comments, ids and retry times of their own
	}
	return goesOn
}

// rewritten is the whole event with its value put through rewrite.
func (e *firstEvent) rewritten(rewrite func(string) (string, error)) ([]byte, error) {
	if len(e.data) != 1 {
		return nil, errOddEndpoint
	}
	at := e.data[0]
	value := string(e.held[at.from:at.to])
	local, err := rewrite(value)
	if err != nil || local == value {
		return e.held, err
	}
	return append(append(append([]byte(nil), e.held[:at.from]...), local...), e.held[at.to:]...), nil
}
