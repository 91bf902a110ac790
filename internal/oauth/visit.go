package oauth

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// visit is one browser we wait for. It begins at a start link, which gives the browser a
// cookie and sends it on to the provider, and comes back to the redirect path. The answer
// counts only with the right state and from that browser (RFC 6749 §10.12).
type visit struct {
	door *door  // set by doors.expect, as path and host
	path string // of the redirect URI
	host string

	state   string
	target  string        // where the start link leads
	life    time.Duration // of the cookie
	ignored func(string)  // told why an answer does not count
	answers chan url.Values
	ended   chan struct{} // closed when last is set

	mu       sync.Mutex
	links    map[string]bool   // start link → used
	cookies  map[string]string // name → value
	answered bool
	done     string // id of the final page
	last     page
	seen     chan struct{} // closed when the final page was fetched
}

const (
	startPath = "/start/"
	donePath  = "/done/"
)

func newVisit(state string, life time.Duration, ignored func(string)) *visit {
	return &visit{
		state: state, life: life, ignored: ignored,
		answers: make(chan url.Values, 1), ended: make(chan struct{}), seen: make(chan struct{}),
		links: map[string]bool{}, cookies: map[string]string{}, done: rand.Text(),
	}
}

// link makes a fresh start link.
func (v *visit) link() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	id := rand.Text()
	v.links[id] = false
	return "http://" + v.host + startPath + id
}

// end makes p the page that the browser sees last. A browser that waits for it has a moment
// to fetch it before the door shuts.
func (v *visit) end(p page) {
	v.mu.Lock()
	v.last = p
	close(v.ended)
	linger := v.answered
	v.answered = true
	v.mu.Unlock()
	if !linger {
		v.door.leave(v)
		return
	}
	const moment = 5 * time.Second
	v.door.doors.work.Go(func() {
		timer := time.NewTimer(moment)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-v.seen:
		case <-v.door.doors.closing:
		}
		v.door.leave(v)
	})
}

// ServeHTTP answers browsers. What it decides by, in this order: method, Host, kind of
// fetch, path; for an answer its form, state, cookie, and that it is the first.
func (dr *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pageHeaders(w.Header())
	path := r.URL.EscapedPath()
	switch {
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		pageMethod.write(w)
	case !dr.ownHost(r.Host):
		pageHost.write(w)
	case prefetched(r.Header):
		pageNothing.write(w)
	case dr.answerAt(path):
		dr.receive(w, r, path)
	case strings.HasPrefix(path, startPath):
		dr.start(w, strings.TrimPrefix(path, startPath))
	case strings.HasPrefix(path, donePath):
		dr.finish(w, strings.TrimPrefix(path, donePath))
	default:
		pageNothing.write(w)
	}
}

func (dr *door) ownHost(host string) bool {
	u := url.URL{Scheme: "http", Host: host}
	return isLoopbackHost(hostKey(u.Hostname())) && portOf(&u) == dr.port
}

// prefetched reports a fetch that no person has asked for yet.
func prefetched(h http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz"} {
		if v := strings.ToLower(h.Get(name)); strings.Contains(v, "prefetch") || strings.Contains(v, "prerender") || v == "preview" {
			return true
		}
	}
	return false
}

func (dr *door) answerAt(path string) bool {
	for _, v := range dr.present() {
		if v.path == path {
			return true
		}
	}
	return false
}

// start takes a start link: once. The cookie ties the answer to this browser.
func (dr *door) start(w http.ResponseWriter, id string) {
	for _, v := range dr.present() {
		cookie, known, fresh := v.enter(id)
		switch {
		case fresh:
			http.SetCookie(w, cookie)
			w.Header().Set("Location", v.target)
			w.WriteHeader(http.StatusSeeOther)
			return
		case known:
			pageUsed.write(w)
			return
		}
	}
	pageUsed.write(w)
}

func (v *visit) enter(id string) (c *http.Cookie, known, fresh bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	used, known := v.links[id]
	if !known || used || v.answered {
		return nil, known, false
	}
	v.links[id] = true
	c = &http.Cookie{
		Name: "mcpauth_" + rand.Text()[:8], Value: rand.Text(), Path: v.path,
		MaxAge: int(v.life / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	v.cookies[c.Name] = c.Value
	return c, true, true
}

// entered reports whether a browser was sent to the provider.
func (v *visit) entered() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.cookies) > 0
}

// Bounds of an authorization response.
const (
	maxQuery  = 16 << 10
	maxParams = 64
)

// receive takes an authorization response. A wrong one changes nothing: the right one may
// still come.
func (dr *door) receive(w http.ResponseWriter, r *http.Request, path string) {
	q, ok := readAnswer(r.URL.RawQuery)
	v := dr.byState(path, q.Get("state"))
	if !ok || v == nil {
		dr.unclaimed(path, r.Header)
		pageStrange.write(w)
		return
	}
	if !v.knows(r.Cookies()) {
		v.ignored("a sign-in answer from another program or browser was ignored")
		pageStrange.write(w)
		return
	}
	if !v.take() {
		pageAnswered.write(w)
		return
	}
	v.answers <- q
	select {
	case <-v.ended:
		w.Header().Set("Location", donePath+v.done)
		w.WriteHeader(http.StatusSeeOther)
	case <-r.Context().Done():
	}
}

// unclaimed lets those who wait at path know of an answer that belongs to none of them, when
// it came with a page that a browser shows. Any web page can send one, so it ends nothing.
func (dr *door) unclaimed(path string, h http.Header) {
	if dest := h.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		return
	}
	for _, v := range dr.present() {
		if v.path == path && v.entered() {
			v.ignored("an answer that does not belong to this sign-in was ignored")
		}
	}
}

// readAnswer reads the query of an authorization response: each parameter of the protocol at
// most once (RFC 6749 §3.1), state always.
func readAnswer(raw string) (url.Values, bool) {
	if len(raw) > maxQuery || strings.Count(raw, "&") >= maxParams {
		return nil, false
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, false
	}
	for _, name := range []string{"state", "code", "iss", "error", "error_description", "error_uri"} {
		if len(q[name]) > 1 {
			return nil, false
		}
	}
	return q, q.Get("state") != ""
}

// byState compares the state with every visit's in constant time.
func (dr *door) byState(path, state string) *visit {
	var found *visit
	for _, v := range dr.present() {
		if subtle.ConstantTimeCompare([]byte(state), []byte(v.state)) == 1 && v.path == path {
			found = v
		}
	}
	return found
}

// knows reports whether one of the cookies is from a start link of this visit.
func (v *visit) knows(cookies []*http.Cookie) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range cookies {
		if value, ok := v.cookies[c.Name]; ok && subtle.ConstantTimeCompare([]byte(value), []byte(c.Value)) == 1 {
			return true
		}
	}
	return false
}

func (v *visit) take() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.answered {
		return false
	}
	v.answered = true
	return true
}

// finish shows how a sign-in ended, at an address that says nothing.
func (dr *door) finish(w http.ResponseWriter, id string) {
	for _, v := range dr.present() {
		if v.done != id {
			continue
		}
		select {
		case <-v.ended:
			w.Header().Set("Content-Length", strconv.Itoa(len(v.last.body)))
			v.last.write(w)
			v.once()
			return
		default:
		}
	}
	pageNothing.write(w)
}

func (v *visit) once() {
	v.mu.Lock()
	defer v.mu.Unlock()
	select {
	case <-v.seen:
	default:
		close(v.seen)
	}
}
