//go:build cgo && !ios

package tray

import "context"

func label(title string) string { return title }

// announce does nothing: a title would stand beside the icon.
func (n *native) announce() {}

func probe(context.Context) error { return nil }

func attend(context.Context, *native, Options) {}

// stopper returns what ends a loop that never became ready; here every loop does.
func stopper() func() { return func() {} }
