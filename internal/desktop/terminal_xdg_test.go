//go:build linux || freebsd || openbsd || netbsd

package desktop

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
)

func TestTerminal(t *testing.T) {
	argv := []string{"/opt/my app", "clients", "write", "--state-dir", "/it's $(here)"}
	for _, c := range []struct {
		name, own, display string
		has                []string
		role               string
		opens              string
		before             []string
		says               string
	}{
		{name: "the person's choice", has: []string{"xterm", "xdg-terminal-exec", "x-terminal-emulator"}, opens: "xdg-terminal-exec"},
		{name: "the system's", has: []string{"xterm", "x-terminal-emulator"}, opens: "x-terminal-emulator", before: []string{"-e"}},
		{name: "GNOME", has: []string{"gnome-terminal"}, opens: "gnome-terminal", before: []string{"--"}},
		{name: "several words", has: []string{"wezterm"}, opens: "wezterm", before: []string{"start", "--"}},
		{name: "TERMINAL", own: "kitty", has: []string{"kitty", "xdg-terminal-exec"}, opens: "kitty"},
		{name: "TERMINAL by its path", own: "DIR/xfce4-terminal", has: []string{"xfce4-terminal", "xterm"}, opens: "xfce4-terminal", before: []string{"-x"}},
		{name: "TERMINAL that is not known", own: "my term", has: []string{"my term", "xterm"}, opens: "my term", before: []string{"-e"}},
		{name: "TERMINAL that is not there", own: "nobody-has-this", has: []string{"xterm"}, opens: "xterm", before: []string{"-e"}},
		{name: "the first fails", has: []string{"xdg-terminal-exec", "xterm"}, role: "fail xdg-terminal-exec", opens: "xterm", before: []string{"-e"}},
		{name: "all fail", has: []string{"foot", "xterm"}, role: "fail", says: "xterm failed (exit status 4)"},
		{name: "none", says: "no program for a terminal window"},
		{name: "no display", display: "-", has: []string{"xterm"}, says: "no display"},
	} {
		t.Run(c.name, func(t *testing.T) {
			headless(t)
			dir, read := program(t, c.role, c.has...)
			t.Setenv("TERMINAL", strings.ReplaceAll(c.own, "DIR", dir))
			if c.display == "" {
				t.Setenv("DISPLAY", ":0")
			}
			t.Setenv("MCPAUTH_PASSPHRASE", "swordfish")
			err := Terminal(argv, func(late error) { t.Errorf("it failed late: %v", late) })
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want something about %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			r := read()
			if want := slices.Concat(c.before, argv); r.Name != c.opens || !slices.Equal(r.Args, want) {
				t.Errorf("%s was started with %q, want %s with %q", r.Name, r.Args, c.opens, want)
			}
			if slices.ContainsFunc(r.Env, func(v string) bool { return strings.Contains(v, "swordfish") }) {
				t.Error("the terminal got the passphrase")
			}
		})
	}
}

// A terminal goes on without us: it is in a session of its own, and nobody waits for it.
func TestTerminalStaysOpen(t *testing.T) {
	headless(t)
	_, read := program(t, "hang", "xterm")
	t.Setenv("DISPLAY", ":0")
	t.Setenv("TERMINAL", "")
	if err := Terminal([]string{"/bin/true", "x"}, nil); err != nil {
		t.Fatal(err)
	}
	pid := read().PID
	if session, err := unix.Getsid(pid); err != nil || session != pid {
		t.Errorf("its session is %d, its process %d (%v)", session, pid, err)
	}
	kill(t, pid)
}

// A terminal that fails when its window should be up is not tried again, and not hushed up.
func TestTerminalFailsLate(t *testing.T) {
	headless(t)
	program(t, "fail late", "xterm")
	t.Setenv("DISPLAY", ":0")
	t.Setenv("TERMINAL", "")
	var told error
	began := time.Now()
	if err := Terminal([]string{"/bin/true"}, func(late error) { told = late }); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < patience && (told == nil || told.Error() != "xterm failed (exit status 4)") {
		t.Errorf("after %v it was told %v", took, told)
	}
}

// The real thing: a window of xterm, in which the program has a terminal and its arguments.
func TestARealTerminal(t *testing.T) {
	xterm, err := exec.LookPath("xterm")
	if err == nil {
		_, err = exec.LookPath("Xvfb")
	}
	if err != nil {
		seat.Missing(t, "an X server or terminal", err)
	}
	headless(t)
	t.Setenv("DISPLAY", startDisplay(t))
	dir, read := program(t, "", "the program's name")
	t.Setenv("TERMINAL", xterm)
	args := slices.DeleteFunc(slices.Clone(odd), func(arg string) bool { return !utf8.ValidString(arg) }) // the report is JSON
	if err := Terminal(append([]string{dir + "/the program's name"}, args...), nil); err != nil {
		t.Fatal(err)
	}
	if r := read(); !slices.Equal(r.Args, args) || !r.Terminal {
		t.Errorf("the program got %q, terminal: %t", r.Args, r.Terminal)
	}
}

// startDisplay runs an X server without a screen to look at.
func startDisplay(t *testing.T) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "640x400x24", "-nolisten", "tcp", "-noreset")
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	number := make([]byte, 16)
	n, err := r.Read(number)
	if err != nil {
		t.Fatal(err)
	}
	return ":" + strings.TrimSpace(string(number[:n]))
}
