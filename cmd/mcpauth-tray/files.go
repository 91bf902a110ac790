package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// unfinished is in the names of files that are being written, and of no others.
const unfinished = ".mcpauth-tray-"

// leftAfter is when an unfinished file is nobody's any more: writing one takes a moment.
const leftAfter = time.Hour

// sweep removes what was left in the folder of name by writes that were cut off.
func sweep(name string) {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	folder := filepath.Dir(name)
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), ".") || !strings.Contains(e.Name(), unfinished) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > leftAfter {
			_ = os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}

// writeAtomic replaces a file whole, readable by its owner alone.
func writeAtomic(name string, data []byte) error { return replaceFile(name, data, 0o600) }

func newUnfinished(name string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+unfinished+"*")
}

// replaceFile replaces a file whole: at any moment it has its old content or its new one.
func replaceFile(name string, data []byte, mode fs.FileMode) error {
	f, err := newUnfinished(name)
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
