package desktop

import (
	"fmt"
	"os"
)

// label is the app as a job of launchd, installed or made up for one time.
const label = "io.github.mcpauth-tray"

// once runs the app one time: launchd would start a submitted job again after every end.
const once = `"$0" run; exec launchctl remove "$1"`

func startApp(exe string) error {
	if feed("", "launchctl", "kickstart", fmt.Sprintf("gui/%d/%s", os.Getuid(), label)) == nil {
		return nil
	}
	return feed("", "launchctl", "submit", "-l", label, "--", "/bin/sh", "-c", once, exe, label)
}
