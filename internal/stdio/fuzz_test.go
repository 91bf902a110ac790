package stdio

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func FuzzEvents(f *testing.F) {
	for _, seed := range []string{"data: x\n\n", "id: 1\r\ndata: a\r\ndata: b\r\n\r\n", "\ufeffdata:x\r\r", ":c\nretry: 5\nevent: e\ndata\n\n", "id: a\x00b\ndata: 1\n\n", "retry: 99999999999999999999\n\n", "data: x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, stream string) {
		read := func(r *eventReader) (all []string) {
			for {
				e, err := r.next()
				if err != nil {
					return append(all, r.lastID, r.retry.String())
				}
				if len(e.data) == 0 {
					t.Error("an event without data")
				}
				all = append(all, e.name+"\x00"+string(e.data))
			}
		}
		whole := read(newEventReader(strings.NewReader(stream)))
		pieces := read(newEventReader(iotest.OneByteReader(strings.NewReader(stream))))
		if strings.Join(whole, "\x01") != strings.Join(pieces, "\x01") {
			t.Errorf("it depends on how it arrives: %q and %q", whole, pieces)
		}
		r := newEventReader(strings.NewReader(stream))
		_ = read(r)
		if r.retry != 0 && r.retry < minRetry || r.retry > maxRetry || strings.ContainsRune(r.lastID, 0) {
			t.Errorf("retry %s, id %q", r.retry, r.lastID)
		}
	})
}

func FuzzMessages(f *testing.F) {
	for _, seed := range []string{hello, initialized, modernCall("1", "tools/call", `"name":"a"`), `[{"id":1,"method":"a"},{"result":1}]`,
		`{"id":null,"error":{}}`, `{"a\"b":"\\","method":"x\u0041","id":[1,{"b":"]"}]}`, ` [ ] `, `"x"`, `{"id":1,"id":2,"method":"m","method":3}`, `{"method":"","id":""}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		line, err := oneLine(raw)
		if (err == nil) != json.Valid(bytes.TrimSpace(raw)) {
			t.Fatalf("%q: %v", raw, err)
		}
		if err != nil {
			return
		}
		if bytes.ContainsAny(line, "\r\n") || !json.Valid(line) {
			t.Fatalf("%q is not a line", line)
		}
		m := read(line)
		var fields map[string]json.RawMessage
		if json.Unmarshal(line, &fields) != nil || fields == nil {
			var list []json.RawMessage
			isBatch := json.Unmarshal(line, &list) == nil && len(list) > 0
			if (m.kind == batch) != isBatch || !isBatch && m.kind != invalid || len(m.parts) != len(list) {
				t.Fatalf("%q is of kind %d with %d parts", line, m.kind, len(m.parts))
			}
			return
		}
		same := func(name string, got []byte) {
			want := fields[name]
			if name == "id" && string(want) == "null" {
				want = nil
			}
			if !bytes.Equal(bytes.TrimSpace(want), got) {
				t.Fatalf("%s of %q is %q, want %q", name, line, got, want)
			}
		}
		same("id", m.id)
		same("params", m.params)
		var method string
		isText := json.Unmarshal(fields["method"], &method) == nil && len(fields["method"]) > 0 && fields["method"][0] == '"'
		if isText != (m.kind == request || m.kind == notification) || m.method != method {
			t.Fatalf("%q: kind %d, method %q, want %q", line, m.kind, m.method, method)
		}
		if other := withID(line, []byte("7")); m.kind == response && !json.Valid(other) {
			t.Fatalf("%q is not JSON", other)
		}
		if other := withoutMeta(line); !json.Valid(other) {
			t.Fatalf("%q is not JSON", other)
		}
	})
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{"a\n\nb\r\n", "\n", "x", " \t\n{}\n", strings.Repeat("y", 100) + "\nz\n", "\x00\xff\n\xf0\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		const most = 64
		var want []string
		for _, line := range strings.Split(in, "\n") {
			switch trimmed := strings.TrimSpace(line); {
			case len(line) >= most: // with its end it is too long, but for a last line of just that length
				want = append(want, "")
			case trimmed != "":
				want = append(want, trimmed)
			}
		}
		r := &lineReader{in: bufio.NewReaderSize(iotest.HalfReader(strings.NewReader(in)), 16), max: most}
		var got []string
		for {
			line, err := r.next()
			if err == io.EOF {
				break
			}
			if err == errTooLong {
				line = nil
			} else if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(line))
		}
		if last := in[strings.LastIndexByte(in, '\n')+1:]; len(last) >= most {
			return // the end of a line without one is as good as its length
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	})
}

// Ids that mean the same have one key, and others have not.
func FuzzIDs(f *testing.F) {
	for _, seed := range []string{`1`, `1.0`, `"\u0061"`, `"a"`, `-0`, `1e400`, `1e-400`, `"\ud800"`, `12345678901234567890`, `"a\"b"`} {
		f.Add(seed, "x")
	}
	f.Fuzz(func(t *testing.T, raw, other string) {
		one := quoted(other)
		if got := string(idKey([]byte(one))); got != string(idKey([]byte(strings.ReplaceAll(one, "x", "\\u0078")))) {
			t.Errorf("%s has two keys", one)
		}
		if !json.Valid([]byte(raw)) {
			return
		}
		line, err := oneLine([]byte(raw))
		if err != nil || len(line) == 0 || line[0] == '{' || line[0] == '[' {
			return
		}
		key := string(idKey(line))
		if again := string(idKey([]byte(key))); line[0] != '"' && again != key {
			t.Errorf("the key of %s is %s, and that one's is %s", line, key, again)
		}
		if (line[0] == '"') != (key[0] == '"') {
			t.Errorf("a number and a string share the key %s", key)
		}
	})
}

// A server gets back from a header what stood in the message.
func FuzzHeaderValues(f *testing.F) {
	for _, seed := range []string{"", "a", " a", "=?base64?x?=", "ä", "\r\nX: y", "\x7f", "=?base64?=", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		header := headerValue(value)
		for _, c := range []byte(header) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q becomes %q", value, header)
			}
		}
		if strings.TrimSpace(header) != header {
			t.Fatalf("%q becomes %q, which is trimmed on its way", value, header)
		}
		back := header
		if strings.HasPrefix(header, sentinel) && strings.HasSuffix(header, sentinelEnd) && len(header) >= len(sentinel)+len(sentinelEnd) {
			raw, err := base64.StdEncoding.DecodeString(header[len(sentinel) : len(header)-len(sentinelEnd)])
			if err != nil {
				t.Fatalf("%q becomes %q: %v", value, header, err)
			}
			back = string(raw)
		}
		if back != value {
			t.Errorf("%q becomes %q, which means %q", value, header, back)
		}
	})
}

func FuzzTools(f *testing.F) {
	f.Add([]byte(`{"id":1,"result":{"tools":[`+annotated+`,{"name":"bad","inputSchema":{"properties":{"x":{"x-mcp-header":"A b"}}}}]}}`), []byte(`{"region":"x","deep":{"n":1}}`))
	f.Fuzz(func(t *testing.T, list, arguments []byte) {
		if !json.Valid(list) || !json.Valid(arguments) {
			return
		}
		var c toolCache
		if out := c.learn(list, true, New(Options{In: strings.NewReader("")}).log); !json.Valid(out) {
			t.Fatalf("%q is not JSON", out)
		}
		for name := range c.tools {
			h := postHeaders()
			c.mirror(h, name, arguments)
			for k, v := range h {
				if strings.ContainsAny(k+v[0], "\r\n\x00") {
					t.Fatalf("header %q: %q", k, v)
				}
			}
		}
	})
}
