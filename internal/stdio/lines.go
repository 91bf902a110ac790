package stdio

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
)

// maxMessage bounds one message in either direction, in bytes.
const maxMessage = 256 << 20

var errTooLong = errors.New("the message is longer than 256 MiB")

// lineReader reads lines of any length.
type lineReader struct {
	in  *bufio.Reader
	max int
}

func newLineReader(in io.Reader) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(in, 64<<10), max: maxMessage}
}

// next returns the next line that is not blank, in memory of its own. A last line
// without an end counts. A line longer than max is skipped and gives errTooLong.
func (r *lineReader) next() ([]byte, error) {
	for {
		line, err := r.line()
		if line = bytes.TrimSpace(line); len(line) > 0 || err != nil {
			if len(line) > 0 && err == io.EOF {
				err = nil
			}
			return line, err
		}
	}
}

func (r *lineReader) line() ([]byte, error) {
	var line []byte
	long := false
	for {
		piece, err := r.in.ReadSlice('\n')
		if long = long || len(line)+len(piece) > r.max; long {
			line = nil
		} else {
			line = append(line, piece...)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err == nil && long:
			return nil, errTooLong
		default:
			return line, err
		}
	}
}

// lineWriter writes whole lines, one at a time. The first error stays.
type lineWriter struct {
	mu  sync.Mutex
	out io.Writer
	err error
	buf []byte // of short lines
}

const shortLine = 64 << 10

func (w *lineWriter) write(line []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if len(line) < shortLine {
		w.buf = append(append(w.buf[:0], line...), '\n')
		_, w.err = w.out.Write(w.buf)
		return w.err
	}
	if _, w.err = w.out.Write(line); w.err == nil {
		_, w.err = w.out.Write([]byte{'\n'})
	}
	return w.err
}
