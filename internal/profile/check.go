package profile

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Checks of keys against each other. They run when all keys of a block were read,
// and keep quiet about keys that were already complained about.

func checkSignIn(w *walker, f *found, s *SignIn) {
	for _, name := range []string{"client_secret", "token"} {
		onePlace(w, f, name)
	}
	checkEndpoints(w, f)
	checkClient(w, f, s)
	if f.fine("method") {
		checkMethod(w, f, s)
	}
	for name := range s.AuthorizeParams {
		if name == s.ScopeParam {
			w.under("authorize_params", func() {
				w.failIn(f.at("authorize_params", name).key, "%s cannot be set here (use scopes)", name)
			})
		}
	}
}

var places = []string{"", "_file", "_env", "_keyring"}

// onePlace complains when a secret is in more than one place.
func onePlace(w *walker, f *found, name string) {
	first := ""
	for _, place := range places {
		switch at := f.at(name + place); {
		case at == nil:
		case first == "":
			first = name + place
		default:
			w.under(name+place, func() { w.fail(at.key, "cannot stand beside %s (keep one of them)", first) })
		}
	}
}

func given(f *found, name string) bool {
	return slices.ContainsFunc(places, func(place string) bool { return f.at(name+place) != nil })
}

func checkEndpoints(w *walker, f *found) {
	for name, other := range map[string]string{"authorize_url": "token_url", "token_url": "authorize_url"} {
		at := f.at(name)
		if at == nil {
			continue
		}
		w.under(name, func() {
			if f.at(other) == nil {
				w.fail(at.key, "needs %s beside it", other)
			}
			if f.at("issuer") != nil {
				w.fail(at.key, "cannot stand beside issuer (keep one of them)")
			}
		})
	}
}

func checkClient(w *walker, f *found, s *SignIn) {
	id := f.at("client_id") != nil
	complain := func(name, format string, args ...any) {
		w.under(name, func() { w.fail(f.at(name).value, format, args...) })
	}
	if f.fine("registration") {
		switch {
		case s.Registration == RegistrationStatic && !id:
			complain("registration", "static needs client_id")
		case s.Registration == RegistrationDynamic && id:
			complain("registration", "dynamic gets a client_id of its own (remove client_id, or use static)")
		}
	}
	if id {
		if confidential := s.TokenAuth == TokenAuthPost || s.TokenAuth == TokenAuthBasic; confidential && !given(f, "client_secret") {
			complain("token_auth", "%s needs client_secret_file, client_secret_env or client_secret_keyring", s.TokenAuth)
		}
		if s.TokenAuth == TokenAuthNone && given(f, "client_secret") {
			complain("token_auth", "none sends no secret (remove it, or the client_secret)")
		}
		return
	}
	for _, place := range places {
		if f.at("client_secret"+place) != nil {
			complain("client_secret"+place, "needs client_id")
		}
	}
	if f.at("authorize_url") != nil && f.at("token_url") != nil {
		complain("authorize_url", "needs client_id (without metadata we cannot register with the provider)")
	}
}

// effective lists the keys of sign_in that mean something to a method without a
// sign-in, or that were complained about already.
var effective = map[string][]string{
	MethodToken: {"method", "token", "token_file", "token_env", "token_keyring"},
	MethodNone:  {"method", "token", "token_file", "token_env", "token_keyring"},
}

func checkMethod(w *walker, f *found, s *SignIn) {
	for _, place := range places {
		if at := f.at("token" + place); at != nil && s.Method != MethodToken {
			w.under("token"+place, func() { w.fail(at.key, "needs method: token") })
		}
	}
	if s.Method == MethodToken && !given(f, "token") {
		w.under("method", func() { w.fail(f.at("method").value, "token needs token_file, token_env or token_keyring") })
	}
	keys, fixed := effective[s.Method]
	for name, in := range f.inner {
		if fixed && !slices.Contains(keys, name) {
			w.under(name, func() { w.note(in.key, "has no effect with method: %s", s.Method) })
		}
	}
}

func checkHeaders(w *walker, f *found, _ *Headers) {
	lines := map[string]int{}
	for _, list := range []string{"set", "set_file"} {
		at := f.at(list)
		if at == nil {
			continue
		}
		for _, name := range sortedKeys(at.inner) {
			key := at.inner[name].key
			same := strings.ToLower(name)
			if first := lines[same]; first > 0 {
				w.under(list, func() { w.failIn(key, "%s is there twice, also on line %d", same, first) })
			}
			lines[same] = key.Line
		}
	}
}

func checkProfile(w *walker, f *found, p *Profile) {
	if p.Target != "" && f.at("path") == nil {
		p.Path = targetPath(p.Target)
	}
	if at := f.at("path"); at != nil && reserved(p.Path) {
		w.under("path", func() { w.fail(at.value, "is answered by the listener itself (choose another)") })
	} else if at == nil && reserved(p.Path) {
		w.under("target", func() { w.fail(f.at("target").value, "has a path that the listener answers itself (set path, too)") })
	}
	if at := f.at("listen"); at != nil && at.ok && p.Target != "" && sameAddress(p.Target, p.Listen) {
		w.under("target", func() {
			w.fail(f.at("target").value, "is this profile's own listener (write the URL of the remote server)")
		})
	}
	checkAuthorization(w, f, p)
}

// targetPath is the escaped path of a valid URL.
func targetPath(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

func sameAddress(target, listen string) bool {
	u, err := url.Parse(target)
	host, port, err2 := net.SplitHostPort(listen)
	return err == nil && err2 == nil && u.Port() == port && loopback(u.Hostname()) && loopback(host)
}

// checkAuthorization keeps two sources of the Authorization header apart. Method auto
// may find that target wants no sign-in, so it is only warned about.
func checkAuthorization(w *walker, f *found, p *Profile) {
	if p.SignIn.Method == MethodNone || !f.at("sign_in").fine("method") {
		return
	}
	clash := func(list string, n *yaml.Node) {
		w.under("headers."+list, func() {
			const what = "has Authorization in it, which sign_in sets, too (use sign_in.method: none)"
			if p.SignIn.Method == MethodAuto {
				w.note(n, what)
			} else {
				w.fail(n, what)
			}
		})
	}
	for _, list := range []string{"set", "set_file", "forward"} {
		at := f.at("headers", list)
		if at == nil {
			continue
		}
		for name, in := range at.inner {
			if strings.EqualFold(name, "Authorization") {
				clash(list, in.key)
			}
		}
		for _, item := range at.value.Content {
			if list == "forward" && strings.EqualFold(item.Value, "Authorization") {
				clash(list, item)
			}
		}
	}
}

func checkConfig(w *walker, f *found, c *Config) {
	callbacks := map[string]string{} // port → the key that sets it
	if c.Settings.RedirectPort != 0 {
		callbacks[strconv.Itoa(c.Settings.RedirectPort)] = "settings.redirect_port"
	}
	for _, p := range c.Profiles {
		if u, err := url.Parse(p.SignIn.RedirectURL); err == nil && u.Port() != "" {
			callbacks[u.Port()] = "sign_in.redirect_url of profile " + strconv.Quote(p.Name)
		}
	}
	taken := map[string]string{} // port → profile
	for _, p := range c.Profiles {
		at := f.at("profiles", p.Name, "listen")
		_, port, err := net.SplitHostPort(p.Listen)
		if at == nil || !at.ok || err != nil || port == "0" {
			continue
		}
		w.profile = p.Name
		w.under("listen", func() {
			if other, ok := taken[port]; ok {
				w.fail(at.value, "has the same port as profile %q on line %d (choose another)", other, f.at("profiles", other, "listen").value.Line)
			} else if key, ok := callbacks[port]; ok {
				w.fail(at.value, "has the same port as %s, where sign-ins come back (choose another)", key)
			}
		})
		w.profile = ""
		if taken[port] == "" {
			taken[port] = p.Name
		}
	}
}
