package stdio

import (
	"bytes"
	"strconv"
	"strings"
)

// kind is what a JSON-RPC message is (JSON-RPC 2.0, sections 4 to 6).
type kind int

const (
	invalid kind = iota
	request
	notification
	response
	batch
)

// Methods and members that the bridge has to know.
const (
	methodInitialize  = "initialize"
	methodInitialized = "notifications/initialized"
	methodCancelled   = "notifications/cancelled"
	methodDiscover    = "server/discover"
	methodListen      = "subscriptions/listen"
	methodAck         = "notifications/subscriptions/acknowledged"
	methodTools       = "tools/list"
	methodCall        = "tools/call"
	methodSetLevel    = "logging/setLevel"
	methodSubscribe   = "resources/subscribe"
	methodUnsubscribe = "resources/unsubscribe"

	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaSubscription = "io.modelcontextprotocol/subscriptionId"
)

// message is one line. Its parts are pieces of raw.
type message struct {
	raw    []byte
	kind   kind
	id     []byte // of a request or response; nil for none and for null
	method string
	params []byte
	parts  []message // of a batch (protocol 2025-03-26)

	// version is the protocol version a message names in its own _meta, which makes it
	// one of protocol 2026-07-28 or later.
	version string
}

// read classifies a message, which must be valid JSON.
func read(raw []byte) message {
	m := classify(raw)
	if m.kind == request || m.kind == notification {
		m.version = text(member(m.params, "_meta", metaVersion))
	}
	return m
}

// classify is read without a look at params.
func classify(raw []byte) message {
	m := message{raw: raw}
	if parts := elements(raw); parts != nil {
		m.kind = batch
		for _, part := range parts {
			m.parts = append(m.parts, classify(part))
		}
		return m
	}
	var answer, method bool
	members(raw, func(key string, value []byte) {
		switch key {
		case "id":
			m.id = value
		case "method":
			method, m.method = value[0] == '"', text(value)
		case "params":
			m.params = value
		case "result", "error":
			answer = true
		}
	})
	if bytes.Equal(m.id, []byte("null")) {
		m.id = nil
	}
	switch {
	case method && m.id != nil:
		m.kind = request
	case method:
		m.kind = notification
	case answer:
		m.kind = response
	}
	return m
}

// idKey is the same for ids that mean the same: a server writes an id anew in its answer,
// and there 1.0 may be 1, and a letter may be escaped that was not.
func idKey(id []byte) []byte {
	switch {
	case len(id) > 0 && id[0] == '"':
		if bytes.IndexByte(id, '\\') >= 0 {
			return []byte(`"` + text(id) + `"`)
		}
	case bytes.ContainsAny(id, ".eE") || string(id) == "-0":
		if f, err := strconv.ParseFloat(string(id), 64); err == nil {
			return strconv.AppendFloat(nil, f+0, 'f', -1, 64) // -0 and 0 are one
		}
	}
	return id
}

// name is what the Mcp-Name header repeats (protocol 2026-07-28).
func (m *message) name() (string, bool) {
	member, ok := names[m.method]
	if !ok && strings.HasPrefix(m.method, "tasks/") {
		member, ok = "taskId", true
	}
	if !ok {
		return "", false
	}
	value := m.param(member)
	return text(value), len(value) > 0 && value[0] == '"'
}

var names = map[string]string{methodCall: "name", "prompts/get": "name", "resources/read": "uri"}

func (m *message) param(path ...string) []byte { return member(m.params, path...) }

// withID is an answer with another id. Everything else of it stays as it is written.
func withID(answer, id []byte) []byte {
	rest := rewrite(answer, func(key string, value []byte) []byte {
		if key == "id" {
			return nil
		}
		return value
	})
	line := append(append([]byte(`{"id":`), id...), ',')
	return append(line, rest[1:]...)
}
