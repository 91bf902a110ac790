//go:build cgo && !ios

package tray

import (
	"context"

	"fyne.io/systray"
)

func label(title string) string { return title }

// announce does nothing: a title would stand beside the icon.
func (n *native) announce() {}

func probe(context.Context) error { return nil }

func attendant(context.Context, *native, Options) func() { return func() {} }

// stopper returns what ends a loop that has not become ready; here every loop does.
func stopper(ready <-chan struct{}) func() {
	return func() {
		<-ready
		systray.Quit()
	}
}
