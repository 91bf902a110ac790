package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func manyProfiles(n int) []byte {
	var b strings.Builder
	b.WriteString("version: 1\nprofiles:\n")
	for i := range n {
		fmt.Fprintf(&b, "  p%d: {target: https://a.example/mcp}\n", i)
	}
	return []byte(b.String())
}

func TestLimits(t *testing.T) {
	t.Parallel()
	comment := func(n int) []byte { return []byte(minimal + strings.Repeat("#", n-len(minimal))) }
	nested := func(n int) []byte {
		return []byte("version: 1\nprofiles: {}\nx: " + strings.Repeat("[", n) + strings.Repeat("]", n) + "\n")
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"size below", comment(maxSize - 1), ""},
		{"size", comment(maxSize), ""},
		{"size above", comment(maxSize + 1), "larger than 1 MiB"},
		{"size far above", comment(10 << 20), "larger than 1 MiB"},
		{"profiles below", manyProfiles(maxProfiles - 1), ""},
		{"profiles", manyProfiles(maxProfiles), ""},
		{"profiles above", manyProfiles(maxProfiles + 1), "501 entries, but at most 500"},
		{"profiles far above", manyProfiles(10_000), "10000 entries, but at most 500"},
		{"depth", nested(maxDepth - 1), "unknown key"},
		{"depth above", nested(maxDepth + 1), "nested more than 32 deep"},
		{"depth far above", nested(10_001), "nested too deep"},
		{"bomb", []byte("version: 1\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\nprofiles: {}\n"), "aliases (*) are not supported"},
	} {
		start := time.Now()
		_, err := Parse("x.yaml", c.data)
		t.Logf("%s: %s", c.name, time.Since(start))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %.200v", c.name, err)
		}
	}
}

func TestManyProblems(t *testing.T) {
	t.Parallel()
	_, err := Parse("x.yaml", []byte("version: 1\nprofiles: {}\n"+strings.Repeat("x: 1\ny: 2\n", 10_000)))
	var list Errors
	if !errors.As(err, &list) || len(list) != maxErrors+1 {
		t.Fatalf("%d problems", len(list))
	}
	if last := list[maxErrors].Message; !strings.Contains(last, "and 19000 more problems") {
		t.Error(last)
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	p := Profile{SignIn: SignIn{Token: Secret{Value: "hush"}}}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "p", p, "s", p.SignIn.Token, "q", &p)
	for _, s := range []string{string(text), log.String(), fmt.Sprint(p), fmt.Sprintf("%+v %#v", p, p),
		fmt.Sprintf("%q %x %s", p.SignIn.Token, p.SignIn.Token, p.SignIn.Token), fmt.Sprintf("%v %#v", p.SignIn.Token, &p.SignIn.Token)} {
		if strings.Contains(s, "hush") || strings.Contains(s, fmt.Sprintf("%x", "hush")) {
			t.Error(s)
		}
	}
	for want, s := range map[string]Secret{"inline": {Value: "a"}, "file /a": {File: "/a"}, "environment A": {Env: "A"}, "keyring a/b": {Keyring: "a/b"}, "none": {}} {
		if s.String() != want {
			t.Errorf("%q, not %q", s.String(), want)
		}
	}
}

func TestServedLike(t *testing.T) {
	t.Parallel()
	parse := func(keys string) Profile {
		c, err := Parse("x.yaml", []byte("version: 1\nprofiles:\n  a:\n    target: https://a.example/mcp\n"+keys))
		if err != nil {
			t.Fatal(err)
		}
		return c.Profiles[0]
	}
	base := parse("")
	for _, same := range []string{"", "    enabled: true\n", "    sign_in: {method: auto, timeout: 300s}\n", "    # words\n    guard:\n", "    clients: [cursor]\n"} {
		if !base.ServedLike(parse(same)) {
			t.Errorf("%q makes a difference", same)
		}
	}
	for _, other := range []string{"    enabled: false\n", "    listen: 127.0.0.1:0\n", "    sign_in: {scopes: []}\n", "    headers: {set: {A: b}}\n", "    sign_in: {timeout: 6m}\n"} {
		if base.ServedLike(parse(other)) {
			t.Errorf("%q makes no difference", other)
		}
	}
}
