package profile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var someDraft = Draft{
	"target":                     "https://new.example.com/mcp?a=b",
	"sign_in.client_id":          "1234",
	"sign_in.client_secret_file": "new.client-secret",
	"sign_in.scopes":             []string{"openid", "a:b", "true"},
	"sign_in.open_browser":       false,
	"headers.set":                map[string]string{"X-B": "yes", "X-A": "a: b # c"},
}

// TestInsertGolden inserts into each shape of file: what is before "=====" into what is
// behind it, or the error.
func TestInsertGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/insert/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	const line = "\n=====\n"
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			before, want, _ := strings.Cut(string(text), line)
			before = strings.NewReplacer("<CRLF>\n", "\r\n", "<BOM>", "\ufeff", "<NONL>", "").Replace(before + "\n")
			if strings.Contains(string(text), "<NONL>") {
				before = strings.TrimSuffix(before, "\n")
			}
			got := insertText(t, before)
			if *update {
				head, _, _ := strings.Cut(string(text), line)
				if err := os.WriteFile(file, []byte(head+line+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("want (-) and got (+):\n%s", diff)
			}
		})
	}
}

func insertText(t *testing.T, before string) string {
	in, err := Insert("p.yaml", []byte(before), "new", someDraft)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	checkInsertion(t, []byte(before), in)
	return strings.NewReplacer("\r\n", "<CRLF>\n", "\ufeff", "<BOM>").Replace(string(in.Text))
}

// checkInsertion holds the promise: nothing but the new profile has changed.
func checkInsertion(t *testing.T, before []byte, in *Insertion) {
	t.Helper()
	after, err := Parse("p.yaml", in.Text)
	if err != nil {
		t.Fatalf("the result is invalid: %v\n%s", err, in.Text)
	}
	if last := after.Profiles[len(after.Profiles)-1]; last.Name != "new" || last.Target != someDraft["target"] ||
		!slices.Equal(last.SignIn.Scopes, someDraft["sign_in.scopes"].([]string)) || last.Headers.Set["X-A"] != "a: b # c" {
		t.Errorf("the new profile is %+v", last)
	}
	if c, err := Parse("p.yaml", before); err == nil {
		after.Profiles = after.Profiles[:len(after.Profiles)-1]
		if !cmp.Equal(c.Settings, after.Settings) || !slices.EqualFunc(c.Profiles, after.Profiles, func(a, b Profile) bool { return cmp.Equal(a, b) }) {
			t.Errorf("other things changed:\n%s", in.Text)
		}
	}
	// What is left when the new lines are taken out again is the file, but for an empty
	// value, white space, and keys that were missing.
	lines := cut(in.Text)
	count := 0
	for _, l := range lines[in.Line:] {
		if words := strings.TrimLeft(l.text, " "); len(l.text)-len(words) <= len(lines[in.Line-1].text)-len(strings.TrimLeft(lines[in.Line-1].text, " ")) {
			break
		}
		count++
	}
	var rest strings.Builder
	for _, l := range slices.Delete(slices.Clone(lines), in.Line-1, in.Line+count) {
		rest.WriteString(l.text + l.end)
	}
	bare := func(s string) string {
		for _, gone := range []string{"\ufeff", " ", "\t", "\r", "\n", "\u0085", "\u2028", "\u2029", "{}", "null", "Null", "NULL", "~", "version:1", "profiles:"} {
			s = strings.ReplaceAll(s, gone, "")
		}
		return s
	}
	if bare(rest.String()) != bare(string(before)) {
		t.Errorf("bytes changed: %q is left of %q", rest.String(), before)
	}
}

func TestInsertRefusesADraft(t *testing.T) {
	t.Parallel()
	file := []byte("version: 1\nprofiles:\n  a: {target: \"https://a.example.com/mcp\", listen: \"127.0.0.1:7801\"}\n")
	for _, c := range []struct {
		name  string
		draft Draft
		says  string
	}{
		{"x", Draft{}, "target is missing"},
		{"Not A Name", someDraft, "a profile's name must start"},
		{"a: {}\n  b", someDraft, "a profile's name must start"},
		{"x", Draft{"target": "https://x.example.com/\nlisten: 1"}, "must not have a space"},
		{"x", Draft{"target": "http://x.example.com/mcp"}, "must start with https://"},
		{"x", Draft{"target": "https://x.example.com", "listen": "127.0.0.1:7801"}, `has the same port as profile "a"`},
		{"x", Draft{"target": "https://x.example.com", "sign_in.redirect_url": "http://localhost:7801/callback"}, `profile "a": listen has the same port`},
		{"x", Draft{"target": "https://x.example.com", "guard.issuer": "https://x.example.com"}, "is not supported yet"},
		{"x", Draft{"target": "https://x.example.com", "nonsense": "x"}, "no key nonsense"},
		{"x", Draft{"target": 1.5}, "cannot be a float64"},
	} {
		_, err := Insert("p.yaml", file, c.name, c.draft)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want %q", c.draft, err, c.says)
		}
	}
}

func TestInsertErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"version: 1\nprofiles:\n  new: {target: \"https://a.example.com\"}\n": ErrExists,
		"{version: 1, profiles: {}}\n":                                        ErrStyle,
		"version: 1\nprofiles: {a: {target: \"https://a.example.com\"}}\n":    ErrStyle,
	} {
		_, err := Insert("p.yaml", []byte(text), "new", someDraft)
		var wrong *Error
		if !errors.Is(err, want) || !errors.As(err, &wrong) || wrong.File != "p.yaml" || wrong.Line == 0 || wrong.Column == 0 || wrong.Hint == "" {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
	_, err := Insert("p.yaml", []byte("version: 1\nprofils: {}\n"), "new", someDraft)
	var problems Errors
	if !errors.As(err, &problems) {
		t.Errorf("an invalid file: %v", err)
	}
}

// TestInsertMany grows a file profile by profile, in every shape of file.
func TestInsertMany(t *testing.T) {
	t.Parallel()
	starts := []string{"", "version: 1\nprofiles:\n", string(Starter("x")), "version: 1\nprofiles: {}\nsettings:\n    log_level: info\n"}
	for _, text := range starts {
		data := []byte(text)
		for _, name := range []string{"a", "b", "c-3"} {
			in, err := Insert("p.yaml", data, name, someDraft)
			if err != nil {
				t.Fatalf("%q: %v", data, err)
			}
			data = in.Text
		}
		c, err := Parse("p.yaml", data)
		if err != nil || len(c.Profiles) != 3 {
			t.Errorf("%v\n%s", err, data)
		}
		if head, _, _ := strings.Cut(text, "profiles:"); !bytes.HasPrefix(data, []byte(head)) {
			t.Errorf("the start changed:\n%s", data)
		}
	}
}

func TestInsertWarnings(t *testing.T) {
	t.Parallel()
	text := []byte("version: 1\nprofiles:\n  a: {target: \"https://a.example.com\", sign_in: {method: token, token: abc}}\n")
	in, err := Insert("p.yaml", text, "new", Draft{"target": "https://b.example.com", "sign_in.method": "none", "sign_in.session": "x"})
	if err != nil || len(in.Warnings) != 1 || !strings.Contains(in.Warnings[0].Message, "no effect") || in.Line != 4 {
		t.Errorf("%+v, %v", in, err)
	}
}

func TestLater(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key   string
		value any
		want  bool
	}{
		{"target", "x", false}, {"sign_in.method", "browser", false}, {"nonsense", 1, false}, {"sign_in.nonsense.more", 1, false},
		{"spawn.command", []string{"x"}, true},
	} {
		if _, got := Later(c.key, c.value); got != c.want {
			t.Errorf("Later(%s, %v) = %v", c.key, c.value, got)
		}
	}
}

func TestTextOfAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "p.yaml")
	if _, err := Text(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := Text(file); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := Text(filepath.Dir(file)); err == nil {
		t.Error("a folder is no file")
	}
}

func FuzzInsert(f *testing.F) {
	files, err := filepath.Glob("testdata/insert/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, testFiles(f)...) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		before, _, _ := bytes.Cut(data, []byte("\n=====\n"))
		f.Add(before)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := Insert("p.yaml", data, "new", someDraft)
		if err == nil {
			checkInsertion(t, data, in)
			return
		}
		var draft *DraftError
		if errors.As(err, &draft) && !strings.Contains(err.Error(), "entries") && !strings.Contains(err.Error(), "larger") {
			t.Errorf("the draft is good, but: %v\n%s", err, data)
		}
	})
}

// FuzzDraft writes any text as a value: it comes back as that value, or is refused.
func FuzzDraft(f *testing.F) {
	for _, s := range []string{"plain", "true", "0x1f", "a: b", "# c", "- x", "'", "\"", "\n", "\u2028", "~", "{", "${HOME}", " x ", "é", "a\x00b", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := Draft{"target": "https://a.example.com", "sign_in.client_id": s, "sign_in.scopes": []string{"a"}, "sign_in.authorize_params": map[string]string{"x": s}}
		in, err := Insert("p.yaml", []byte("version: 1\nprofiles: {}\n"), "new", d)
		if err != nil {
			return
		}
		c, err := Parse("p.yaml", in.Text)
		if err != nil || len(c.Profiles) != 1 || c.Profiles[0].SignIn.ClientID != s || c.Profiles[0].SignIn.AuthorizeParams["x"] != s {
			t.Errorf("%q came back as %+v, %v", s, c, err)
		}
	})
}
