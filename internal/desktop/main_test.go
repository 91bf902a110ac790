package desktop

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/term"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// A copy of the test binary plays the other programs: it writes down how it was
// started in the file named by envReport, and behaves as envRole says.
const (
	envReport = "DESKTOP_TEST_REPORT"
	envRole   = "DESKTOP_TEST_ROLE"
)

// shownLong is how long a terminal lives that fails late.
const shownLong = 1500 * time.Millisecond

type report struct {
	PID      int
	Name     string
	Args     []string
	Env      []string
	Stdin    string
	Terminal bool // standard input is one
}

func TestMain(m *testing.M) {
	if file := os.Getenv(envReport); file != "" {
		play(file, os.Getenv(envRole))
	}
	os.Exit(m.Run())
}

func play(file, role string) {
	if fails, ok := strings.CutPrefix(role, "manager"); ok {
		manager(file, strings.Fields(fails))
	}
	r := report{PID: os.Getpid(), Name: filepath.Base(os.Args[0]), Args: os.Args[1:], Env: os.Environ(), Terminal: term.IsTerminal(int(os.Stdin.Fd()))}
	if name, ok := strings.CutPrefix(role, "fail "); ok && r.Name == name {
		os.Exit(4)
	}
	if role == "read" {
		text, _ := io.ReadAll(os.Stdin)
		r.Stdin = string(text)
	}
	content, _ := json.Marshal(r)
	_ = os.WriteFile(file+".new", content, 0o600)
	_ = os.Rename(file+".new", file)
	switch role {
	case "hang":
		time.Sleep(10 * time.Minute)
	case "fail late":
		time.Sleep(shownLong)
		os.Exit(4)
	case "fail":
		os.Exit(4)
	}
	os.Exit(0)
}

// manager is a service manager of which some commands fail.
func manager(file string, fails []string) {
	call := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, strings.Join(call, " "), os.Getenv("XDG_RUNTIME_DIR"))
	}
	if err != nil || slices.ContainsFunc(fails, func(name string) bool { return slices.Contains(call, name) }) {
		os.Exit(4)
	}
	os.Exit(0)
}

// program makes the test binary known by name in an otherwise empty PATH; what it
// reports is read with the returned function.
func program(t *testing.T, role string, names ...string) (dir string, read func() report) {
	t.Helper()
	dir = t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Symlink(self, dir+"/"+name); err != nil {
			t.Skip(err)
		}
	}
	file := dir + "/report"
	t.Setenv(envReport, file)
	t.Setenv(envRole, role)
	t.Setenv("PATH", dir)
	return dir, func() report {
		t.Helper()
		var r report
		soon.Until(t, "the program is started", func() bool {
			content, err := os.ReadFile(file)
			if err == nil {
				err = json.Unmarshal(content, &r)
			}
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			return err == nil
		})
		return r
	}
}
