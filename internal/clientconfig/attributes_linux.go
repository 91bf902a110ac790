package clientconfig

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const accessList = "system.posix_acl_access"

// copyAttributes gives a new file the access list of an old one, or the lack of one, and
// as many of its user's attributes as the file system takes. An error is about the list.
func copyAttributes(f *os.File, old string) error {
	for _, name := range attributeNames(old) {
		if strings.HasPrefix(name, "user.") {
			if value, err := attribute(old, name); err == nil {
				_ = unix.Fsetxattr(int(f.Fd()), name, value, 0)
			}
		}
	}
	list, err := attribute(old, accessList)
	switch {
	case err == nil:
		return unix.Fsetxattr(int(f.Fd()), accessList, list, 0)
	case !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP):
		return err
	}
	// the folder may have given one to the new file
	if err := unix.Fremovexattr(int(f.Fd()), accessList); err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}

func attributeNames(path string) []string {
	names := make([]byte, 64<<10) // the most there can be
	n, err := unix.Listxattr(path, names)
	if err != nil {
		return nil
	}
	return strings.FieldsFunc(string(names[:n]), func(r rune) bool { return r == 0 })
}

func attribute(path, name string) ([]byte, error) {
	value := make([]byte, 64<<10) // the most there can be
	n, err := unix.Getxattr(path, name, value)
	return value[:max(n, 0)], err
}
