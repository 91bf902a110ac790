package stdio

import (
	"bytes"
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
	at := bytes.Index(answer, list) // the same bytes: found
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
	var found []mirrored
	taken := map[string]bool{}
	var walk func(schema []byte, path []string) error
	walk = func(schema []byte, path []string) (err error) {
		members(member(schema, "properties"), func(name string, property []byte) {
			if err != nil {
				return
			}
			here := append(path[:len(path):len(path)], name)
			if note := member(property, "x-mcp-header"); note != nil {
				header := text(note)
				if err = allowed(header, text(member(property, "type")), taken); err != nil {
					err = fmt.Errorf("%s: %w", strings.Join(here, "."), err)
					return
				}
				taken[strings.ToLower(header)] = true
				found = append(found, mirrored{here, "Mcp-Param-" + header})
			}
			err = walk(property, here)
		})
		return err
	}
	return found, walk(schema, nil)
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
