package stdio

import (
	"log/slog"
	"strings"
	"testing"
)

// Annotations are for arguments that can be reached through properties alone; a tool with
// another one is left out (Streamable HTTP, "Schema Extension").
func TestAnnotations(t *testing.T) {
	t.Parallel()
	const note = `"type":"string","x-mcp-header":"A"`
	for schema, want := range map[string]string{
		`{"properties":{"a":{` + note + `}}}`:                                   "a=Mcp-Param-A",
		`{"properties":{"o":{"properties":{"a":{` + note + `}}}}}`:              "o.a=Mcp-Param-A",
		`{"properties":{"items":{` + note + `}}}`:                               "items=Mcp-Param-A",
		`{"properties":{"properties":{"properties":{"a":{` + note + `}}}}}`:     "properties.a=Mcp-Param-A",
		`{"properties":{"x-mcp-header":{"type":"string"}}}`:                     "",
		`{"properties":{"a":{"type":"string","default":{"x-mcp-header":"A"}}}}`: "",
		`{` + note + `}`: "refused",
		`{"properties":{"a":{"type":"array","items":{` + note + `}}}}`:                 "refused",
		`{"properties":{"a":{"items":[{"type":"string"},{` + note + `}]}}}`:            "refused",
		`{"properties":{"a":{"items":{"properties":{"b":{` + note + `}}}}}}`:           "refused",
		`{"properties":{"a":{"anyOf":[{` + note + `},{"type":"null"}]}}}`:              "refused",
		`{"allOf":[{"properties":{"a":{` + note + `}}}]}`:                              "refused",
		`{"if":{"properties":{"a":{` + note + `}}}}`:                                   "refused",
		`{"$defs":{"a":{` + note + `}},"properties":{"b":{"$ref":"#/$defs/a"}}}`:       "refused",
		`{"patternProperties":{"^a":{` + note + `}}}`:                                  "refused",
		`{"properties":{"a":{` + note + `},"b":{"type":"string","x-mcp-header":"a"}}}`: "refused",
		`{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}`:                    "refused",
		`{"properties":{"a":{"type":["string","null"],"x-mcp-header":"A"}}}`:           "refused",
		`{"properties":{"a":{"type":"string","x-mcp-header":""}}}`:                     "refused",
		`{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}`:                  "refused",
		`{"properties":{"a":{"type":"string","x-mcp-header":"a\r\nEvil: 1"}}}`:         "refused",
		`{"properties":{"a":{"type":"string","x-mcp-header":7}}}`:                      "refused",
		`{"properties":{"a":{"type":"string","x-mcp-header":"é"}}}`:                    "refused",
	} {
		headers, err := annotations([]byte(`{"name":"t","inputSchema":` + schema + `}`))
		var got []string
		for _, h := range headers {
			got = append(got, strings.Join(h.path, ".")+"="+h.header)
		}
		switch {
		case want == "refused" && err == nil, want != "refused" && err != nil, want != "refused" && strings.Join(got, " ") != want:
			t.Errorf("%s: %q %v, want %s", schema, got, err, want)
		}
	}
}

// What looks like the list and stands elsewhere is not touched.
func TestToolsAreTakenOutOfTheList(t *testing.T) {
	t.Parallel()
	const tools = `[{"name":"good"},{"name":"bad","inputSchema":{"x-mcp-header":"A"}}]`
	var c toolCache
	got := c.learn([]byte(`{"id":1,"result":{"other":`+tools+`,"tools":`+tools+`}}`), true, slog.New(slog.DiscardHandler))
	if want := `{"id":1,"result":{"other":` + tools + `,"tools":[{"name":"good"}]}}`; string(got) != want {
		t.Errorf("got %s", got)
	}
}

func TestHeaderValues(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{ // the examples of the specification first
		"us-west1": "us-west1", "Hello, 世界": "=?base64?SGVsbG8sIOS4lueVjA==?=", " padded ": "=?base64?IHBhZGRlZCA=?=",
		"line1\nline2": "=?base64?bGluZTEKbGluZTI=?=", "=?base64?literal?=": "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=",
		"": "", "a b": "a b", "\t": "=?base64?CQ==?=", "=?base64?open": "=?base64?open", "x\x7f": "=?base64?eH8=?=",
	} {
		if got := headerValue(value); got != want {
			t.Errorf("%q becomes %q, want %q", value, got, want)
		}
	}
	for raw, want := range map[string]string{`42`: "42", `42.0`: "42", `-7`: "-7", `1e2`: "100", `true`: "true", `"x"`: "x", `""`: "",
		`9007199254740991`: "9007199254740991", `-9007199254740991`: "-9007199254740991"} {
		if got, ok := plain([]byte(raw)); !ok || got != want {
			t.Errorf("%s becomes %q, want %q", raw, got, want)
		}
	}
	for _, raw := range []string{`null`, `1.5`, `9007199254740992`, `1e999999999`, `{}`, `["a"]`, ``} {
		if got, ok := plain([]byte(raw)); ok {
			t.Errorf("%s becomes %q", raw, got)
		}
	}
}
