package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// Steps of reading a request body.
const (
	smallBody  = 64 << 10         // read in one piece and not counted
	bodyPause  = 30 * time.Second // between two pieces
	firstPiece = 32 << 10         // reserved for a body of unknown length
)

// readBody reads the whole body, so that the request can be sent again after a 401
// and does not depend on the client while it is answered. The caller takes held off
// h.buffered when it is done with the body, also when reading failed.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) (body []byte, held int64, failed *failure) {
	size := r.ContentLength
	switch {
	case size == 0:
		return nil, 0, nil
	case size > maxBody:
		return nil, 0, bodyTooLarge
	case size < 0:
		body = make([]byte, 0, firstPiece)
	default: // a large size is not believed until that much comes
		body = make([]byte, 0, min(size, smallBody))
	}
	for {
		if len(body) == cap(body) {
			more := int64(grown(cap(body), size) - cap(body))
			held += more
			if h.buffered.Add(more) > maxBuffered {
				return nil, held, tooManyBodies
			}
			body = append(make([]byte, 0, cap(body)+int(more)), body...)
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if done, failed := bodyState(len(body), size, err); done {
			return body, held, failed
		}
		// The server has set the deadline of the first piece, and takes any away when
		// the body ends.
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyPause))
	}
}

// bodyState says whether reading is over after n bytes of size, negative for unknown.
func bodyState(n int, size int64, err error) (done bool, failed *failure) {
	switch {
	case n > maxBody:
		return true, bodyTooLarge
	case int64(n) == size || size < 0 && err == io.EOF:
		return true, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return true, bodyTooSlow
	case err != nil:
		return true, bodyBroken
	}
	return false, nil
}

// grown is the next capacity of a buffer that is full at n bytes, size being the
// whole or negative. One byte beyond maxBody tells a body that is too large.
func grown(n int, size int64) int {
	next := 2 * n
	if size >= 0 {
		return min(next, int(size))
	}
	return min(next, maxBody+1)
}

// setBody gives a request a body that can be read again.
func setBody(r *http.Request, body []byte) {
	r.ContentLength = int64(len(body))
	if len(body) == 0 {
		r.Body = http.NoBody
		return
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
}

// again is the same request once more, with nothing shared that the first may still
// be sending from.
func again(r *http.Request, body []byte) *http.Request {
	next := r.Clone(r.Context())
	setBody(next, body)
	return next
}
