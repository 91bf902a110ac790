// Package assets holds the pictures of the app. They are all drawn from icon.svg by
// the program in gen and committed; a test draws them again and compares.
//
// It must not know what a state means.
package assets

import _ "embed"

//go:generate go run ./gen

// App is the icon of the app: a PNG of 256 by 256 pixels.
//
//go:embed app.png
var App []byte

// Icon returns the tray icon of a state, in the format this platform's tray wants: an
// ICO of several sizes on Windows, a PNG elsewhere. The states are "idle", "ok",
// "busy", "sign-in" and "error"; for any other it returns nil.
func Icon(state string) []byte {
	b, err := icons.ReadFile("tray/" + state + suffix)
	if err != nil {
		return nil
	}
	return b
}
