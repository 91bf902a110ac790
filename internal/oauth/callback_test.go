package oauth

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// givenPorts are those that holdPort gave away.
var givenPorts sync.Map

// holdPort listens on a port of that address, outside the ranges that systems hand out for
// port 0, and that the app chooses from: once closed it stays free.
func holdPort(t *testing.T, host string) (net.Listener, int) {
	t.Helper()
	for range 100 {
		port := 10000 + rand.N(9000)
		if _, given := givenPorts.LoadOrStore(port, true); given {
			continue
		}
		if l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port))); err == nil {
			return l, port
		}
	}
	t.Skip("no port to be had at " + host)
	return nil, 0
}

func freePort(t *testing.T) int {
	t.Helper()
	l, port := holdPort(t, "127.0.0.1")
	l.Close()
	return port
}

// browser is a browser that a test drives step by step: no redirect is followed.
type browser struct {
	t      *testing.T
	client *http.Client
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar, Timeout: soon.Limit, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b *browser) do(method, address string, change func(*http.Request)) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(soon.Context(b.t), method, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := resp.Body.Read(buf)
		body.Write(buf[:n])
		if err != nil {
			return resp, body.String()
		}
	}
}

func (b *browser) get(address string) (*http.Response, string) {
	return b.do(http.MethodGet, address, nil)
}

// toCallback goes as far as the provider's redirect back, and returns where it leads.
func (b *browser) toCallback(start string) *url.URL {
	b.t.Helper()
	resp, _ := b.get(start)
	if resp.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("start: %d", resp.StatusCode)
	}
	resp, _ = b.get(resp.Header.Get("Location"))
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || u.Query().Get("state") == "" {
		b.t.Fatalf("authorize: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	return u
}

func with(u *url.URL, change func(url.Values)) string {
	c, q := *u, u.Query()
	change(q)
	c.RawQuery = q.Encode()
	return c.String()
}

func set(name, value string) func(url.Values) {
	return func(q url.Values) { q.Set(name, value) }
}

// A42-A55: what is not the answer changes nothing, and the answer counts once.
func TestCallback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	done := w.begin()
	b := newBrowser(t)
	back := b.toCallback(w.prompt().URL)
	root := "http://" + back.Host

	for name, c := range map[string]struct {
		method, url string
		change      func(*http.Request)
		status      int
	}{
		"wrong state":       {"GET", with(back, set("state", "x")), nil, 400},
		"no state":          {"GET", with(back, func(q url.Values) { q.Del("state") }), nil, 400},
		"error, no state":   {"GET", root + back.Path + "?error=access_denied", nil, 400},
		"error, wrong":      {"GET", root + back.Path + "?error=access_denied&state=x", nil, 400},
		"state twice":       {"GET", back.String() + "&state=" + back.Query().Get("state"), nil, 400},
		"code twice":        {"GET", back.String() + "&code=x", nil, 400},
		"iss twice":         {"GET", back.String() + "&iss=x", nil, 400},
		"many params":       {"GET", back.String() + strings.Repeat("&a=b", 10_000), nil, 400},
		"long query":        {"GET", back.String() + "&a=" + strings.Repeat("x", 40<<10), nil, 400},
		"endless query":     {"GET", back.String() + "&a=" + strings.Repeat("x", 1<<20), nil, 431},
		"bad escape":        {"GET", back.String() + "&a=%zz", nil, 400},
		"HEAD":              {"HEAD", back.String(), nil, 405},
		"POST":              {"POST", back.String(), nil, 405},
		"OPTIONS":           {"OPTIONS", back.String(), nil, 405},
		"prefetch":          {"GET", back.String(), func(r *http.Request) { r.Header.Set("Sec-Purpose", "prefetch;prerender") }, 404},
		"other host":        {"GET", back.String(), func(r *http.Request) { r.Host = "evil.example" }, 403},
		"other port":        {"GET", back.String(), func(r *http.Request) { r.Host = "127.0.0.1:1" }, 403},
		"rebound":           {"GET", back.String(), func(r *http.Request) { r.Host = "127.0.0.1.evil.example:" + back.Port() }, 403},
		"favicon":           {"GET", root + "/favicon.ico", nil, 404},
		"root":              {"GET", root + "/", nil, 404},
		"script":            {"GET", root + "/<script>?x=<script>", nil, 404},
		"slash too many":    {"GET", strings.Replace(back.String(), back.Path, back.Path+"/", 1), nil, 404},
		"used start link":   {"GET", w.prompt().URL, nil, 400},
		"unknown start":     {"GET", root + "/start/x", nil, 400},
		"unknown done":      {"GET", root + "/done/x", nil, 404},
		"dots":              {"GET", root + "/a/.." + back.Path + "?" + back.RawQuery, nil, 404},
		"another one's try": {"GET", back.String(), func(r *http.Request) { r.Header.Set("X", "no cookies") }, 400},
	} {
		visitor := b
		if name == "another one's try" {
			visitor = newBrowser(t)
		}
		resp, body := visitor.do(c.method, c.url, c.change)
		if resp.StatusCode != c.status {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
		if c.status != 431 {
			checkPage(t, name, resp, body)
		}
		if n := w.sb.Count(sandbox.KindToken); n != 0 {
			t.Fatalf("%s: %d token requests", name, n)
		}
	}
	if r := w.last(); r.Phase != status.SigningIn || !strings.Contains(r.Detail, "was ignored") {
		t.Errorf("%+v", r)
	}
	resp, _ := b.get(back.String())
	if resp.StatusCode != http.StatusSeeOther || strings.Contains(resp.Header.Get("Location"), "code") {
		t.Errorf("answer: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	if err := w.end(done); err != nil {
		t.Fatal(err)
	}
	if again, body := b.get(back.String()); again.StatusCode != http.StatusBadRequest || !strings.Contains(body, "Already used") {
		t.Errorf("a second time: %d %s", again.StatusCode, body)
	}
	page, body := b.get(root + resp.Header.Get("Location"))
	if page.StatusCode != http.StatusOK || !strings.Contains(body, "Signed in") {
		t.Errorf("last page: %d %s", page.StatusCode, body)
	}
	checkPage(t, "last page", page, body)
	w.shut(back.Host)
}

// checkPage: only our own constant pages, with all their headers (A50).
func checkPage(t *testing.T, name string, resp *http.Response, body string) {
	t.Helper()
	h := resp.Header
	if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("X-Content-Type-Options") != "nosniff" ||
		h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%s: headers %v", name, h)
	}
	known := resp.Request.Method == http.MethodHead
	for _, p := range []page{pageSignedIn, pageFailed, pageDeclined, pageUsed, pageAnswered, pageStrange, pageNothing, pageMethod, pageHost} {
		known = known || body == string(p.body)
	}
	if !known {
		t.Errorf("%s: a page of its own: %q", name, body)
	}
}

// shut waits until nobody listens any more.
func (w *world) shut(host string) {
	w.t.Helper()
	soon.Until(w.t, "the callback port is closed", func() bool {
		c, err := net.Dial("tcp", host)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// A49: fifty at once, one token request.
func TestCallbackCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	hold := make(chan struct{})
	w.sb.Set(func(f *sandbox.Faults) { f.Answer(sandbox.KindToken, sandbox.Answer{Hold: hold}) })
	done := w.begin()
	b := newBrowser(t)
	back := b.toCallback(w.prompt().URL)
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[int]int{}
	for range 50 {
		wg.Go(func() {
			resp, _ := b.get(back.String())
			mu.Lock()
			defer mu.Unlock()
			seen[resp.StatusCode]++
			if resp.StatusCode == 400 && seen[400] == 49 {
				close(hold)
			}
		})
	}
	wg.Wait()
	if err := w.end(done); err != nil {
		t.Fatal(err)
	}
	if seen[303] != 1 || seen[400] != 49 || w.sb.Count(sandbox.KindToken) != 1 {
		t.Errorf("%v, %d token requests", seen, w.sb.Count(sandbox.KindToken))
	}
}

// An answer with a wrong state is told of when a browser shows it to somebody, and ends nothing.
func TestCallbackOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	done := w.begin()
	b := newBrowser(t)
	link := w.prompt().URL
	back := b.toCallback(link)
	wrong := with(back, set("state", "x"))
	picture, err := http.NewRequestWithContext(t.Context(), http.MethodGet, wrong, nil)
	if err != nil {
		t.Fatal(err)
	}
	picture.Header.Set("Sec-Fetch-Dest", "image")
	resp, err := http.DefaultTransport.RoundTrip(picture)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if r := w.last(); resp.StatusCode != 400 || r.Detail != "" {
		t.Errorf("%s, %+v", resp.Status, r)
	}
	b.get(wrong)
	r1 := w.await("of the answer", func(r status.Report) bool { return r.Detail != "" })
	if r1.Phase != status.SigningIn || !strings.Contains(r1.Detail, "does not belong to this sign-in") || !strings.Contains(r1.Action, "signin tools") {
		t.Errorf("%+v", r1)
	}
	b.get(back.String())
	if err := w.end(done); err != nil {
		t.Error(err)
	}
}

// A53: rubbish does not get in the way.
func TestCallbackUnderRubbish(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	done := w.begin()
	b := newBrowser(t)
	back := b.toCallback(w.prompt().URL)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			stranger := newBrowser(t)
			for j := range 50 {
				if resp, _ := stranger.get(with(back, set("state", fmt.Sprint(i, j)))); resp.StatusCode != 400 {
					t.Errorf("rubbish: %d", resp.StatusCode)
				}
			}
		})
	}
	wg.Wait()
	b.get(back.String())
	if err := w.end(done); err != nil {
		t.Error(err)
	}
}

// A86: the answer of one provider brought to the sign-in at another.
func TestMixUp(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	settings := profile.Settings{RedirectHost: "127.0.0.1", RedirectPort: port}
	honest := newWorld(t, sandbox.Options{}, nil)
	evil := newWorld(t, sandbox.Options{}, nil)
	evil.accounts = honest.accounts
	evil.account = evil.open(evil.profile)
	evil.account.Subscribe(evil.hear)
	honest.accounts.Configure(settings)
	first, second := honest.begin(), evil.begin()
	b := newBrowser(t)
	good, bad := b.toCallback(honest.prompt().URL), b.toCallback(evil.prompt().URL)
	if good.Host != bad.Host || good.Path == bad.Path {
		t.Errorf("%s%s and %s%s", good.Host, good.Path, bad.Host, bad.Path)
	}
	mixed := with(bad, func(q url.Values) { q.Set("code", good.Query().Get("code")); q.Set("iss", good.Query().Get("iss")) })
	swapped := with(good, set("state", bad.Query().Get("state")))
	if resp, _ := b.get(swapped); resp.StatusCode != 400 {
		t.Errorf("the honest path with the other state: %d", resp.StatusCode)
	}
	b.get(mixed)
	if err := evil.end(second); code(t, err) != status.SignInFailed || evil.sb.Count(sandbox.KindToken) != 0 {
		t.Errorf("%v, %d token requests", err, evil.sb.Count(sandbox.KindToken))
	}
	b.get(good.String())
	if err := honest.end(first); err != nil {
		t.Error(err)
	}
}

// A54: after the end there is nobody to talk to.
func TestCancelShutsTheDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.account.SignIn(ctx) }()
	b := newBrowser(t)
	back := b.toCallback(w.prompt().URL)
	cancel()
	err := w.end(done)
	if code(t, err) != status.NotSignedIn || !strings.Contains(err.Error(), "cancelled") {
		t.Errorf("%v", err)
	}
	if _, err := net.Dial("tcp", back.Host); err == nil {
		t.Error("the port is still open")
	}
	if r := w.last(); r.Phase != status.SignInNeeded || w.sb.Count(sandbox.KindToken) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, func(w *world) { w.profile.SignIn.Timeout = 2 * time.Second })
	w.sb.Switch("authorize-page")
	done := w.begin()
	prompt := w.prompt()
	if _, err := w.person().Visit(soon.Context(t), prompt.URL); err != nil {
		t.Fatal(err)
	}
	if err := w.end(done); code(t, err) != status.SignInFailed || !strings.Contains(err.Error(), "in time") {
		t.Errorf("%v", err)
	}
	u, _ := url.Parse(prompt.URL)
	if _, err := net.Dial("tcp", u.Host); err == nil {
		t.Error("the port is still open")
	}
	// Perhaps the provider did not know the client: the next sign-in registers a new one.
	w.sb.Behave()
	w.mustSignIn()
	if n := w.sb.Count(sandbox.KindRegister); n != 1 && n != 2 {
		t.Errorf("%d registrations", n)
	}
}

// A person who lost the tab goes on with a fresh link.
func TestJoin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	first := w.begin()
	lost := newBrowser(t).toCallback(w.prompt().URL)
	if err := w.joinAndVisit(); err != nil {
		t.Fatal(err)
	}
	if err := w.end(first); err != nil {
		t.Fatal(err)
	}
	if n := w.sb.Count(sandbox.KindToken); n != 1 || lost == nil {
		t.Errorf("%d token requests", n)
	}
}

// One of two waiting callers leaves; the sign-in goes on for the other.
func TestOneOfTwoCancels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- w.account.SignIn(ctx) }()
	before := w.prompt().URL
	stays := w.begin()
	w.await("with a fresh link", func(r status.Report) bool { return r.Prompt != nil && r.Prompt.URL != before })
	cancel()
	if err := w.end(left); code(t, err) != status.NotSignedIn {
		t.Errorf("%v", err)
	}
	if _, err := w.person().Visit(soon.Context(t), w.prompt().URL); err != nil {
		t.Fatal(err)
	}
	if err := w.end(stays); err != nil {
		t.Error(err)
	}
}

func TestBusyPort(t *testing.T) {
	t.Parallel()
	busy, port := holdPort(t, "127.0.0.1")
	defer busy.Close()
	settings := profile.Settings{RedirectHost: "localhost", RedirectPort: port}

	t.Run("registered client", func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Clients: []sandbox.Client{{ID: "mine", RedirectURIs: []string{"http://localhost/callback"}}}}, func(w *world) {
			w.profile.SignIn.ClientID = "mine"
		})
		w.accounts.Configure(settings)
		_, err := w.signIn(w.person())
		if code(t, err) != status.SignInFailed || !strings.Contains(err.Error(), "port "+strconv.Itoa(port)+" is in use") || !strings.Contains(err.Error(), "redirect_port") {
			t.Errorf("%v", err)
		}
		w.accounts.owner = func(host, at string) string {
			if host != "::1" || at != strconv.Itoa(port) {
				return ""
			}
			return "nginx (pid 1)"
		}
		if _, err := w.signIn(w.person()); err == nil || !strings.Contains(err.Error(), "in use by nginx (pid 1)") {
			t.Errorf("%v", err)
		}
	})
	t.Run("client that registers itself", func(t *testing.T) {
		w := newWorld(t, sandbox.Options{ExactRedirect: true}, nil)
		w.accounts.Configure(settings)
		w.mustSignIn()
		busy.Close()
		w.mustSignIn()
		w.mustSignIn()
		if n := w.sb.Count(sandbox.KindRegister); n != 2 {
			t.Errorf("%d registrations", n)
		}
	})
}

// localhost may mean either family: both are ours, or neither.
func TestBothFamilies(t *testing.T) {
	t.Parallel()
	six, port := holdPort(t, "::1")
	defer six.Close()
	w := newWorld(t, sandbox.Options{Clients: []sandbox.Client{{ID: "mine", RedirectURIs: []string{"http://localhost/callback", "http://127.0.0.1/callback"}}}}, func(w *world) {
		w.profile.SignIn.ClientID = "mine"
	})
	w.accounts.Configure(profile.Settings{RedirectHost: "localhost", RedirectPort: port})
	if _, err := w.signIn(w.person()); code(t, err) != status.SignInFailed || !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v", err)
	}
	w.accounts.Configure(profile.Settings{RedirectHost: "127.0.0.1", RedirectPort: port})
	w.mustSignIn()
	six.Close()
	w.accounts.Configure(profile.Settings{RedirectHost: "localhost", RedirectPort: port})
	done := w.begin()
	start := w.prompt().URL
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		u := mustURL(t, start)
		resp, _ := newBrowser(t).get("http://" + host + ":" + u.Port() + "/nothing")
		if resp.StatusCode != 404 {
			t.Errorf("%s: %d", host, resp.StatusCode)
		}
	}
	if _, err := w.person().Visit(soon.Context(t), start); err != nil {
		t.Fatal(err)
	}
	if err := w.end(done); err != nil {
		t.Error(err)
	}
}

func TestRedirectURL(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	fixed := fmt.Sprintf("http://127.0.0.1:%d/auth/callback", port)
	w := newWorld(t, sandbox.Options{ExactRedirect: true, Clients: []sandbox.Client{{ID: "mine", RedirectURIs: []string{fixed}}}}, func(w *world) {
		w.profile.SignIn.ClientID, w.profile.SignIn.RedirectURL = "mine", fixed
	})
	w.mustSignIn()
	for _, bad := range []string{"https://example.com/cb", "http://example.com/cb", "http://localhost/cb#x", "ftp://localhost/", "http://10.0.0.1/"} {
		p := w.profile
		p.SignIn.RedirectURL = bad
		err := w.open(p).SignIn(soon.Context(t))
		if code(t, err) != status.ProfileError {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func FuzzCallbackQuery(f *testing.F) {
	for _, s := range []string{"code=a&state=b", "state=a&state=b", "error=x&state=y&iss=z", "%zz", "a;b", strings.Repeat("a&", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, ok := readAnswer(raw)
		if !ok {
			return
		}
		if len(q["state"]) != 1 || q.Get("state") == "" || len(q["code"]) > 1 || len(q["iss"]) > 1 || len(q["error"]) > 1 {
			t.Errorf("%q was accepted", raw)
		}
		_, err := testRequest("https://auth.example.com", true).answer(q)
		if err != nil {
			checkWords(t, asError(err))
		}
	})
}
