package profile

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, file := range testFiles(f) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	example, err := os.ReadFile("../../profiles.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("x.yaml", data)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		if err == nil {
			return
		}
		var list Errors
		if !errors.As(err, &list) || len(list) == 0 {
			t.Fatalf("not Errors: %T", err)
		}
		lines := 1 + strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + strings.Count(string(data), "\u0085") +
			strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029")
		for _, e := range list {
			if e.Message != tooLarge && (e.Line < 1 || e.Column < 1 || e.Line > lines) {
				t.Errorf("outside of the file: %v", e)
			}
		}
		checkQuality(t, err)
	})
}

// FuzzSecret writes any line where a secret belongs: whatever it does to the file, no
// complaint repeats it.
func FuzzSecret(f *testing.F) {
	for _, s := range []string{"hush4hush", "'hush4hush", "\"hush4hush", "*hush4hush", "&hush4hush", "!hush4hush", "@hush4hush", "{hush4hush}", "[hush4hush]",
		"hush4hush: hush4hush", "|hush4hush", "%hush4hush", "hush4hush # x", "- hush4hush", "? hush4hush", "${hush4hush}", "<<: hush4hush", "#hush4hush", "\thush4hush", "Bearer hush4hush"} {
		f.Add(s, uint8(0))
		f.Add(s, uint8(3))
	}
	keys := []string{"client_secret", "token", "token_file", "token_env", "token_keyring", "client_secret_env"}
	f.Fuzz(func(t *testing.T, value string, which uint8) {
		value, _, _ = strings.Cut(value, "\n")
		value, _, _ = strings.Cut(value, "\r")
		if strings.ContainsAny(value, "\u0085\u2028\u2029") {
			return
		}
		key := keys[int(which)%len(keys)]
		data := fmt.Sprintf("version: 1\nprofiles:\n  a:\n    target: https://a.example/mcp\n    sign_in:\n      %s: %s\n", key, value)
		c, err := Parse("x.yaml", []byte(data))
		said := complaints(c, err)
		for _, word := range strings.FieldsFunc(value, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') }) {
			telling := len(word) >= 6 && strings.ContainsAny(word, "0123456789") && strings.ToUpper(word) != word
			if telling && strings.Contains(said, word) {
				t.Errorf("%q is in: %s", word, said)
			}
		}
	})
}

func BenchmarkParse50(b *testing.B) {
	data := fifty()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Parse("x.yaml", data); err != nil {
			b.Fatal(err)
		}
	}
}

// fifty is a file of 50 profiles as people write them.
func fifty() []byte {
	var b strings.Builder
	b.WriteString("version: 1\nsettings:\n  redirect_port: 8666\nprofiles:\n")
	for i := range 50 {
		fmt.Fprintf(&b, "\n  # server %d\n  server-%d:\n    target: https://mcp-%d.example.com/mcp\n    listen: 127.0.0.1:%d\n"+
			"    sign_in:\n      client_id: client-%d\n      client_secret_file: ~/secrets/%d\n      scopes: [openid, profile, offline_access]\n"+
			"    headers: {set: {X-Team: blue}}\n", i, i, i, 7800+i, i, i)
	}
	return []byte(b.String())
}

func BenchmarkTable(b *testing.B) {
	for b.Loop() {
		block(object{home: "x", keys: []key{{name: "settings", kind: settings()}, {name: "profiles", kind: profiles{of: oneProfile()}}}}, checkConfig)
	}
}
