package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func TestSchemaFile(t *testing.T) {
	if *update {
		if err := os.WriteFile("schema.json", Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, Schema()) {
		t.Error("schema.json is not what the table says; go test -update")
	}
}

// TestTable holds the table, the structs and the JSON Schema together: a key that is
// supported is a field, and every field is a key.
func TestTable(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	one := func(m map[string]any, path ...string) map[string]any {
		for _, name := range path {
			m, _ = m[name].(map[string]any)
		}
		return m
	}
	profile := one(root, "properties", "profiles", "additionalProperties")
	for _, block := range []struct {
		typ    reflect.Type
		schema map[string]any
		own    []string // keys without a field
	}{
		{reflect.TypeFor[Config](), root, []string{"version"}},
		{reflect.TypeFor[Settings](), one(root, "properties", "settings"), nil},
		{reflect.TypeFor[Profile](), profile, nil},
		{reflect.TypeFor[SignIn](), one(profile, "properties", "sign_in"), nil},
		{reflect.TypeFor[Guard](), one(profile, "properties", "guard"), nil},
		{reflect.TypeFor[Headers](), one(profile, "properties", "headers"), nil},
		{reflect.TypeFor[TLS](), one(profile, "properties", "tls"), nil},
	} {
		t.Run(block.typ.Name(), func(t *testing.T) {
			supported := []string{}
			for name, s := range one(block.schema, "properties") {
				doc, _ := s.(map[string]any)["description"].(string)
				if doc == "" {
					t.Errorf("%s has no description", name)
				}
				if !strings.HasPrefix(doc, "Not supported yet") {
					supported = append(supported, name)
				}
			}
			want := append(slices.Collect(maps.Keys(fields(block.typ))), block.own...)
			slices.Sort(supported)
			slices.Sort(want)
			if diff := cmp.Diff(want, supported); diff != "" {
				t.Errorf("fields (-) and supported keys (+):\n%s", diff)
			}
			if block.schema["additionalProperties"] != false {
				t.Error("unknown keys are allowed")
			}
		})
	}
}

// TestContract holds the table to the keys that are promised to users.
func TestContract(t *testing.T) {
	want := map[string]string{
		"at the top of the file":               "version settings profiles",
		"under settings":                       "token_store redirect_host redirect_port clients log_level",
		"directly under the name of a profile": "target listen path enabled sign_in guard spawn headers tls proxy_url clients",
		"under sign_in": "method start issuer authorize_url token_url device_authorization_url client_id client_secret client_secret_file client_secret_env client_secret_keyring " +
			"registration client_metadata_url scopes scope_param resource authorize_params redirect_url open_browser timeout token_auth private_key_file signing_alg assume_pkce enterprise " +
			"use_id_token trusted_issuers session token token_file token_env token_keyring token_exchange preset",
		"under guard": "local issuer audience jwks_url introspection_url client_id client_secret client_secret_file client_secret_env client_secret_keyring resource_url scopes_supported allow " +
			"rate_limit allowed_origins cors_origins static_client audit",
		"under spawn":                  "command port env dir",
		"under headers":                "set set_file forward",
		"under tls":                    "ca_file",
		"under sign_in.enterprise":     "idp_issuer idp_token_url idp_client_id id_token_file",
		"under sign_in.token_exchange": "url audience scopes client_id client_secret client_secret_file client_secret_env client_secret_keyring subject_token_type",
		"under guard.allow":            "subs emails groups",
		"under guard.static_client":    "id secret secret_file secret_env secret_keyring",
	}
	got := map[string]string{}
	for _, o := range objects() {
		home, _, _ := strings.Cut(o.home, ", ")
		words := []string{}
		for _, k := range o.keys {
			words = append(words, k.name)
		}
		slices.Sort(words)
		got[home] = strings.Join(words, " ")
	}
	for home, words := range want {
		list := strings.Fields(words)
		slices.Sort(list)
		want[home] = strings.Join(list, " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// validator checks the text of a profiles file against the JSON Schema, as an editor does.
func validator(t testing.TB) func(data []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(data []byte) error {
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			return err
		}
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		v, err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
}

func TestExampleAgainstSchema(t *testing.T) {
	data, err := os.ReadFile("../../profiles.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := validator(t)(data); err != nil {
		t.Error(err)
	}
	for _, o := range objects() {
		for _, k := range o.keys {
			word := regexp.MustCompile(`(?m)(^|[ {])` + k.name + `:( |$)`)
			if k.later == "" && o.fields != nil && !word.Match(data) {
				t.Errorf("%s %s is not in profiles.example.yaml", k.name, o.home)
			}
		}
	}
}

// TestDefaultsInExample reads the defaults off the example: a key that is written with
// its default there must be the default of the table.
func TestDefaultsInExample(t *testing.T) {
	data, err := os.ReadFile("../../profiles.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects() {
		for _, k := range o.keys {
			if k.preset == nil || o.fields == nil {
				continue
			}
			line := regexp.MustCompile(fmt.Sprintf(`(?m)^ +%s: %s( |$)`, k.name, regexp.QuoteMeta(fmt.Sprint(k.preset))))
			if !line.Match(data) {
				t.Errorf("profiles.example.yaml does not show %s: %v", k.name, k.preset)
			}
		}
	}
}

func TestStarter(t *testing.T) {
	valid := validator(t)
	for _, schemaURL := range []string{"", "https://example.com/schema.json"} {
		data := Starter(schemaURL)
		c, err := Parse("profiles.yaml", data)
		if err != nil || len(c.Profiles) != 0 {
			t.Errorf("%v %v", c, err)
		}
		if err := valid(data); err != nil {
			t.Error(err)
		}
		first, _, _ := strings.Cut(string(data), "\n")
		if want := "# yaml-language-server: $schema=" + schemaURL; schemaURL != "" && first != want {
			t.Errorf("first line %q", first)
		}
	}
	used := regexp.MustCompile(`(?m)^  # ?`).ReplaceAll(Starter(""), []byte("  "))
	c, err := Parse("profiles.yaml", used)
	if err != nil || len(c.Profiles) != 2 || len(c.Warnings) != 0 {
		t.Errorf("with the profiles uncommented: %v\n%s", complaints(c, err), used)
	}
}

// TestSchemaAgrees compares the JSON Schema with Parse on single values in a file
// that is fine otherwise.
func TestSchemaAgrees(t *testing.T) {
	valid := validator(t)
	const frame = "version: 1\nprofiles:\n  a: {target: https://a.example/mcp, %s}\n"
	lines := []struct {
		text string
		ok   bool
	}{
		{"", true},
		{"unknown: 1", false},
		{"listen: 127.0.0.1:7801", true}, {"listen: localhost:0", true}, {"listen: '[::1]:1'", true},
		{"listen: 0.0.0.0:1", false}, {"listen: ':7801'", false}, {"listen: 7801", false}, {"listen: 127.0.0.1", false},
		{"path: /mcp", true}, {"path: mcp", false}, {"path: '/a?b'", false}, {"path: ", false},
		{"enabled: true", true}, {"enabled: yes", false}, {"enabled: 1", false},
		{"sign_in: ", true}, {"sign_in: {}", true}, {"sign_in: browser", false}, {"sign_in: {issuers: a}", false},
		{"sign_in: {method: none}", true}, {"sign_in: {method: device}", false}, {"sign_in: {method: brwser}", false},
		{"sign_in: {start: on_request}", true}, {"sign_in: {start: now}", false},
		{"sign_in: {issuer: https://a.example/x}", true}, {"sign_in: {issuer: http://localhost:1}", true}, {"sign_in: {issuer: http://a.example}", false},
		{"sign_in: {issuer: a.example}", false}, {"sign_in: {issuer: ftp://a.example}", false},
		{"sign_in: {authorize_url: https://a.example/a}", false},
		{"sign_in: {authorize_url: https://a.example/a, token_url: https://a.example/t, client_id: a}", true},
		{"sign_in: {client_id: a, client_secret_env: A}", true}, {"sign_in: {client_id: a, client_secret_env: a b}", false},
		{"sign_in: {client_id: 1.2}", false}, {"sign_in: {client_id: ''}", false},
		{"sign_in: {client_id: a, client_secret_keyring: a/b}", true}, {"sign_in: {client_id: a, client_secret_keyring: a}", false},
		{"sign_in: {registration: metadata_document}", false}, {"sign_in: {registration: dynamic}", true},
		{"sign_in: {scopes: [a, 'b:c']}", true}, {"sign_in: {scopes: []}", true}, {"sign_in: {scopes: a b}", false}, {"sign_in: {scopes: [a b]}", false}, {"sign_in: {scopes: [a, a]}", false},
		{"sign_in: {scope_param: user_scope}", true}, {"sign_in: {scope_param: a b}", false},
		{"sign_in: {resource: omit}", true}, {"sign_in: {resource: 'urn:a:b'}", true}, {"sign_in: {resource: ommit}", false}, {"sign_in: {resource: 'https://a.example/#a'}", false},
		{"sign_in: {authorize_params: {a: b}}", true}, {"sign_in: {authorize_params: {a: 1}}", false}, {"sign_in: {authorize_params: [a]}", false},
		{"sign_in: {redirect_url: 'http://localhost:8666/x'}", true}, {"sign_in: {redirect_url: 'https://localhost:8666/x'}", false}, {"sign_in: {redirect_url: 'http://localhost/x'}", false},
		{"sign_in: {timeout: 90s}", true}, {"sign_in: {timeout: 1m30s}", true}, {"sign_in: {timeout: 30}", false}, {"sign_in: {timeout: 5 minutes}", false},
		{"sign_in: {token_auth: private_key_jwt}", false}, {"sign_in: {use_id_token: false}", true}, {"sign_in: {use_id_token: true}", false},
		{"sign_in: {preset: entra}", false}, {"sign_in: {enterprise: {}}", false}, {"sign_in: {token_exchange: {url: https://a.example}}", false},
		{"sign_in: {session: work}", true}, {"sign_in: {session: a b}", false},
		{"guard: {local: open}", true}, {"guard: {local: key}", false}, {"guard: {issuer: https://a.example}", false}, {"guard: {audit: true}", false}, {"guard: {audit: false}", true},
		{"guard: {allowed_origins: ['https://a.example:1']}", true}, {"guard: {allowed_origins: ['*']}", false}, {"guard: {allowed_origins: ['https://a.example/']}", false},
		{"headers: {set: {A: b}}", true}, {"headers: {set: {A b: c}}", false}, {"headers: {set: {A: 1}}", false}, {"headers: {set: }", true},
		{"headers: {set_file: {A: ~/b}}", true}, {"headers: {forward: [Cookie]}", true}, {"headers: {forward: Cookie}", false},
		{"tls: {ca_file: ~/a.pem}", true}, {"tls: {insecure: true}", false},
		{"proxy_url: 'http://a.example:1'", true}, {"proxy_url: 'ftp://a.example'", false},
		{"clients: []", true}, {"clients: [cursor, claude-desktop]", true}, {"clients: cursor", false}, {"clients: ", false},
		{"clients: [cursr]", false}, {"clients: [warp]", false}, {"clients: [cursor, cursor]", false}, {"clients: [1]", false}, {"spawn: {command: [a]}", false},
	}
	for _, line := range lines {
		data := fmt.Appendf(nil, frame, line.text)
		c, err := Parse("x.yaml", data)
		if (err == nil) != line.ok {
			t.Errorf("%s: Parse says %s", line.text, complaints(c, err))
		}
		if err := valid(data); (err == nil) != line.ok {
			t.Errorf("%s: the schema says %v", line.text, err)
		}
	}
	for _, head := range []string{"profiles: {}", "version: 2\nprofiles: {}", "version: '1'\nprofiles: {}", "version: 1", "version: 1\nprofiles: []",
		"version: 1\nprofiles: {A: {target: 'https://a.example'}}", "version: 1\nprofiles: {a: {}}", "version: 1\nprofiles: {a: }",
		"version: 1\nprofiles: {a: {target: 'http://a.example'}}", "version: 1\nprofiles: {a: {target: 'https://u@a.example'}}",
		"version: 1\nprofiles: {}\nsettings: {redirect_port: 70000}", "version: 1\nprofiles: {}\nsettings: {redirect_port: '1'}",
		"version: 1\nprofiles: {}\nsettings: {token_store: disk}", "version: 1\nprofiles: {}\nsettings: {clients: [a]}", "[]", "a"} {
		if _, err := Parse("x.yaml", []byte(head)); err == nil {
			t.Errorf("%q: Parse says nothing", head)
		}
		if valid([]byte(head)) == nil {
			t.Errorf("%q: the schema says nothing", head)
		}
	}
}

// TestValidMeansValid: what Parse accepts, editors do not complain about.
func TestValidMeansValid(t *testing.T) {
	valid := validator(t)
	for _, file := range testFiles(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(file, data); err != nil {
			continue
		}
		if err := valid(data); err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
	}
}
