package stdio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// JSON-RPC error codes of the bridge itself. Those of a profile's state come with its
// Endpoint.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeNoMethod       = -32601
	codeInvalidParams  = -32602
	codeInternal       = -32603
	codeHeaderMismatch = -32020
	codeVersion        = -32022
)

// source tells errors of the app from the server's, in error.data.
const source = "mcpauth-tray"

// failure is an error of ours: what is wrong and what to do about it.
type failure struct {
	code   int
	says   string
	action string
	reason string // stable name; empty: bridge_failed
	status int    // HTTP status behind it, zero for none
}

// answer is the failure as the answer to a request; a nil id is written as null.
func (f failure) answer(profile string, id []byte) []byte {
	var b bytes.Buffer
	b.WriteString(`{"jsonrpc":"2.0","id":`)
	if id == nil {
		b.WriteString("null")
	}
	b.Write(id)
	says := sentence(f.says, f.action)
	if !strings.HasPrefix(says, profile+":") && !strings.HasPrefix(says, profile+" (") {
		says = profile + ": " + says
	}
	reason := f.reason
	if reason == "" {
		reason = "bridge_failed"
	}
	fmt.Fprintf(&b, `,"error":{"code":%d,"message":%s,"data":{"source":%s,"profile":%s,"reason":%s,"action":%s`,
		f.code, quoted(says), quoted(source), quoted(profile), quoted(reason), quoted(f.action))
	if f.status != 0 {
		b.WriteString(`,"status":` + strconv.Itoa(f.status))
	}
	b.WriteString("}}}")
	return b.Bytes()
}

// endpoint is where a client finds itself after f.
func (f failure) endpoint() Endpoint {
	e := Endpoint{State: down, Says: f.says, Action: f.action, Code: f.code, Reason: f.reason}
	if f.reason != "" && f.reason != unreachable && !strings.HasPrefix(f.reason, "upstream_") {
		e.State = SignedOut // the app knows more than it has said yet
	}
	return e
}

// troubleOf is where a client finds itself whose server cannot be had because of err.
func troubleOf(err error) Endpoint {
	f, ours := ofUs(err)
	if !ours {
		f = describe(err)
	}
	return f.endpoint()
}

// sentence is what is wrong and what to do about it, for a person.
func sentence(says, action string) string {
	says, action = strings.TrimRight(says, ". "), strings.TrimRight(action, ". ")
	if action == "" || strings.Contains(says, action) {
		return says + "."
	}
	return says + ". " + action + "."
}

// httpError is an answer that says no.
type httpError struct {
	status int
	body   []byte // on one line, when it is a JSON-RPC answer with an error; else nil
}

func (e *httpError) Error() string {
	return fmt.Sprintf("the server answered with HTTP status %d %s", e.status, http.StatusText(e.status))
}

// code is that of the JSON-RPC error in the body, zero for none.
func (e *httpError) code() int { return errorCode(e.body) }

func errorCode(answer []byte) int {
	code, _ := strconv.Atoi(string(member(answer, "error", "code")))
	return code
}

// ofApp returns the failure in an answer that the app gave in place of the server.
func ofApp(answer []byte) (failure, bool) {
	if text(member(answer, "error", "data", "source")) != source {
		return failure{}, false
	}
	return failure{
		code: errorCode(answer), says: text(member(answer, "error", "message")),
		action: text(member(answer, "error", "data", "action")), reason: text(member(answer, "error", "data", "reason")),
	}, true
}

// unreachable is the stable name of a portError.
const unreachable = "listener_unreachable"

// portError is a local port that cannot be reached, or broke off before an answer.
type portError struct{ err error }

func (e *portError) Error() string {
	if cutOff(e.err) {
		return "the local port was lost before it answered"
	}
	return "the local port does not answer: " + e.err.Error()
}

func (e *portError) Unwrap() error { return e.err }

// awayError is a server that went away while a request was on its way there.
type awayError struct{ Endpoint }

func (e *awayError) Error() string { return sentence(e.Says, e.Action) }

// errNoAnswer is a request that the server took and left without an answer.
var errNoAnswer = errors.New("the server ended without an answer to this request")

// cutOff reports whether a connection ended on the way.
func cutOff(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op) && op.Op != "dial"
}

// describe turns what went wrong on the way into a failure.
func describe(err error) failure {
	f := failure{code: codeInternal, says: err.Error(), action: "Try again in a moment"}
	var answered *httpError
	var port *portError
	var away *awayError
	switch {
	case errors.As(err, &away):
		return failure{code: away.Code, says: away.Says, action: away.Action, reason: away.Reason}
	case errors.As(err, &answered):
		f.status = answered.status
		if answered.status/100 == 4 {
			f.action = refusals[answered.status]
		}
	case errors.As(err, &port):
		f.reason = unreachable
	case cutOff(err):
		f.says = "the connection was lost before the answer was whole"
	}
	return f
}

// refusals are what to do about answers that asking again would not change.
var refusals = map[int]string{
	http.StatusUnauthorized:          "Sign out of this profile and sign in again",
	http.StatusForbidden:             "Ask those who run the server for access",
	http.StatusNotFound:              "Check the target of this profile",
	http.StatusMethodNotAllowed:      "Check the target of this profile",
	http.StatusRequestTimeout:        "Try again in a moment",
	http.StatusRequestEntityTooLarge: "Send less in one message",
	http.StatusTooManyRequests:       "Try again in a moment",
}

// giveUp answers what is unanswered of c with what went wrong: the server's own error
// where it sent one, so that its code and data reach the client.
func (b *Bridge) giveUp(c *call, err error) {
	if c.ctx.Err() != nil || errors.Is(err, context.Canceled) {
		b.calls.drop(c)
		return
	}
	var answered *httpError
	for _, id := range b.calls.unanswered(c) {
		line := []byte(nil)
		if errors.As(err, &answered) && answered.body != nil {
			line = b.keep(c, withID(answered.body, id))
		} else {
			line = describe(err).answer(b.name, id)
		}
		b.reply(id, line)
	}
}

// reply writes the answer to a request, unless it has one.
func (b *Bridge) reply(id, line []byte) {
	if c := b.calls.claim(id); c != nil {
		b.write(line)
		b.calls.settle(c)
	}
}
