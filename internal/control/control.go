// Package control gives other processes of the same user what every face has: Watch
// and Do, over a socket that only this user can open. It is HTTP/1.1 and JSON over a
// Unix socket, or over a named pipe on Windows; never over a network port.
//
// It must not know the tray, the proxy or any business rule, and no secret passes
// through it: a Snapshot holds none, and nothing else can be asked for.
package control

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// The paths of the API. A path is never given another meaning.
const (
	pathSnapshot = "/v1/snapshot" // GET: the Snapshot of this moment
	pathWatch    = "/v1/watch"    // GET: a Snapshot a line, the newest at once and again after each change
	pathDo       = "/v1/do"       // POST: an Action; 204, or an Error
)

// host is the one value of the Host header that is answered. It cannot be a name in
// the DNS, so no web page can send it.
const host = "mcpauth-tray.invalid"

const (
	maxBody       = 64 << 10
	maxHeader     = 16 << 10
	headerTimeout = 5 * time.Second
	bodyTimeout   = 5 * time.Second
	idleTimeout   = 30 * time.Second
	firstTimeout  = 5 * time.Second // for the engine's first Snapshot
	drainTimeout  = 2 * time.Second // for answers under way when the server stops
)

// Errors of Listen and of a Client. Test with errors.Is.
var (
	ErrInUse      = errors.New("another mcpauth-tray is listening")
	ErrNotRunning = errors.New("mcpauth-tray is not running")
	ErrForeign    = errors.New("belongs to another user")
)

// Error is what the app answers to a request that it did not carry out.
// It unwraps to the supervisor's sentinel that the app met, if it met one.
type Error struct {
	Code    status.Code `json:"code"`
	Message string      `json:"message"` // one line
	Hint    string      `json:"hint"`    // what to do next, empty when Message says it
}

func (e *Error) Error() string { return e.Message }

// Unwrap makes errors.Is see the supervisor's sentinels through the socket.
func (e *Error) Unwrap() error {
	for _, row := range sentinels {
		if row.code == e.Code {
			return row.err
		}
	}
	return nil
}

// Codes that only this API uses, beside those of package status.
const (
	unknownVerb    status.Code = "unknown_action"
	unknownProfile status.Code = "unknown_profile"
	notNow         status.Code = "not_now"
	invalidConfig  status.Code = "invalid_config"
	failed         status.Code = "failed"
)

// sentinels are the errors of Engine.Do that keep their identity through the socket.
var sentinels = []struct {
	err    error
	code   status.Code
	status int
}{
	{supervisor.ErrUnknownVerb, unknownVerb, http.StatusBadRequest},
	{supervisor.ErrUnknownProfile, unknownProfile, http.StatusNotFound},
	{supervisor.ErrNotNow, notNow, http.StatusConflict},
	{supervisor.ErrInvalidConfig, invalidConfig, http.StatusUnprocessableEntity},
	{supervisor.ErrStopped, status.ShuttingDown, http.StatusServiceUnavailable},
}

// describe turns an error of Engine.Do into an answer.
func describe(err error) (*Error, int) {
	first, _, _ := strings.Cut(err.Error(), "\n") // the Snapshot has all problems of a file
	e := &Error{Code: failed, Message: first}
	var fault *supervisor.Fault
	if errors.As(err, &fault) {
		e.Code, e.Hint = cmp.Or(fault.Code, failed), fault.Action
	}
	for _, row := range sentinels {
		if errors.Is(err, row.err) {
			e.Code = row.code
			return e, row.status
		}
	}
	return e, http.StatusInternalServerError
}

// decodeAction reads exactly one Action and refuses what it does not know.
func decodeAction(r io.Reader) (supervisor.Action, error) {
	var a supervisor.Action
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return supervisor.Action{}, fmt.Errorf("the body is not an action: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return supervisor.Action{}, errors.New("the body holds more than one action")
	}
	return a, nil
}
