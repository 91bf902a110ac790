//go:build !unix && !windows

package desktop

import "os/exec"

func detach(*exec.Cmd) {}
