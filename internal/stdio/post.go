package stdio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	typeJSON   = "application/json"
	typeEvents = "text/event-stream"

	// largeBody is what a listener is asked for first, so that its no is heard: an answer
	// is lost when a body is still on its way. continueTime is how long it has to answer.
	largeBody    = 1 << 20
	continueTime = 2 * time.Second

	// maxRefusal bounds the body of an answer that is no success.
	maxRefusal = 16 << 20
)

var acceptBoth = []string{typeJSON + ", " + typeEvents}

// headers of every POST. The map is the caller's.
func postHeaders() http.Header {
	return http.Header{"Content-Type": {typeJSON}, "Accept": acceptBoth}
}

// sink takes the messages of an answer, each on one line.
type sink func(line []byte) error

// outcome is what is known at the end of an answer.
type outcome struct {
	header http.Header
	events bool
	lastID string // of an event stream
	stream *eventReader
}

// post sends a message and hands the messages of the answer to take, as they come.
// An answer that says no is a *httpError.
func (b *Bridge) post(ctx context.Context, to string, header http.Header, body []byte, wrote func(), take sink) (outcome, error) {
	return b.request(ctx, http.MethodPost, to, header, body, wrote, take)
}

func (b *Bridge) do(ctx context.Context, method, to string, header http.Header, body []byte, take sink) (outcome, error) {
	return b.request(ctx, method, to, header, body, nil, take)
}

func (b *Bridge) request(ctx context.Context, method, to string, header http.Header, body []byte, wrote func(), take sink) (outcome, error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, to, content)
	if err != nil {
		return outcome{}, err
	}
	r.Header = header
	if len(body) > largeBody {
		header["Expect"] = []string{"100-continue"}
	}
	answer, err := b.http.exchange(r, wrote)
	if err != nil {
		return outcome{}, &portError{err}
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return outcome{}, refusal(answer)
	}
	return receive(answer, take)
}

// refusal reads an answer that says no.
func refusal(answer *http.Response) error {
	e := &httpError{status: answer.StatusCode}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxRefusal))
	if err != nil {
		return e
	}
	if line, err := oneLine(body); err == nil && member(line, "error", "code") != nil && member(line, "error", "message") != nil {
		e.body = line
	}
	return e
}

// receive hands the messages of a successful answer to take.
func receive(answer *http.Response, take sink) (outcome, error) {
	o := outcome{header: answer.Header}
	kind, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	switch kind = strings.ToLower(strings.TrimSpace(kind)); {
	case answer.StatusCode == http.StatusAccepted || answer.StatusCode == http.StatusNoContent:
		_, err := io.Copy(io.Discard, io.LimitReader(answer.Body, maxRefusal))
		return o, err
	case kind == typeEvents:
		o.events = true
		o.stream = newEventReader(answer.Body)
		err := takeEvents(o.stream, take)
		o.lastID = o.stream.lastID
		return o, err
	case kind == typeJSON:
		return o, takeValues(answer, take)
	}
	rest, err := io.Copy(io.Discard, io.LimitReader(answer.Body, maxRefusal))
	if err == nil && rest > 0 {
		err = fmt.Errorf("the server's answer is of type %.50q, which is not MCP", kind)
	}
	return o, err
}

// takeEvents reads a stream to its end, which is no error.
func takeEvents(events *eventReader, take sink) error {
	for {
		e, err := events.next()
		if err != nil {
			return regular(err)
		}
		if e.name != "" && e.name != "message" {
			continue
		}
		line, err := oneLine(e.data)
		if err == nil {
			err = take(line)
		} else {
			err = fmt.Errorf("an event of the server cannot be used: %w", err)
		}
		if err != nil {
			return err
		}
	}
}

// takeValues reads a JSON body: one value, or a stream of them.
func takeValues(answer *http.Response, take sink) error {
	if answer.ContentLength >= 0 && answer.ContentLength <= maxMessage {
		body := make([]byte, answer.ContentLength)
		if _, err := io.ReadFull(answer.Body, body); err != nil {
			return err
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return nil
		}
		if line, err := oneLine(body); err == nil {
			return take(line)
		}
		return takeStream(bytes.NewReader(body), take)
	}
	return takeStream(answer.Body, take)
}

func takeStream(body io.Reader, take sink) error {
	limited := &limitedReader{in: body, left: maxMessage}
	for values := json.NewDecoder(bufio.NewReader(limited)); ; {
		var value json.RawMessage
		err := values.Decode(&value)
		if err == nil {
			limited.left = maxMessage
			if value, err = oneLine(value); err == nil {
				if err = take(value); err != nil {
					return err
				}
				continue
			}
		}
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			err = errNotJSON
		}
		if err == errNotJSON {
			err = fmt.Errorf("the server's answer cannot be used: %w", err)
		}
		return regular(err)
	}
}

// limitedReader fails once too much came since left was last set.
type limitedReader struct {
	in   io.Reader
	left int
}

func (r *limitedReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errTooLong
	}
	n, err := r.in.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

// regular is nil for the end of a stream.
func regular(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// deliver passes a message of the server to the client. from is the call whose answer
// it came with, nil for none.
func (b *Bridge) deliver(line []byte, from *call) error {
	m := classify(line)
	switch m.kind {
	case invalid:
		return errors.New("the server's answer is not JSON-RPC")
	case batch:
		b.deliverBatch(m)
	case response:
		b.deliverAnswer(m, from)
	default:
		if m.kind == request {
			b.client.ask(m.id)
		}
		switch {
		case from == nil && b.client.adapted():
			b.notifyAdapted(m)
		case from == nil || from.ctx.Err() == nil:
			b.write(line)
		}
	}
	return nil
}

func (b *Bridge) deliverAnswer(m message, from *call) {
	if m.id == nil {
		if from == nil || from.kind != request {
			b.log.Warn("an answer of the server has no id")
			return
		}
		m.id, m.raw = from.id, withID(m.raw, from.id)
	}
	c := b.calls.claim(m.id)
	if c == nil {
		b.log.Debug("dropped: an answer that nobody waits for")
		return
	}
	if c.method == methodTools && c.modern() {
		m.raw = b.tools.learn(m.raw, c.param("cursor") == nil, b.log)
	}
	m.raw = b.keep(c, m.raw)
	if c.adapted.Load() {
		m.raw = completed(c, m.raw)
	}
	b.write(m.raw)
	b.calls.settle(c)
}

func (b *Bridge) deliverBatch(m message) {
	var claimed []*call
	wanted := false
	for _, part := range m.parts {
		if part.kind != response {
			wanted = true
		} else if c := b.calls.claim(part.id); c != nil {
			claimed = append(claimed, c)
		}
	}
	if wanted || len(claimed) > 0 {
		b.write(m.raw)
	}
	for _, c := range claimed {
		b.calls.settle(c)
	}
}
