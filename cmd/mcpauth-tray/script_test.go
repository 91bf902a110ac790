package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// TestScripts drives the program as a person at a shell does.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(longest),
		Setup:               scriptHome,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": scriptExits, "await": scriptAwait, "sandbox": scriptSandbox, "masked": scriptMasked,
		},
	})
}

// scriptHome gives a script a home of its own.
func scriptHome(e *testscript.Env) error {
	home := filepath.Join(e.WorkDir, "home")
	e.Setenv("GORACE", "atexit_sleep_ms=0") // a race-tested program sleeps a second at its end otherwise
	e.Setenv("HOME", home)
	e.Setenv("AppData", filepath.Join(home, "AppData", "Roaming"))
	e.Setenv("VISITS", filepath.Join(e.WorkDir, "visits"))
	e.Setenv("LocalAppData", filepath.Join(home, "AppData", "Local"))
	return nil
}

// scriptExits is "exits CODE command…": the command must end with that exit code.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command [argument…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var failed *exec.ExitError
	switch {
	case err == nil && want != 0:
		ts.Fatalf("it exited with 0, want %d", want)
	case err != nil && !errors.As(err, &failed):
		ts.Fatalf("it did not run: %v", err)
	case err != nil && failed.ExitCode() != want:
		ts.Fatalf("it exited with %d, want %d", failed.ExitCode(), want)
	}
}

// scriptAwait is "await FILE": it returns once the file is there.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	for deadline := time.Now().Add(soon.Limit); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("waited too long for %s", args[0])
		}
	}
}

// scriptSandbox is "sandbox FILE…": it starts a sandbox in which a person signs in on pages,
// and puts its address in place of TARGET in the files. BROWSER becomes that person.
func scriptSandbox(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: sandbox FILE…")
	}
	box, err := sandbox.Start(context.Background(), sandbox.Options{Login: sandbox.LoginPages})
	ts.Check(err)
	ts.Defer(func() { ts.Check(box.Close()) })
	for _, name := range args {
		file := ts.MkAbs(name)
		text, err := os.ReadFile(file)
		ts.Check(err)
		ts.Check(os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "TARGET", box.MCPURL())), 0o600))
	}
	ts.Setenv("BROWSER", "visit-and-approve")
}

var (
	localPort  = regexp.MustCompile(`127\.0\.0\.1:2[0-9]{4}`)
	ownCommand = regexp.MustCompile(`"[^"]*mcpauth-tray(\.exe)?"`)
)

// scriptMasked is "masked FILE COPY": the copy has PORT for ports that were chosen, and
// PROGRAM for the path of the program.
func scriptMasked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: masked FILE COPY")
	}
	text := ownCommand.ReplaceAllString(localPort.ReplaceAllString(ts.ReadFile(args[0]), "127.0.0.1:PORT"), `"PROGRAM"`)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// visit is the program a script's BROWSER is: a person who presses Approve, or Deny. The
// visit is noted before it is made: once a sign-in is over, nobody waits for this program.
func visit(deny bool) func() {
	return func() {
		f, err := os.OpenFile(os.Getenv("VISITS"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString("visited\n")
		}
		if err != nil {
			os.Exit(1)
		}
		ctx, cancel := context.WithTimeout(context.Background(), soon.Limit)
		defer cancel()
		person := sandbox.Person{Deny: deny}
		if _, err := person.Visit(ctx, os.Args[1]); err != nil {
			os.Exit(1)
		}
	}
}
