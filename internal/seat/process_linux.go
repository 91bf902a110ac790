package seat

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// Start starts a program that does not outlive the test, even when that crashes.
func Start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		Missing(t, cmd.Args[0], err)
	}
	t.Cleanup(func() { End(cmd) })
}

// End kills a program, and returns when it is gone.
func End(cmd *exec.Cmd) { _ = cmd.Process.Kill(); _ = cmd.Wait() }

// Display runs an X server without a screen to look at, and returns its name.
func Display(t testing.TB) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "640x400x24", "-nolisten", "tcp", "-noreset")
	server.ExtraFiles = []*os.File{w}
	Start(t, server)
	w.Close()
	return ":" + firstLine(t, "Xvfb", r)
}

// firstLine waits for what a program says when it is up. All of the line is read: some write
// it in pieces, and end when nobody reads the last of them.
func firstLine(t testing.TB, program string, out io.Reader) string {
	t.Helper()
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		said <- strings.TrimSpace(line)
	}()
	line := soon.Receive(t, said, program+" starts")
	if line == "" {
		t.Fatalf("%s did not start", program)
	}
	return line
}
