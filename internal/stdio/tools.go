package stdio

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"sync"
)

// toolCache knows which arguments of which tool are repeated in headers (protocol
// 2026-07-28, "Custom Headers from Tool Parameters").
type toolCache struct {
	mu    sync.Mutex
	tools map[string][]mirrored
}

// mirrored is an argument and its header.
type mirrored struct {
	path   []string
	header string
}

// learn takes an answer to tools/list. Tools whose annotations are against the rules
// are taken out of it, as the protocol wants; everything else stays as it is written.
func (t *toolCache) learn(answer []byte, fresh bool, log *slog.Logger) []byte {
	list := member(answer, "result", "tools")
	if list == nil {
		return answer
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if fresh || t.tools == nil {
		t.tools = map[string][]mirrored{}
	}
	var kept [][]byte
	all := elements(list)
	for _, tool := range all {
		name := text(member(tool, "name"))
		headers, err := annotations(tool)
		if err != nil {
			log.Warn("a tool is left out", "tool", name, "error", err)
			continue
		}
		kept = append(kept, tool)
		if len(headers) > 0 {
			t.tools[name] = headers
		} else {
			delete(t.tools, name)
		}
	}
	if len(kept) == len(all) {
		return answer
	}
	at := cap(answer) - cap(list) // list is a piece of answer
	var b bytes.Buffer
	b.Write(answer[:at])
	b.WriteByte('[')
	b.Write(bytes.Join(kept, []byte{','}))
	b.WriteByte(']')
	b.Write(answer[at+len(list):])
	return b.Bytes()
}

// annotations reads x-mcp-header from a tool's schema.
func annotations(tool []byte) ([]mirrored, error) {
	schema := member(tool, "inputSchema")
	if !bytes.Contains(schema, []byte("x-mcp-header")) {
		return nil, nil
	}
	w := schemaWalk{taken: map[string]bool{}}
	w.within(schema, nil, false)
	return w.found, w.err
}

// schemaWalk looks for annotations.
type schemaWalk struct {
	found []mirrored
	taken map[string]bool // headers, in lower case
	err   error           // the first
}

// below are the members of a schema that hold schemas, and how: one or a list of them,
// or an object of them by name.
var below = map[string]bool{
	"items": false, "prefixItems": false, "additionalItems": false, "contains": false, "unevaluatedItems": false,
	"additionalProperties": false, "unevaluatedProperties": false, "propertyNames": false,
	"oneOf": false, "anyOf": false, "allOf": false, "not": false, "if": false, "then": false, "else": false,
	"properties": true, "patternProperties": true, "dependentSchemas": true, "$defs": true, "definitions": true,
}

// within looks at a schema. path leads to it, and is where an argument can be found only
// if all of it is properties: reachable.
func (w *schemaWalk) within(schema []byte, path []string, reachable bool) {
	members(schema, func(key string, value []byte) {
		byName, known := below[key]
		switch {
		case key == "x-mcp-header":
			w.note(text(value), text(member(schema, "type")), path, reachable)
		case !known:
		case byName:
			members(value, func(name string, property []byte) {
				w.within(property, append(path[:len(path):len(path)], name), key == "properties" && (reachable || len(path) == 0))
			})
		default:
			for _, part := range append(elements(value), value) {
				w.within(part, append(path[:len(path):len(path)], key), false)
			}
		}
	})
}

func (w *schemaWalk) note(header, kind string, path []string, reachable bool) {
	err := allowed(header, kind, w.taken)
	if err == nil && !reachable {
		err = errors.New("x-mcp-header is for properties of the arguments and of objects in them")
	}
	if err != nil {
		w.err = cmp.Or(w.err, fmt.Errorf("%s: %w", strings.Join(path, "."), err))
		return
	}
	w.taken[strings.ToLower(header)] = true
	w.found = append(w.found, mirrored{path, "Mcp-Param-" + header})
}

// allowed checks one annotation.
func allowed(header, kind string, taken map[string]bool) error {
	switch {
	case kind != "string" && kind != "integer" && kind != "boolean":
		return fmt.Errorf("x-mcp-header is for string, integer and boolean, not %q", kind)
	case header == "":
		return fmt.Errorf("x-mcp-header has no name")
	case taken[strings.ToLower(header)]:
		return fmt.Errorf("x-mcp-header %q is used twice", header)
	}
	for _, c := range []byte(header) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return fmt.Errorf("x-mcp-header %q cannot be a header", header)
		}
	}
	return nil
}

// mirror adds the headers of a call.
func (t *toolCache) mirror(h http.Header, tool string, arguments []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.tools[tool] {
		if value, ok := plain(member(arguments, m.path...)); ok {
			h[http.CanonicalHeaderKey(m.header)] = []string{headerValue(value)}
		}
	}
}

// plain is a string, boolean or integer as a header has it.
func plain(raw []byte) (string, bool) {
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", false
	case raw[0] == '"':
		return text(raw), true
	case string(raw) == "true" || string(raw) == "false":
		return string(raw), true
	case raw[0] == '{' || raw[0] == '[' || len(raw) > 32:
		return "", false
	}
	n, ok := new(big.Rat).SetString(string(raw))
	if !ok || !n.IsInt() || n.Num().BitLen() > 53 {
		return "", false
	}
	return n.Num().String(), true
}
