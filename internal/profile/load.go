package profile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Load reads a profiles file. The error is an Errors with every problem of the file;
// errors.Is(err, fs.ErrNotExist) finds a missing one. Beyond what Parse checks, a file
// that other users could change is refused, and one that they can read may hold no
// secret. (Both look at Unix permissions and are not checked on Windows.)
func Load(file string) (*Config, error) {
	return read(file).parse(file)
}

// reading is what was found at a file's path.
type reading struct {
	data    []byte
	exposed bool   // other users can read it
	wrong   *Error // why there is no data
}

func (r reading) parse(file string) (*Config, error) {
	if r.wrong != nil {
		r.wrong.File = file
		return nil, Errors{r.wrong}
	}
	return parse(file, r.data, r.exposed)
}

// missing reports whether there is nothing to read, as for a moment while an editor saves.
func (r reading) missing() bool { return r.wrong != nil || len(r.data) == 0 }

// sum differs between two readings that would be parsed differently.
func (r reading) sum() [sha256.Size]byte {
	h := sha256.New()
	if r.wrong != nil {
		fmt.Fprint(h, "wrong ", r.wrong.Message)
	} else {
		fmt.Fprint(h, "data ", r.exposed, " ")
		h.Write(r.data)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func read(file string) reading {
	info, err := os.Stat(file) // before it is opened: opening a pipe would wait for its other end
	switch {
	case err != nil:
		return unreadable(err)
	case info.IsDir():
		return reading{wrong: &Error{Message: "this is a folder, not a file"}}
	case !info.Mode().IsRegular():
		return reading{wrong: &Error{Message: "this is a device or a pipe, not a file"}}
	case info.Size() > maxSize:
		return reading{wrong: &Error{Message: tooLarge}}
	}
	f, err := os.Open(file)
	if err != nil {
		return unreadable(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return unreadable(err)
	}
	if wrong := changeable(file, info); wrong != nil {
		return reading{wrong: wrong}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return unreadable(err)
	}
	return reading{data: data, exposed: exposed(info)}
}

func unreadable(err error) reading {
	if errors.Is(err, fs.ErrNotExist) {
		return reading{wrong: &Error{Message: "there is no such file", Err: err,
			Hint: "mcpauth-tray add NAME URL writes one with that server in it; --profiles names another file"}}
	}
	return reading{wrong: &Error{Message: fmt.Sprintf("the file cannot be read: %v", causeOf(err)), Err: err,
		Hint: "check its permissions and those of the folders above it"}}
}

// causeOf is err without the file's name.
func causeOf(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// folders that decide which file a path leads to: the one of the path and the one of
// the file itself, behind links.
func parents(file string) []string {
	list := []string{filepath.Dir(file)}
	if real, err := filepath.EvalSymlinks(file); err == nil && filepath.Dir(real) != list[0] {
		list = append(list, filepath.Dir(real))
	}
	return list
}
