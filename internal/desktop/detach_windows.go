package desktop

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// detach keeps our Ctrl-C away from a program, and a console window off the screen.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.CREATE_NO_WINDOW}
}
