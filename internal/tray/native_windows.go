package tray

import (
	"context"
	"strings"

	"golang.org/x/sys/windows"
)

// label escapes a title: an ampersand marks a letter for the keyboard.
func label(title string) string { return strings.ReplaceAll(title, "&", "&&") }

// announce does nothing: here an icon can be set only after the start.
func (n *native) announce() {}

func probe(context.Context) error { return nil }

func attendant(context.Context, *native, Options) func() { return func() {} }

// stopper returns what ends the message loop of the calling thread, which waits for
// ever when the shell did not take the icon.
func stopper(<-chan struct{}) func() {
	const quit = 0x0012 // WM_QUIT
	post := windows.NewLazySystemDLL("user32.dll").NewProc("PostThreadMessageW")
	thread := windows.GetCurrentThreadId()
	return func() { _, _, _ = post.Call(uintptr(thread), quit, 0, 0) }
}
