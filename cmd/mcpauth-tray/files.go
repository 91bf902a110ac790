package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// writeAtomic replaces a file whole, readable by its owner alone.
func writeAtomic(name string, data []byte) error { return replaceFile(name, data, 0o600) }

// replaceFile replaces a file whole: at any moment it has its old content or its new one.
func replaceFile(name string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return fmt.Errorf("nothing can be written in %s: %w", filepath.Dir(name), path.Err)
	}
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
