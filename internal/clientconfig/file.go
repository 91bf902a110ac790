package clientconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// maxSize is more than any client's config grows to; Claude Code's has megabytes.
const maxSize = 16 << 20

// content is a config file as it was found.
type content struct {
	data []byte
	real string      // the file itself, behind links
	info fs.FileInfo // nil: there is no file
	note string      // what a person should know of the file, empty for nothing

	digest func() string // of the data
}

func (c content) exists() bool { return c.info != nil }

// sum names the content; that of a missing file is empty.
func (c content) sum() string {
	if !c.exists() {
		return ""
	}
	return c.digest()
}

// digestOf is the hash of data, worked out once, when it is asked for.
func digestOf(data []byte) func() string {
	return sync.OnceValue(func() string { return hash(data) })
}

// readFile reads a config file that may be edited: a regular file of this person's,
// which a link may lead to. It never waits for the other end of a pipe.
func readFile(path string) (content, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return content{real: path}, checkMissing(path)
	}
	if err != nil {
		return content{}, unreadable(path, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return content{}, unreadable(path, err)
	}
	if err := checkFile(path, info); err != nil {
		return content{}, err
	}
	data, err := readRegular(real, info)
	if err != nil {
		return content{}, unreadable(path, err)
	}
	c := content{data: data, real: real, info: info, digest: digestOf(data)}
	if links(info) > 1 {
		c.note = path + " has another name (a hard link), which keeps the old content"
	}
	return c, nil
}

// checkMissing refuses a missing file when it is a link that leads nowhere, or is behind
// one.
func checkMissing(path string) error {
	for !exists(path) {
		if path == filepath.Dir(path) {
			return nil
		}
		path = filepath.Dir(path)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return refuse(path, "is a link that leads nowhere", "repair or delete the link")
	}
	return nil
}

func checkFile(path string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return refuse(path, "is a folder", "move it away")
	case !info.Mode().IsRegular():
		return refuse(path, "is a device or a pipe, not a file", "move it away")
	case info.Size() > maxSize:
		return refuse(path, fmt.Sprintf("is larger than %d MiB", maxSize>>20), "see whether it is the right file")
	case !ownedByUs(info):
		return refuse(path, "belongs to another user", "run this as the user whose file it is")
	case info.Mode().Perm()&0o400 == 0:
		return refuse(path, "cannot be read: its permissions do not let its owner", "allow yourself to read and write it, as chmod u+rw does")
	case info.Mode().Perm()&0o200 == 0:
		return refuse(path, "is read-only", "make it writable, or change it where it is made")
	}
	return nil
}

// readRegular reads the file that was looked at, and no other in its place.
func readRegular(path string, looked fs.FileInfo) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|openNow, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(info, looked) {
		return nil, ErrChanged
	}
	data := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	_, err = data.ReadFrom(io.LimitReader(f, maxSize+1))
	if err == nil && data.Len() > maxSize {
		err = errors.New("it grows while it is read")
	}
	return data.Bytes(), err
}

func refuse(path, what, hint string) error {
	return &Error{Summary: path + " " + what + "; it was left as it is", Hint: hint, Err: ErrUnreadable}
}

func unreadable(path string, err error) error {
	cause := err
	if wrapped := (*fs.PathError)(nil); errors.As(err, &wrapped) {
		cause = wrapped.Err
	}
	return &Error{Summary: fmt.Sprintf("%s cannot be read: %v", path, cause), Hint: "check the permissions of the file and of the folders above it",
		Err: errors.Join(ErrUnreadable, err)}
}

// malformed says where a client's file cannot be understood.
func malformed(c *Client, path string, err error) error {
	place := path
	if at := (*syntaxError)(nil); errors.As(err, &at) && at.line > 0 {
		place = fmt.Sprintf("%s:%d:%d", path, at.line, at.column)
	}
	return &Error{Summary: fmt.Sprintf("%s: %v; the file was left as it is", place, err),
		Hint: "correct it, or paste what mcpauth-tray clients snippet " + c.ID + " PROFILE prints", Err: errors.Join(ErrUnreadable, err)}
}
