package desktop

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func TestBrowserGetsOneArgument(t *testing.T) {
	for _, c := range []struct{ name, address, want string }{
		{"plain", "https://auth.example.com/authorize?a=b&c=d", ""},
		{"shell", "https://auth.example.com/$(id)/;rm%20-rf%20~/&x='y'&z=*!(a)", ""},
		{"bytes as they are", "http://127.0.0.1:7801/A%2f%2F?state=a%20b+c#part", ""},
		{"quotes", "https://a.example/?q=\"x\" y`z`<b>|{c}\\^",
			"https://a.example/?q=%22x%22%20y%60z%60%3Cb%3E%7C%7Bc%7D%5C%5E"},
		{"other letters", "https://a.example/ü", "https://a.example/%C3%BC"},
		{"option", "http://-rf.example/--new-window", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, read := program(t, "", "my browser")
			t.Setenv("BROWSER", "my browser")
			if err := OpenURL(c.address); err != nil {
				t.Fatal(err)
			}
			want := c.want
			if want == "" {
				want = c.address
			}
			if got := read().Args; len(got) != 1 || got[0] != want {
				t.Errorf("the browser got %q, want %q", got, want)
			}
		})
	}
}

func TestOpenURLRefuses(t *testing.T) {
	dir, _ := program(t, "", "browser")
	t.Setenv("BROWSER", "browser")
	for _, address := range []string{
		"", "/etc/passwd", "file:///etc/passwd", "javascript:alert(1)", "ftp://a.example/", "https:", "https:///x",
		"--help", "mailto:a@b", "http://a.example/\x00", "http://a.example/\n", "HTTP", "vbscript:x", " https://a.example",
		"https://a.example/%zz",
	} {
		err := OpenURL(address)
		if err == nil {
			t.Errorf("%q was opened", address)
		} else if len(address) > 8 && strings.Contains(err.Error(), address) {
			t.Errorf("the error repeats the address: %v", err)
		}
	}
	if found, _ := filepath.Glob(dir + "/report"); found != nil {
		t.Error("the browser was started")
	}
}

func TestBrowserErrors(t *testing.T) {
	_, read := program(t, "fail", "browser")
	secret := "https://auth.example.com/authorize?state=S3CRET"
	for browser, says := range map[string]string{
		"browser":            "exit status 4",
		"nobody-has-this":    "not found",
		"browser -P work":    "one command without arguments",
		"/no/such/directory": "no such file",
	} {
		t.Setenv("BROWSER", browser)
		err := OpenURL(secret)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("BROWSER=%q: %v, want something about %q", browser, err, says)
		}
		if err != nil && strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("the error repeats the address: %v", err)
		}
	}
	read()
}

func TestBrowserDoesNotGetOurVariables(t *testing.T) {
	_, read := program(t, "", "browser")
	t.Setenv("BROWSER", "browser")
	t.Setenv("MCPAUTH_PASSPHRASE", "swordfish")
	if err := OpenURL("https://a.example/"); err != nil {
		t.Fatal(err)
	}
	if env := read().Env; slices.ContainsFunc(env, func(v string) bool { return strings.Contains(v, "swordfish") }) {
		t.Error("the browser got the passphrase")
	}
}

func TestHangingBrowserDoesNotBlock(t *testing.T) {
	_, read := program(t, "hang", "browser")
	t.Setenv("BROWSER", "browser")
	start := time.Now()
	if err := OpenURL("https://a.example/"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > soon.Limit {
		t.Errorf("OpenURL took %s", took)
	}
	kill(t, read().PID)
}

func FuzzWebAddress(f *testing.F) {
	f.Add("https://auth.example.com/authorize?a=b&c=%20#d")
	f.Add("http://[::1]:80/\"'")
	f.Add("javascript://x.example/%0aalert(1)")
	f.Add("http://\"0")
	f.Fuzz(func(t *testing.T, address string) {
		out, err := webAddress(address)
		if err != nil {
			return
		}
		if !strings.HasPrefix(strings.ToLower(out), "http") || strings.ContainsAny(out, " \"`<>\\^{|}\t\r\n\x00") {
			t.Errorf("%q became %q", address, out)
		}
		if again, err := webAddress(out); err != nil || again != out {
			t.Errorf("%q became %q, then %q, %v", address, out, again, err)
		}
	})
}
