//go:build !linux && !darwin && !windows

package clientconfig

import "os"

// exchange puts the file from in the place of to, whose content is lost: swapped is false.
func exchange(from, to string) (swapped bool, err error) { return false, os.Rename(from, to) }

// create gives a file a name that no file has.
func create(from, to string) error { return createByLink(from, to) }
