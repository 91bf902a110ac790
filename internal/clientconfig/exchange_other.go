//go:build !linux && !darwin && !windows

package clientconfig

import "os"

// exchange puts the file from in the place of to, whose content is lost: swapped is false.
func exchange(from, to string) (swapped bool, err error) { return false, os.Rename(from, to) }
