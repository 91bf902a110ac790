//go:build !(linux || freebsd || openbsd || netbsd)

package desktop

import (
	"os"
	"testing"
)

func kill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}
