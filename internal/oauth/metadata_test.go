package oauth

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestMetadataForms(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string][]string{
		"https://a.example":       {"https://a.example/.well-known/oauth-authorization-server", "https://a.example/.well-known/openid-configuration"},
		"https://a.example/":      {"https://a.example/.well-known/oauth-authorization-server", "https://a.example/.well-known/openid-configuration"},
		"https://a.example/t":     {"https://a.example/.well-known/oauth-authorization-server/t", "https://a.example/.well-known/openid-configuration/t", "https://a.example/t/.well-known/openid-configuration"},
		"https://a.example/t/":    {"https://a.example/.well-known/oauth-authorization-server/t", "https://a.example/.well-known/openid-configuration/t", "https://a.example/t/.well-known/openid-configuration"},
		"https://a.example:8/%2F": {"https://a.example:8/.well-known/oauth-authorization-server/%2F", "https://a.example:8/.well-known/openid-configuration/%2F", "https://a.example:8/%2F/.well-known/openid-configuration"},
	} {
		var got []string
		for _, f := range metadataForms(mustURL(t, issuer)) {
			got = append(got, f.url)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", issuer, got, want)
		}
	}
}

func TestResourceForms(t *testing.T) {
	t.Parallel()
	const at = "https://h.example/.well-known/oauth-protected-resource"
	for target, want := range map[string][]string{
		"https://h.example":            {at},
		"https://h.example/":           {at},
		"https://h.example/mcp":        {at + "/mcp", at},
		"https://h.example:443/mcp/":   {at + "/mcp", at},
		"https://h.example/a/b?tenant": {at + "/a/b?tenant", at + "/a/b", at},
	} {
		if got := resourceForms(mustURL(t, target), ""); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q", target, got)
		}
		if got := resourceForms(mustURL(t, target), "https://x/"); got[0] != "https://x/" || len(got) != len(want)+1 {
			t.Errorf("%s: %q", target, got)
		}
	}
}

// A61 and what is decided of prefixes.
func TestMatchResource(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		resource, target string
		ok, note         bool
	}{
		{"https://h.example/mcp", "https://h.example/mcp", true, false},
		{"https://h.example/mcp/", "https://h.example/mcp", true, false},
		{"https://H.example:443/mcp", "https://h.example/mcp", true, false},
		{"https://h.example/mcp", "https://h.example/mcp?x=1", true, false},
		{"https://h.example", "https://h.example/mcp", true, true},
		{"https://h.example/", "https://h.example/a/b", true, true},
		{"https://h.example/a", "https://h.example/a/b", true, true},
		{"https://h.example/a", "https://h.example/ab", false, false},
		{"https://h.example/mcp/x", "https://h.example/mcp", false, false},
		{"https://h.example/mcp?y=1", "https://h.example/mcp?x=1", false, false},
		{"https://evil.example/mcp", "https://h.example/mcp", false, false},
		{"https://h.example.evil.example/mcp", "https://h.example/mcp", false, false},
		{"http://h.example/mcp", "https://h.example/mcp", false, false},
		{"https://h.example:8443/mcp", "https://h.example/mcp", false, false},
		{"https://x@h.example/mcp", "https://h.example/mcp", false, false},
		{"https://h.example/mcp#f", "https://h.example/mcp", false, false},
		{"/mcp", "https://h.example/mcp", false, false},
		{"", "https://h.example/mcp", false, false},
	} {
		note, err := matchResource(c.resource, mustURL(t, c.target))
		if (err == nil) != c.ok || (note != "") != c.note {
			t.Errorf("%s for %s: note %q, %v", c.resource, c.target, note, err)
		}
	}
}

func FuzzDocuments(f *testing.F) {
	for _, s := range []string{
		`{"issuer":"https://a","scopes_supported":["x",1],"authorization_response_iss_parameter_supported":"true"}`,
		`{"resource":"https://h.example/mcp","authorization_servers":["https://a"],"scopes_supported":null}`, "\xef\xbb\xbf{}", `[]`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	target := &url.URL{Scheme: "https", Host: "h.example", Path: "/mcp"}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := parseDocument(&reply{body: body})
		if err != nil {
			return
		}
		for _, s := range readMetadata(d).scopes {
			if !isScope(s) {
				t.Errorf("scope %q", s)
			}
		}
		if p, err := readResource(d, target); err == nil {
			if u, err := url.Parse(p.resource); err != nil || originOf(u) != "https://h.example" || len(p.servers) == 0 {
				t.Errorf("%q %q", p.resource, p.servers)
			}
		} else if strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%q", err)
		}
	})
}
