//go:build unix

package desktop

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// odd are arguments that a shell would make something else of.
var odd = []string{"plain", "a b", "", "'", `"`, `\`, "$(id)", "`id`", "$HOME", "*", "~", ";", "&", "|", "#", "!", "-n",
	"line\nline", "tab\t", "ü", "it's 'so'", "--state-dir", "/home/o'neil/my files", "{a,b}", "A=b", "\x1b[0m", "\xff"}

func TestCommandLineIsReadAsItIs(t *testing.T) {
	t.Parallel()
	for _, arg := range odd {
		checkCommandLine(t, arg)
	}
	checkCommandLine(t, odd...)
}

func FuzzCommandLine(f *testing.F) {
	for _, arg := range odd {
		f.Add(arg, "x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !strings.Contains(a+b, "\x00") {
			checkCommandLine(t, a, b)
		}
	})
}

// checkCommandLine has a shell read a command line.
func checkCommandLine(t *testing.T, args ...string) {
	t.Helper()
	line := CommandLine(append([]string{"printf", `%s\0`}, args...))
	out, err := exec.Command("/bin/sh", "-c", line).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); !slices.Equal(got, args) {
		t.Errorf("%s was read as %q, want %q", line, got, args)
	}
}

func TestAWindowNeedsAProgram(t *testing.T) {
	t.Parallel()
	for _, argv := range [][]string{nil, {"mcpauth-tray"}, {"./x"}, {"-x"}} {
		if err := Terminal(argv, nil); err == nil {
			t.Errorf("%q was run", argv)
		}
	}
}
