package desktop

import "fmt"

// notifyScript is all that is ever run as a script; what it says comes as arguments.
const notifyScript = `on run argv
	display notification (item 2 of argv) with title (item 1 of argv)
end run`

// Notify shows a message of the app.
func Notify(title, body string) error {
	if err := launch("/usr/bin/osascript", "-e", notifyScript, "--", title, body); err != nil {
		return fmt.Errorf("no notification was shown: %w", err)
	}
	return nil
}
