package proxy

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/guard"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// source tells our errors from the server's in error.data.
const source = "mcpauth-tray"

// answersItself answers what never goes to the target: questions about this listener,
// and what a client would start a sign-in of its own with.
func (h *Handler) answersItself(w http.ResponseWriter, r *http.Request) bool {
	path := r.URL.Path
	switch {
	case r.Method == http.MethodOptions && h.gate.Preflight(w.Header(), r):
		w.WriteHeader(http.StatusNoContent)
	case path == "/healthz":
		writeJSON(w, http.StatusOK, []byte(`{"status":"ok"}`))
	case path == "/oauth/register" || strings.HasPrefix(path, "/.well-known/") ||
		strings.Contains(path, "/.well-known/") && path != h.route.local:
		writeJSON(w, http.StatusNotFound, []byte(`{"error":"not_found"}`))
	default:
		return false
	}
	return true
}

// refuse answers a request the guard did not let in. Nothing of its body is read.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, refusal *guard.Refusal) {
	h.answer(w, r, slog.LevelInfo, nil, ofGuard(refusal))
}

// turnAway answers a caller the guard did not let in. It may be a web page that reads
// the answer, so it learns nothing of the profile.
func (h *Handler) turnAway(w http.ResponseWriter, r *http.Request, refusal *guard.Refusal) {
	f, ref := ofGuard(refusal), reference()
	h.note(r, slog.LevelDebug, f, ref)
	f.write(w, nil, source, "", ref)
}

// fail answers a request that was let in but cannot be served. A client that went away
// is no failure. Its request is answered all the same: net/http would say 200 for us.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, body []byte, f *failure) {
	if r.Context().Err() != nil {
		h.answer(w, r, slog.LevelDebug, body, f)
		return
	}
	h.counters.failed()
	h.answer(w, r, slog.LevelInfo, body, f)
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request, level slog.Level, body []byte, f *failure) {
	ref := reference()
	h.note(r, level, f, ref)
	f.write(w, body, h.name, h.route.target.Host, ref)
}

func (h *Handler) note(r *http.Request, level slog.Level, f *failure, ref string) {
	h.log.Log(r.Context(), level, "request not served", "reason", f.code, "says", f.says, "host", h.route.target.Host, "ref", ref)
}

// write sends the failure: as the answer to each JSON-RPC request in body, or without
// an id when there is none.
func (f *failure) write(w http.ResponseWriter, body []byte, profile, host, ref string) {
	k, listed := kinds[f.code]
	if !listed {
		k = unlisted
	}
	object := f.object(profile, host, ref)
	ids, batch := requestIDs(body)
	code := k.status
	if f.status != 0 {
		code = f.status
	}
	if k.signIn && len(ids) > 0 {
		code = http.StatusOK
	}
	retry := k.retry
	if f.retry > 0 {
		retry = f.retry
	}
	if retry > 0 && code != http.StatusOK {
		w.Header().Set("Retry-After", strconv.Itoa(int((retry+time.Second-1)/time.Second)))
	}
	if f.allow != "" {
		w.Header().Set("Allow", f.allow)
	}
	writeJSON(w, code, envelope(object, ids, batch))
}

// object is the JSON-RPC error object (JSON-RPC 2.0 section 5.1).
func (f *failure) object(profile, host, ref string) []byte {
	type data struct {
		Source  string      `json:"source"`
		Profile string      `json:"profile,omitempty"`
		Reason  status.Code `json:"reason"`
		Action  string      `json:"action"`
		Ref     string      `json:"ref"`
	}
	object, _ := json.Marshal(struct { // strings and numbers only: cannot fail
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    data   `json:"data"`
	}{f.code.RPC(), f.message(profile, host, ref), data{source, profile, f.code, oneLine(f.action), ref}})
	return object
}

// envelope puts an error object around each id, which stay as they were written.
func envelope(object []byte, ids []json.RawMessage, batch bool) []byte {
	var b bytes.Buffer
	one := func(id json.RawMessage) {
		b.WriteString(`{"jsonrpc":"2.0",`)
		if id != nil {
			b.WriteString(`"id":`)
			b.Write(id)
			b.WriteByte(',')
		}
		b.WriteString(`"error":`)
		b.Write(object)
		b.WriteByte('}')
	}
	switch {
	case len(ids) == 0:
		one(nil)
	case !batch:
		one(ids[0])
	default:
		b.WriteByte('[')
		for i, id := range ids {
			if i > 0 {
				b.WriteByte(',')
			}
			one(id)
		}
		b.WriteByte(']')
	}
	return b.Bytes()
}

// requestIDs returns the ids of the JSON-RPC requests in body, as they are written
// there, and whether body is a batch. Notifications, responses and what is no JSON-RPC
// have none.
func requestIDs(body []byte) (ids []json.RawMessage, batch bool) {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 {
		return nil, false
	}
	messages := []json.RawMessage{body}
	if body[0] == '[' {
		batch, messages = true, nil
		if json.Unmarshal(body, &messages) != nil {
			return nil, true
		}
	}
	for _, message := range messages {
		// A map, because matching of struct fields ignores case.
		var fields map[string]json.RawMessage
		if json.Unmarshal(message, &fields) != nil {
			continue
		}
		if id, method := fields["id"], fields["method"]; isID(id) && len(method) > 0 && method[0] == '"' {
			ids = append(ids, id)
		}
	}
	return ids, batch
}

// isID accepts strings and numbers, as MCP does.
func isID(raw json.RawMessage) bool {
	return len(raw) > 0 && (raw[0] == '"' || raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

func writeJSON(w http.ResponseWriter, code int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'")
	w.WriteHeader(code)
	w.Write(body)
}

// reference is what a message and its line in the log share.
func reference() string {
	var b [4]byte
	n := rand.Uint32()
	for i := range b {
		b[i] = byte(n >> (8 * i))
	}
	return hex.EncodeToString(b[:])
}
