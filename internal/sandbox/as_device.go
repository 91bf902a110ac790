package sandbox

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const deviceTTL = 10 * time.Minute

// device is a sign-in that a person approves on another screen (RFC 8628).
type device struct {
	grant    *grant
	userCode string
	expires  time.Time
	interval time.Duration
	polled   time.Time
	approved bool
	denied   bool
}

// serveDevice begins a device sign-in (RFC 8628 §3.1, §3.2).
func (s *Sandbox) serveDevice(w http.ResponseWriter, r *http.Request) {
	o, err := s.newDevice(r)
	if err != nil {
		sendError(w, r, err)
		return
	}
	s.document(w, KindDevice, http.StatusOK, o)
}

func (s *Sandbox) newDevice(r *http.Request) (object, *oauthError) {
	form, err := s.form(r)
	if err != nil {
		return nil, err
	}
	c, err := s.authenticate(r, form)
	if err != nil {
		return nil, err
	}
	if !c.allows(grantDevice) {
		return nil, refuse("unauthorized_client", "this client may not use the device flow")
	}
	g := &grant{client: c, person: true, at: s.now()}
	if g.resource, err = s.resourceOf(form["resource"]); err != nil {
		return nil, err
	}
	if g.scopes, err = s.scopesOf(form.Get("scope")); err != nil {
		return nil, err
	}
	d := &device{grant: g, userCode: newUserCode(), expires: s.now().Add(deviceTTL), interval: s.opts.DeviceInterval}
	id := s.secrets.new("device")
	s.store.mu.Lock()
	trim(s.store.devices, func(d *device) bool { return s.now().After(d.expires) })
	s.store.devices[id] = d
	s.store.mu.Unlock()
	page := s.Issuer() + devicePagePath
	return object{
		{"device_code", id}, {"user_code", d.userCode}, {"verification_uri", page},
		{"verification_uri_complete", page + "?user_code=" + d.userCode},
		{"expires_in", int(deviceTTL / time.Second)},
		{"interval", int((d.interval + time.Second - 1) / time.Second)},
	}, nil
}

// newUserCode is easy to type: RFC 8628 §6.1.
func newUserCode() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	raw := make([]byte, 8)
	_, _ = rand.Read(raw)
	for i, b := range raw {
		raw[i] = letters[int(b)%len(letters)]
	}
	return string(raw[:4]) + "-" + string(raw[4:])
}

// byDevice answers a poll (RFC 8628 §3.5).
func (s *Sandbox) byDevice(c *Client, form url.Values) (object, *oauthError) {
	g, err := s.poll(c, form)
	if err != nil {
		return nil, err
	}
	return s.issue(g, g.scopes, s.mayRefresh(g))
}

func (s *Sandbox) poll(c *Client, form url.Values) (*grant, *oauthError) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	id, now := form.Get("device_code"), s.now()
	d := s.store.devices[id]
	if d == nil || d.grant.client != c {
		return nil, refuse("invalid_grant", "unknown device code")
	}
	early := now.Before(d.polled.Add(d.interval))
	d.polled = now
	switch {
	case !now.Before(d.expires):
		return nil, refuse("expired_token", "the device code has expired")
	case early:
		d.interval += 5 * time.Second
		return nil, refuse("slow_down", "poll less often")
	case d.denied:
		return nil, refuse("access_denied", "the person said no")
	case !d.approved:
		return nil, refuse("authorization_pending", "nobody has approved yet")
	}
	if err := s.sameResource(d.grant, form); err != nil {
		return nil, err
	}
	delete(s.store.devices, id)
	return d.grant, nil
}

// serveDevicePage asks for the user code, then for approval. With LoginAuto coming
// here with the code is enough.
func (s *Sandbox) serveDevicePage(w http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("user_code")
	d := s.deviceOf(code)
	switch {
	case code == "":
		s.page(w, http.StatusOK, "code", pageData{Title: "Connect a device", Action: s.opts.IssuerPath + devicePagePath})
	case d == nil:
		s.page(w, http.StatusNotFound, "message", pageData{Text: "This code is unknown or too old. Start again on the device."})
	case s.opts.Login == LoginAuto:
		s.deviceDone(true, code)(w, r)
	default:
		s.askPerson(w, &pending{approve: s.deviceDone(true, code), deny: s.deviceDone(false, code)},
			pageData{Client: named(d.grant.client), Target: d.grant.resource, Scopes: d.grant.scopes})
	}
}

func (s *Sandbox) deviceOf(userCode string) *device {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, d := range s.store.devices {
		if strings.EqualFold(d.userCode, strings.TrimSpace(userCode)) && s.now().Before(d.expires) {
			return d
		}
	}
	return nil
}

func (s *Sandbox) deviceDone(approve bool, userCode string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		title := "Signed in"
		if !approve {
			title = "Denied"
		}
		if err := s.DecideDevice(userCode, approve); err != nil {
			s.page(w, http.StatusNotFound, "message", pageData{Text: "This code is unknown or too old. Start again on the device."})
			return
		}
		s.page(w, http.StatusOK, "message", pageData{Title: title, Text: "You can close this page and go back to the device."})
	}
}

// DecideDevice is a person's decision about the device sign-in with that user code.
func (s *Sandbox) DecideDevice(userCode string, approve bool) error {
	d := s.deviceOf(userCode)
	if d == nil {
		return errors.New("sandbox: unknown user code; it may have expired")
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	d.approved, d.denied, d.grant.subject = approve, !approve, s.subject()
	return nil
}
