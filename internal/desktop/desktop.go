// Package desktop is what the computer in front of a person offers: opening a page or
// a file, the clipboard, notifications, starting the app, and where files have their place. Every
// function returns within a few seconds, whatever the other program does.
//
// It must not know the rest of the app, and it decides nothing: when a browser is
// opened or a notification shown is its caller's affair.
package desktop

import (
	"os"
	"strings"
	"time"
)

// app is the name of our folders and the sender of our notifications.
const app = "mcpauth-tray"

// patience is how long another program or service may keep us waiting.
const patience = 3 * time.Second

// childEnv is our environment without our own variables: the passphrase of the token
// store is among them.
func childEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MCPAUTH_") {
			env = append(env, v)
		}
	}
	return env
}
