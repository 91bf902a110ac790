package sandbox

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func fuzzSandbox(f *testing.F) *Sandbox {
	s, err := Start(f.Context(), Options{Clients: []Client{{ID: "c", Secret: "s", RedirectURIs: []string{"http://127.0.0.1/callback"}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *Sandbox) try(method, path, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://"+s.auth.hosts[0]+"/", strings.NewReader(body))
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	s.auth.ServeHTTP(w, r)
	return w
}

// Whatever the query, the answer goes nowhere but to the registered address.
func FuzzAuthorize(f *testing.F) {
	s := fuzzSandbox(f)
	f.Add("client_id=c&redirect_uri=http://127.0.0.1:5/callback&response_type=code")
	f.Add("client_id=c&redirect_uri=http://127.0.0.1:5@evil.example/callback")
	f.Add("client_id=c&redirect_uri=http://127.0.0.1/callback&state=%00%0d%0a")
	f.Add("client_id=c&client_id=d&;;%zz")
	f.Fuzz(func(t *testing.T, query string) {
		w := s.try(http.MethodGet, authorizePath+"?"+query, "", "")
		location := w.Header().Get("Location")
		if location != "" && !strings.HasPrefix(location, "http://127.0.0.1:") && !strings.HasPrefix(location, "http://127.0.0.1/callback?") {
			t.Errorf("redirect to %q", location)
		}
		if w.Code >= 500 {
			t.Errorf("status %d", w.Code)
		}
	})
}

func FuzzToken(f *testing.F) {
	s := fuzzSandbox(f)
	for _, body := range []string{
		"grant_type=authorization_code&code=x&client_id=c&client_secret=s", "grant_type=refresh_token&refresh_token=&client_id=c&client_secret=s",
		"grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=c", "%zz&&=", "",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if w := s.try(http.MethodPost, tokenPath, "application/x-www-form-urlencoded", body); w.Code < 400 || w.Code >= 500 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}

func FuzzRegister(f *testing.F) {
	s := fuzzSandbox(f)
	f.Add(`{"redirect_uris":["http://127.0.0.1/cb"],"application_type":"native"}`)
	f.Add(`{"redirect_uris":[null,1,"::"],"grant_types":[""]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if w := s.try(http.MethodPost, registerPath, "application/json", body); w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}

func TestTrimKeepsTheLiving(t *testing.T) {
	m := map[string]bool{}
	for i := range keepEntries {
		m[strings.Repeat("x", i)] = i == 7
	}
	trim(m, func(live bool) bool { return !live })
	if len(m) != 1 {
		t.Errorf("%d left", len(m))
	}
}
