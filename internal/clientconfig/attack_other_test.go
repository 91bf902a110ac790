//go:build !linux

package clientconfig

import "errors"

func makePipe(string) error { return errors.New("made on Linux only") }

func (l *lab) smallDisk(string) { l.t.Skip("made on Linux only") }
