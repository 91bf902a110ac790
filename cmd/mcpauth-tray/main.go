// Command mcpauth-tray keeps local ports open for remote MCP servers and signs in to
// them, with a tray icon and a command line as its faces.
//
// It joins the rooms of the house and holds one file for each command. It must not
// hold logic that a room could own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/clientconfig"
	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
	"github.com/mcpauth-tray/mcpauth-tray/internal/tokenstore"
)

// Exit codes. They are a contract with scripts.
const (
	exitDone          = 0
	exitFailed        = 1
	exitUsage         = 2
	exitInvalidFile   = 3
	exitSignInNeeded  = 4
	exitNotRunning    = 5
	exitOtherInstance = 6
	exitSecretStore   = 7
)

// Errors of commands that have an exit code of their own.
var (
	errUsage         = errors.New("usage")
	errInvalidFile   = errors.New("the profiles file is invalid")
	errSignInNeeded  = errors.New("sign-in needed")
	errOtherInstance = errors.New("another mcpauth-tray is running with this state directory")
)

// outcomes is the one place where an error becomes an exit code and, when it brings
// none of its own, a hint. The first row that fits counts.
var outcomes = []struct {
	err  error
	code int
	hint string
}{
	{errUsage, exitUsage, ""},
	{supervisor.ErrUnknownProfile, exitUsage, "mcpauth-tray status lists the profiles"},
	{supervisor.ErrUnknownVerb, exitFailed, "the running app is of another version; restart it"},
	{supervisor.ErrInvalidConfig, exitInvalidFile, "correct the file; until then the profiles in force stay as they are"},
	{errInvalidFile, exitInvalidFile, "correct the file and check it with mcpauth-tray validate"},
	{errSignInNeeded, exitSignInNeeded, "mcpauth-tray signin PROFILE --wait"},
	{control.ErrNotRunning, exitNotRunning, "start it with mcpauth-tray"},
	{supervisor.ErrStopped, exitNotRunning, "start it again with mcpauth-tray"},
	{errOtherInstance, exitOtherInstance, "end it with mcpauth-tray quit, or give this one another --state-dir"},
	{control.ErrInUse, exitOtherInstance, "end it with mcpauth-tray quit, or give this one another --state-dir"},
	{tokenstore.ErrLocked, exitSecretStore, ""},
	{tokenstore.ErrAbsent, exitSecretStore, ""},
	{tokenstore.ErrTimeout, exitSecretStore, ""},
	{tokenstore.ErrPassphrase, exitSecretStore, ""},
	{tokenstore.ErrKeyGone, exitSecretStore, ""},
}

// usageError is a command line that makes no sense.
type usageError struct {
	error
	command string // the command to read the help of
}

func (usageError) Is(target error) bool { return target == errUsage }

func usagef(format string, args ...any) error { return usageError{error: fmt.Errorf(format, args...)} }

func main() {
	cobra.MousetrapHelpText = "" // a double click in Explorer is how the app is started
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line. The first interrupt ends the commands' context, the
// second the process. A terminal that is closed is not impatient: it may say so twice.
func execute(args []string, stdout, stderr io.Writer) int {
	ask := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup has a closed terminal be no reason to end
		ask = append(ask, syscall.SIGHUP)
		// What comes late is taken and left lying: a signal that is ignored would stay so
		// in the programs we start.
		late := make(chan os.Signal, 1)
		signal.Notify(late, syscall.SIGHUP)
		defer signal.Stop(late)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ask...)
	defer stop()
	context.AfterFunc(ctx, stop)
	root, started := newRootCmd()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	if err != nil && (!*started || errors.Is(err, errUsage)) {
		err = usageError{err, command.CommandPath()}
	}
	code := report(stderr, err)
	holdWindow(ctx, command)
	return code
}

// report writes err for a person and returns its exit code.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	var complaints profile.Errors
	if errors.As(err, &complaints) && len(complaints) == 1 && complaints[0].Err != nil {
		return reportFile(stderr, complaints[0])
	}
	if len(complaints) > 0 {
		writeComplaints(stderr, complaints)
		err = fmt.Errorf("%w: %s", errInvalidFile, count(len(complaints), "problem"))
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	code, hint := exitFailed, ""
	for _, o := range outcomes {
		if errors.Is(err, o.err) {
			code, hint = o.code, o.hint
			break
		}
	}
	own, ownHint := described(err)
	if ownHint != "" {
		hint = ownHint
	}
	if own == status.SecretStoreLocked || own == status.SecretStoreAbsent {
		code = exitSecretStore
	}
	fmt.Fprintln(stderr, "error:", printable(err.Error()))
	if hint != "" {
		fmt.Fprintln(stderr, "hint:", printable(hint))
	}
	return code
}

// reportFile is a profiles file that is missing, or cannot be read.
func reportFile(stderr io.Writer, e *profile.Error) int {
	fmt.Fprintln(stderr, "error:", printable(e.File+": "+e.Message))
	fmt.Fprintln(stderr, "hint:", printable(e.Hint))
	return exitInvalidFile
}

// described is what an error of another room says of itself.
func described(err error) (code status.Code, hint string) {
	var answer *control.Error
	var fault *supervisor.Fault
	var own *oauth.Error
	var usage usageError
	var client *clientconfig.Error
	switch {
	case errors.As(err, &usage):
		return "", "see " + usage.command + " --help"
	case errors.As(err, &answer):
		return answer.Code, answer.Hint
	case errors.As(err, &fault):
		return fault.Code, fault.Action
	case errors.As(err, &own):
		return own.Code, own.Action
	case errors.As(err, &client):
		return "", client.Hint
	}
	return "", ""
}
