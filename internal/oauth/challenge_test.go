package oauth

import (
	"reflect"
	"strings"
	"testing"
)

func TestReadBearer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []string
		want   bearerChallenge
	}{
		"none":           {nil, bearerChallenge{}},
		"other scheme":   {[]string{`Basic realm="x"`}, bearerChallenge{}},
		"bare":           {[]string{"Bearer"}, bearerChallenge{present: true}},
		"lower case":     {[]string{`bearer Scope="a b"`}, bearerChallenge{present: true, scopes: []string{"a", "b"}}},
		"spaces":         {[]string{"  BEARER   resource_metadata =\t\"https://h/p\" ,error=invalid_token"}, bearerChallenge{present: true, metadata: "https://h/p", err: "invalid_token"}},
		"quoted pair":    {[]string{`Bearer error="a\"b\\c", resource_metadata="https://h/"`}, bearerChallenge{present: true, metadata: "https://h/", err: `a"b\c`}},
		"comma in quote": {[]string{`Basic realm="a, Bearer x=y", Bearer scope="s"`}, bearerChallenge{present: true, scopes: []string{"s"}}},
		"token68 first":  {[]string{`Negotiate abc==, Bearer scope=s`}, bearerChallenge{present: true, scopes: []string{"s"}}},
		"bare first":     {[]string{`Negotiate, Basic realm="a", Bearer error="x"`}, bearerChallenge{present: true, err: "x"}},
		"two headers":    {[]string{`Basic realm="a"`, `Bearer scope="s"`}, bearerChallenge{present: true, scopes: []string{"s"}}},
		"best of two":    {[]string{`Bearer scope="s"`, `Bearer resource_metadata="https://h/"`}, bearerChallenge{present: true, metadata: "https://h/"}},
		"unquoted URL":   {[]string{`Bearer resource_metadata=https://h/p?q=1, scope=s`}, bearerChallenge{present: true, metadata: "https://h/p?q=1", scopes: []string{"s"}}},
		"first counts":   {[]string{`Bearer resource_metadata="https://good/", resource_metadata="https://evil/"`}, bearerChallenge{present: true, metadata: "https://good/"}},
		"unclosed quote": {[]string{`Bearer resource_metadata="https://h/`}, bearerChallenge{present: true}},
		"rubbish":        {[]string{`,;@=x, Bearer =, ,scope="s"`}, bearerChallenge{present: true, scopes: []string{"s"}}},
		"bad scopes":     {[]string{"Bearer scope=\"a \x01 b\\\\c é d\""}, bearerChallenge{present: true, scopes: []string{"a", "d"}}},
		"wrong comma":    {[]string{`Bearer, scope="s"`}, bearerChallenge{present: true, scopes: []string{"s"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := readBearer(c.values); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%q: got %+v, want %+v", c.values, got, c.want)
			}
		})
	}
}

func TestChallengesAreBounded(t *testing.T) {
	t.Parallel()
	all := parseChallenges([]string{strings.Repeat(`A a="b",`, 10_000)})
	if len(all) != maxChallenges {
		t.Errorf("%d challenges", len(all))
	}
	var many strings.Builder
	many.WriteString("Bearer ")
	for i := range 1000 {
		many.WriteString("p" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + "=1,")
	}
	if c := parseChallenges([]string{many.String()}); len(c) != 1 || len(c[0].params) > maxChallengeParams {
		t.Errorf("%d challenges, %d parameters", len(c), len(c[0].params))
	}
}

func FuzzChallenge(f *testing.F) {
	for _, s := range []string{
		"", "Bearer", `Bearer a="b"`, `Negotiate YQ==, Basic realm="x"`, `Bearer a="\`, "a=b, =c,,;\"", "A B C=D", "x y=, z",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, c := range parseChallenges([]string{value}) {
			if c.scheme == "" || c.scheme != strings.ToLower(c.scheme) {
				t.Errorf("scheme %q", c.scheme)
			}
			for name := range c.params {
				if name == "" || strings.ContainsAny(name, " ,=\"") {
					t.Errorf("parameter %q", name)
				}
			}
		}
		for _, s := range readBearer([]string{value}).scopes {
			if !isScope(s) {
				t.Errorf("scope %q", s)
			}
		}
	})
}
