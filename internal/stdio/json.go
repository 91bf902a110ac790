package stdio

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

var errNotJSON = errors.New("it is not JSON")

// oneLine returns raw, which must be JSON in any layout, as it may stand on a line of
// its own: unchanged, except that line ends between its tokens are gone.
func oneLine(raw []byte) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	if !json.Valid(raw) {
		return nil, errNotJSON
	}
	if bytes.IndexByte(raw, '\n') >= 0 || bytes.IndexByte(raw, '\r') >= 0 {
		var b bytes.Buffer
		b.Grow(len(raw))
		if err := json.Compact(&b, raw); err != nil {
			return nil, errNotJSON
		}
		raw = b.Bytes()
	}
	if !utf8.Valid(raw) {
		raw = bytes.ToValidUTF8(raw, []byte("\ufffd"))
	}
	return raw, nil
}

// The functions below want valid JSON and return pieces of it as they are written.

// members calls each with every member of an object, and does nothing for another value.
func members(object []byte, each func(key string, value []byte)) {
	i := blank(object, 0)
	if i >= len(object) || object[i] != '{' {
		return
	}
	for i = blank(object, i+1); i < len(object) && object[i] == '"'; i = blank(object, i+1) {
		end := valueEnd(object, i)
		key := text(object[i:end])
		i = blank(object, blank(object, end)+1) // behind the colon
		end = valueEnd(object, i)
		each(key, object[i:end])
		if i = blank(object, end); i >= len(object) || object[i] != ',' {
			return
		}
	}
}

// rewrite is an object with other values for its members; nil leaves one out. Another
// value stays as it is.
func rewrite(object []byte, each func(key string, value []byte) []byte) []byte {
	if len(object) == 0 || object[0] != '{' {
		return object
	}
	b := make([]byte, 0, len(object)+16)
	b = append(b, '{')
	members(object, func(key string, value []byte) {
		if value = each(key, value); value == nil {
			return
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, quoted(key)...), ':'), value...)
	})
	return append(b, '}')
}

// elements returns the elements of an array, none for another value.
func elements(array []byte) [][]byte {
	i := blank(array, 0)
	if i >= len(array) || array[i] != '[' {
		return nil
	}
	var all [][]byte
	for i = blank(array, i+1); i < len(array) && array[i] != ']'; i = blank(array, i+1) {
		end := valueEnd(array, i)
		all = append(all, array[i:end])
		if i = blank(array, end); i >= len(array) || array[i] != ',' {
			break
		}
	}
	return all
}

// member returns the value at a path of member names, nil when there is none. The last
// of equally named members counts, as it does for most parsers.
func member(object []byte, path ...string) []byte {
	for _, name := range path {
		var found []byte
		members(object, func(key string, value []byte) {
			if key == name {
				found = value
			}
		})
		if found == nil {
			return nil
		}
		object = found
	}
	return object
}

// text is the value of a JSON string, empty for another value.
func text(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// quoted is s as a JSON string.
func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}

func blank(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\t' || raw[i] == '\n' || raw[i] == '\r') {
		i++
	}
	return i
}

// valueEnd is the index behind the value that begins at i.
func valueEnd(raw []byte, i int) int {
	for depth := 0; i < len(raw); {
		switch raw[i] {
		case '"':
			i = stringEnd(raw, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\n', '\r':
			i++
			continue
		default:
			for i < len(raw) && !bytes.ContainsRune([]byte(",:]} \t\r\n"), rune(raw[i])) {
				i++
			}
		}
		if depth <= 0 {
			return i
		}
	}
	return len(raw)
}

// stringEnd is the index behind the string that begins at i.
func stringEnd(raw []byte, i int) int {
	for i++; i < len(raw); {
		n := bytes.IndexByte(raw[i:], '"')
		if n < 0 {
			break
		}
		end := i + n
		slashes := 0
		for end-1-slashes >= i && raw[end-1-slashes] == '\\' {
			slashes++
		}
		if i = end + 1; slashes%2 == 0 {
			return i
		}
	}
	return len(raw)
}
