package oauth

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

func TestReachOf(t *testing.T) {
	t.Parallel()
	for want, addresses := range map[reach][]string{
		reachPublic:   {"93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"},
		reachPrivate:  {"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "198.18.0.1", "fc00::1", "fd12::1", "fec0::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"},
		reachLoopback: {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"},
		reachSpecial: {"0.0.0.0", "0.1.2.3", "169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::", "fe80::1", "fe80::1%eth0", "ff02::1",
			"224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.9", "2001:db8::1", "2001::1", "100::1", "64:ff9b:1::1", "4000::1"},
	} {
		for _, a := range addresses {
			if got := reachOf(netip.MustParseAddr(a)); got != want {
				t.Errorf("%s: %d, want %d", a, got, want)
			}
		}
	}
}

// A56, A62: what a public server may name.
func TestFenceURL(t *testing.T) {
	t.Parallel()
	public := newFence(profile.Profile{Target: "https://mcp.example.com/mcp"})
	for _, raw := range []string{
		"https://auth.example.com/authorize", "https://auth.example.com:8443/a?b=c", "https://93.184.216.34/", "https://[2606:4700::1111]/x",
	} {
		if _, err := public.url("u", raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
	for _, raw := range []string{
		"", "javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "ms-msdt:/id", "vscode://x", `\\host\x`, "-a Calculator",
		"http://example.com/", "https://good@evil.example/", "https://good:pw@evil.example/", "https://", "https:///x", "//example.com/x", "/x",
		"https://example.com/\n", "https://example.com/ x", "https://example.com/\x00", "https://example.com/#f", "https://exa\"mple.com/",
		"https://$(id).example.com/", "https://`id`/", "https://a&calc&b/", "HTTP://127.0.0.1/", "http://localhost/", "http://[::1]/",
		"https://169.254.169.254/latest", "https://[::ffff:a9fe:a9fe]/", "https://[64:ff9b::a9fe:a9fe]/", "https://[2002:a9fe:a9fe::]/", "https://[fec0::1]/",
		"https://0.0.0.0/", "https://127.1/", "https://2130706433/", "https://0x7f.1/", "https://0x7f000001/", "https://10.0.0.1/", "https://127.0.0.1/",
		"https://[fe80::1%25eth0]/", "https://[::1]/", "https://xn--a.例え/", "https:example.com", "https://example.com:port/",
		"https://example.com/" + strings.Repeat("a", 8<<10),
	} {
		u, err := public.url("authorization_endpoint", raw)
		if err == nil {
			t.Errorf("%s was accepted as %s", raw, u)
			continue
		}
		if strings.ContainsAny(err.Error(), "\n\x00/") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestFenceGoesByWhatTheOperatorTyped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target, url string
		ok          bool
	}{
		{"http://127.0.0.1:3000/mcp", "http://127.0.0.1:9000/token", true},
		{"http://127.0.0.1:3000/mcp", "http://localhost:9000/token", true},
		{"http://127.0.0.1:3000/mcp", "http://10.0.0.1/token", false},
		{"http://127.0.0.1:3000/mcp", "https://10.0.0.1/token", true},
		{"https://10.0.0.5/mcp", "https://10.0.0.6/token", true},
		{"https://10.0.0.5/mcp", "https://127.0.0.1/token", false},
		{"https://10.0.0.5/mcp", "https://169.254.169.254/token", false},
		{"https://169.254.169.254/mcp", "https://169.254.169.254/token", true},
		{"https://169.254.169.254/mcp", "https://10.0.0.1/token", false},
		{"https://mcp.example.com/mcp", "https://mcp.example.com/token", true},
	} {
		_, err := newFence(profile.Profile{Target: c.target}).url("u", c.url)
		if (err == nil) != c.ok {
			t.Errorf("%s names %s: %v", c.target, c.url, err)
		}
	}
}

func TestFenceDialled(t *testing.T) {
	t.Parallel()
	f := newFence(profile.Profile{Target: "https://mcp.example.com/mcp"})
	for address, ok := range map[string]bool{
		"93.184.216.34:443": true, "10.0.0.1:443": false, "127.0.0.1:443": false, "[::1]:443": false, "[::ffff:169.254.169.254]:443": false, "[64:ff9b::a00:1]:443": false,
	} {
		if err := f.dialled("auth.example.com", address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := f.dialled("MCP.example.com.", "10.0.0.1:443"); err != nil {
		t.Errorf("a typed host: %v", err)
	}
	f.vouch(reachPrivate)
	if err := f.dialled("auth.example.com", "10.0.0.1:443"); err != nil {
		t.Errorf("beside an intranet target: %v", err)
	}
	if err := f.dialled("auth.example.com", "127.0.0.1:443"); err == nil {
		t.Error("an intranet target opened the way to this machine")
	}
}

func FuzzFenceURL(f *testing.F) {
	for _, s := range []string{"https://a.example/", "http://127.0.0.1", "https://[::1]:1/", "javascript:x", "https://a@b/", "https://127.1"} {
		f.Add(s)
	}
	fence := newFence(profile.Profile{Target: "https://mcp.example.com/mcp"})
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := fence.url("x", raw)
		if err != nil {
			return
		}
		s := u.String()
		again, err := fence.url("x", s)
		if err != nil || again.Scheme != "https" || again.User != nil || again.Host != u.Host {
			t.Errorf("%q became %q: %v", raw, s, err)
		}
	})
}
