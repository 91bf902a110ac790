//go:build unix

package stdio

import (
	"bufio"
	"errors"
	"math"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	maxAnswerHeader = 1 << 20
	maxInterim      = 5        // answers 1xx before the real one
	maxDirect       = 64 << 10 // a body that a socket takes at once
)

// conn is a connection. It belongs to one exchange at a time.
type conn struct {
	net.Conn
	host  string
	limit limitedReader // below r
	r     *bufio.Reader
	w     *bufio.Writer
	since time.Time // when it became idle
}

func newConn(opened net.Conn, host string) *conn {
	c := &conn{Conn: opened, host: host, limit: limitedReader{in: opened}}
	c.r, c.w = bufio.NewReader(&c.limit), bufio.NewWriter(opened)
	return c
}

// alive says whether nothing came while the connection was idle: neither its end nor
// anything else.
func (c *conn) alive() bool {
	tcp, ok := c.Conn.(syscall.Conn)
	if !ok || c.r.Buffered() > 0 {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	var silent bool
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, err := syscall.Read(int(fd), one[:])
		silent = err == syscall.EAGAIN
		return true
	})
	return err == nil && silent
}

// exchange writes a request and reads the header of its answer. When the request cannot
// be written there may still be an answer that says why.
func (c *conn) exchange(r *http.Request, wrote func()) (*http.Response, error) {
	failed := r.Write(c.w)
	if failed == nil {
		failed = c.w.Flush()
	}
	if failed == nil && wrote != nil {
		wrote()
	}
	answer, err := c.receive(r)
	switch {
	case err != nil && failed != nil:
		return nil, failed
	case err != nil:
		return nil, err
	}
	answer.Close = answer.Close || failed != nil
	return answer, nil
}

// receive reads the header of the answer.
func (c *conn) receive(r *http.Request) (*http.Response, error) {
	c.limit.left = maxAnswerHeader
	for range maxInterim + 1 {
		answer, err := http.ReadResponse(c.r, r)
		switch {
		case errors.Is(err, errTooLong):
			return nil, errors.New("the header of its answer is too long")
		case err != nil:
			return nil, err
		case answer.StatusCode == http.StatusSwitchingProtocols:
			return nil, errors.New("it speaks another protocol")
		case answer.StatusCode/100 != 1:
			c.limit.left = math.MaxInt
			return answer, nil
		}
	}
	return nil, errors.New("it does not come to its answer")
}
