//go:build unix

package desktop

import (
	"os/exec"
	"syscall"
)

// detach gives a program a session of its own, so that Ctrl-C in our terminal does not
// close the person's browser.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
