package oauth

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// A70: an odd expires_in never costs more than the knowledge of when.
func TestLifetime(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]time.Duration{
		`3600`: time.Hour, `"3600"`: time.Hour, `" 3600 "`: time.Hour, `3600.5`: time.Hour, `36e2`: time.Hour, `1`: time.Second,
		`null`: 0, `0`: 0, `-5`: 0, `"abc"`: 0, `""`: 0, `true`: 0, `[3600]`: 0, `{"a":1}`: 0, `"NaN"`: 0, `"-Inf"`: 0, `0.5`: 0,
		`99999999999`: 87600 * time.Hour, `1e300`: 87600 * time.Hour, `"Inf"`: 87600 * time.Hour,
	} {
		a := readTokenAnswer([]byte(`{"expires_in":` + raw + `,"access_token":"a","token_type":"bearer","refresh_token":"r"}`))
		if a.lifetime != want || a.refresh != "r" || a.fault() != "" {
			t.Errorf("%s: %v, refresh token %q, fault %q", raw, a.lifetime, a.refresh, a.fault())
		}
	}
}

// F27: what is whole of a broken answer counts.
func TestTruncatedAnswer(t *testing.T) {
	t.Parallel()
	whole := `{"access_token":"aaa","token_type":"Bearer","expires_in":3600,"refresh_token":"rrr","scope":"x y"}`
	for n := range len(whole) {
		a := readTokenAnswer([]byte(whole[:n]))
		if !a.malformed {
			t.Errorf("%q passes for whole", whole[:n])
		}
		if a.refresh != "" && a.refresh != "rrr" || a.access != "" && a.access != "aaa" {
			t.Errorf("%q: half a token: %+v", whole[:n], a)
		}
		if got := a.refresh == "rrr"; got != strings.Contains(whole[:n], `"rrr"`) {
			t.Errorf("%q: refresh token %q", whole[:n], a.refresh)
		}
	}
	if a := readTokenAnswer([]byte(whole)); a.malformed || !a.scoped || len(a.scopes) != 2 {
		t.Errorf("%+v", a)
	}
}

// A69, A71.
func TestAnswerFaults(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"access_token":"a","token_type":"Bearer"}`:               "",
		`{"access_token":"a","token_type":"bEARER"}`:               "",
		`{"access_token":"a"}`:                                     "",
		`{"access_token":"a","token_type":7}`:                      "",
		`{"access_token":"a","token_type":"mac"}`:                  "not Bearer",
		`{"access_token":"a","token_type":"DPoP"}`:                 "not Bearer",
		`{"access_token":"a\r\nX: y","token_type":"Bearer"}`:       "unusable",
		`{"access_token":"a b","token_type":"Bearer"}`:             "unusable",
		`{"access_token":"é","token_type":"Bearer"}`:               "unusable",
		`{"access_token":"\u0000","token_type":"Bearer"}`:          "unusable",
		`{"access_token":"` + strings.Repeat("x", 32<<10) + `"}`:   "",
		`{"access_token":"` + strings.Repeat("x", 32<<10+1) + `"}`: "unusable",
		`{}`:                 "no access token",
		`{"access_token":1}`: "no access token",
		`[]`:                 "not a token answer",
		`"x"`:                "not a token answer",
		``:                   "not a token answer",
		`<html>`:             "not a token answer",
	} {
		a := readTokenAnswer([]byte(body))
		if got := a.fault(); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%.80s: %q", body, got)
		}
	}
}

// The table of facts: which answers mean what.
func TestClassify(t *testing.T) {
	t.Parallel()
	good := `{"access_token":"a","token_type":"Bearer"}`
	for _, c := range []struct {
		status  int
		body    string
		verdict verdict
		told    bool
		lost    bool
	}{
		{400, `{"error":"invalid_grant"}`, ended, true, false},
		{401, `{"error":"invalid_grant"}`, ended, true, false},
		{200, `{"error":"bad_refresh_token"}`, ended, true, false},
		{401, `{"error":"invalid_client"}`, unknownOwner, true, false},
		{400, `{"error":"unauthorized_client"}`, unknownOwner, true, false},
		{400, `{"error":"invalid_scope"}`, configured, true, false},
		{400, `{"error":"invalid_target"}`, configured, true, false},
		{400, `{"error":"temporarily_unavailable"}`, transient, true, false},
		{400, `{"error":"slow_down"}`, transient, true, false},
		{500, `{"error":"invalid_grant"}`, transient, false, false},
		{503, `{"error":"server_error"}`, transient, false, false},
		{429, `{"error":"invalid_grant"}`, transient, false, false},
		{408, `{"error":"invalid_client"}`, transient, false, false},
		{425, ``, transient, false, false},
		{400, `<html>no</html>`, transient, false, false},
		{403, ``, transient, false, false},
		{403, `{"error":"Forbidden"}`, transient, false, false},
		{302, good, transient, false, false},
		{307, `{"error":"invalid_grant"}`, transient, false, false},
		{200, `<html>login</html>`, transient, false, false},
		{200, `{"refresh_token":"r"}`, transient, false, false},
		{200, `{"refresh_token":"r`, transient, false, true},
		{200, ``, transient, false, false},
	} {
		a := readTokenAnswer([]byte(c.body))
		f := classify(&reply{status: c.status, header: http.Header{}, body: []byte(c.body), host: "h"}, &a)
		if f == nil {
			t.Errorf("%d %s: taken for success", c.status, c.body)
			continue
		}
		if f.verdict != c.verdict || f.told != c.told || f.lost != c.lost {
			t.Errorf("%d %s: verdict %d told %v lost %v", c.status, c.body, f.verdict, f.told, f.lost)
		}
		checkWords(t, f.err)
	}
	a := readTokenAnswer([]byte(good))
	if f := classify(&reply{status: 200, header: http.Header{}}, &a); f != nil {
		t.Error(f)
	}
}

// F21.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "1.5": 1500 * time.Millisecond, "0": 0, "-1": 0, "1e9": time.Hour, "": 0, "soon": 0, "NaN": 0, "Inf": time.Hour,
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat):     0,
		time.Now().Add(48 * time.Hour).UTC().Format(http.TimeFormat): time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
	got := retryAfter(http.Header{"Retry-After": {time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat)}})
	if got < time.Minute || got > 2*time.Minute {
		t.Errorf("date: %v", got)
	}
}

func FuzzTokenAnswer(f *testing.F) {
	for _, s := range []string{
		`{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r","scope":"x"}`,
		`{"refresh_token":"r","expires_in":"abc"`, `{"scope":["a",1]}`, `[]`, ``, `{"a":{"b":[1,2,{}]},"refresh_token":"r"}`, `{"error":"invalid_grant"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a := readTokenAnswer(body)
		if a.fault() == "" && !sendable(a.access) {
			t.Errorf("%q would be sent", a.access)
		}
		if a.lifetime < 0 || a.lifetime > 87600*time.Hour {
			t.Errorf("lifetime %v", a.lifetime)
		}
		if rt := a.usableRefresh(); strings.ContainsAny(rt, "\x00\r\n") {
			t.Errorf("refresh token %q", rt)
		}
		f := classify(&reply{status: 200, header: http.Header{}, host: "h"}, &a)
		if f != nil {
			checkWords(t, f.err)
		}
	})
}
