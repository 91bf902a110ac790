package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Secrets of a person, beside those that the sandbox hands out.
const (
	cnryPassphrase = "cnry-passphrase-5ba1f0"
	cnryClient     = "cnry-client-secret-77c2e4"
	cnryBearer     = "cnry-static-bearer-03d9aa"
	cnryHeader     = "cnry-header-inline-918e2b"
	cnryHeaderFile = "cnry-header-file-c4471d"
	cnryCaller     = "cnry-of-the-caller-e0b655"
	cnryQuery      = "cnry-query-6f1c08"
)

var canaries = []string{cnryPassphrase, cnryClient, cnryBearer, cnryHeader, cnryHeaderFile, cnryCaller, cnryQuery}

// leakTest is an app with every kind of secret, and all that it says.
type leakTest struct {
	*app
	dcr, registered, open *sandbox.Sandbox
	person                *browser
	yaml                  string
	said                  map[string]*transcript // by who said it
	temp                  string                 // what the app and its children take for /tmp
}

func newLeakTest(t *testing.T) *leakTest {
	t.Helper()
	l := &leakTest{
		dcr: newBox(t, sandbox.Options{}), open: newBox(t, sandbox.Options{Open: true}),
		registered: newBox(t, sandbox.Options{Opaque: true, Clients: []sandbox.Client{{
			ID: "desk", Secret: cnryClient, RedirectURIs: []string{"http://localhost/callback"}, Auth: "client_secret_post"}}}),
		person: newBrowser(t, "visit-and-approve"), said: map[string]*transcript{}, temp: t.TempDir(),
	}
	l.dcr.Set(func(f *sandbox.Faults) {
		f.Field(sandbox.KindMetadata, "token_endpoint_auth_methods_supported", `["client_secret_post"]`)
		f.Reflect = true
	})
	l.yaml = storeInFile + profileFor("dcr", l.dcr, "") +
		profileFor("desk", l.registered, ", sign_in: {client_id: desk, client_secret: "+cnryClient+"}") +
		fmt.Sprintf("  static: {target: %q, sign_in: {method: token, token: %s}, headers: {set: {X-Key: %s}, set_file: {X-Other: %s}}}\n",
			l.open.MCPURL()+"?api_key="+cnryQuery, cnryBearer, cnryHeader, secretFile(t, cnryHeaderFile))
	l.app = newApp(t, l.yaml, "MCPAUTH_PASSPHRASE_FILE="+secretFile(t, cnryPassphrase), l.person.env(), "TMPDIR="+l.temp)
	return l
}

func secretFile(t *testing.T, secret string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (l *leakTest) heard(who string) *transcript {
	if l.said[who] == nil {
		l.said[who] = &transcript{}
	}
	return l.said[who]
}

// tells runs a command and keeps what it says.
func (l *leakTest) tells(args ...string) {
	l.t.Helper()
	out, err := l.command(args...).CombinedOutput()
	fmt.Fprintf(l.heard("mcpauth-tray "+args[0]), "%s", out)
	if err != nil {
		l.t.Fatalf("mcpauth-tray %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// watches keeps every state that status --watch shows, until the app ends.
func (l *leakTest) watches() {
	l.t.Helper()
	cmd := l.command("status", "--watch", "--json")
	cmd.Stdout = l.heard("mcpauth-tray status --watch")
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// overhears keeps what a client gets, and has it send secrets of its own.
type overhears struct{ heard io.Writer }

func (o overhears) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+cnryCaller)
	r.Header.Set("Cookie", "session="+cnryCaller)
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	_ = answer.Header.Write(o.heard)
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(answer.Body, o.heard), answer.Body}
	return answer, nil
}

func (l *leakTest) client(name string) *mcp.ClientSession {
	l.t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(soon.Context(l.t), &mcp.StreamableClientTransport{Endpoint: l.profile(name).URL,
		HTTPClient: &http.Client{Transport: overhears{l.heard("the port of " + name)}}}, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = session.Close() })
	return session
}

// asks sends requests that the port refuses in several ways.
func (l *leakTest) asks(name string) {
	l.t.Helper()
	url := l.profile(name).URL
	for _, c := range []struct{ method, path, header, body string }{
		{"POST", "", "", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`},
		{"POST", "?key=" + cnryCaller, "Origin", "{"},
		{"PUT", "/" + cnryCaller, "", "x"},
		{"GET", "/../" + cnryCaller, "X-Forwarded-For", ""},
	} {
		r, err := http.NewRequestWithContext(soon.Context(l.t), c.method, url+c.path, strings.NewReader(c.body))
		if err != nil {
			l.t.Fatal(err)
		}
		if c.header != "" {
			r.Header.Set(c.header, "http://other.example")
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := overhears{l.heard("the port of " + name)}.RoundTrip(r)
		if err != nil {
			l.t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
}

// process keeps the arguments and the environment of the running app.
func (l *leakTest) process() {
	l.t.Helper()
	for _, name := range []string{"cmdline", "environ"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", l.cmd.Process.Pid, name))
		if err != nil {
			l.t.Fatal(err)
		}
		fmt.Fprintf(l.heard("the app's "+name), "%s", data)
	}
}

// secrets are what nobody may find, and what is left of them when they are cut short.
func (l *leakTest) secrets() []string {
	all := slices.Clone(canaries)
	for _, box := range []*sandbox.Sandbox{l.dcr, l.registered, l.open} {
		for _, s := range box.Secrets() {
			all = append(all, s[len(s)-16:])
			if !strings.HasPrefix(s, "eyJ") { // all tokens that are JWTs begin alike
				all = append(all, s[:min(28, len(s))])
			}
		}
		for _, r := range box.Requests(sandbox.KindAuthorize) {
			if r.Query.Has("state") {
				all = append(all, r.Query.Get("state"))
			}
		}
	}
	return all
}

// gather keeps what lies about at this moment.
func (l *leakTest) gather() {
	l.t.Helper()
	fmt.Fprint(l.heard("the app"), l.log)
	fmt.Fprint(l.heard("the arguments of BROWSER"), l.person.read("opened"))
	fmt.Fprint(l.heard("the environment of BROWSER"), l.person.read("env"))
	for _, dir := range []string{l.dir, l.temp} {
		for name, text := range files(l.t, dir) {
			if name == filepath.Join(l.dir, "profiles.yaml") {
				text = strings.Replace(text, l.yaml, "", 1) // where the person wrote some of them
			}
			fmt.Fprint(l.heard(name), text)
		}
	}
}

// search looks for secrets in all that was heard.
func (l *leakTest) search() {
	l.t.Helper()
	secrets := l.secrets()
	for who, heard := range l.said {
		text := heard.String()
		for _, s := range secrets {
			if at := strings.Index(text, s); at >= 0 {
				l.t.Errorf("%s gives a secret away: %q", who, text[max(0, at-200):min(len(text), at+len(s)+50)])
			}
		}
	}
}

// files are those in a folder in which an app may be at work: some are gone before they
// are read.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var data []byte
			data, err = os.ReadFile(path)
			all[path] = path + "\n" + string(data)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sealed counts the files of sign-ins.
func (l *leakTest) sealed() (n int) {
	l.t.Helper()
	for name := range files(l.t, filepath.Join(l.dir, "state")) {
		if filepath.Ext(name) == ".sealed" {
			n++
		}
	}
	return n
}

func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	l := newLeakTest(t)
	l.registered.Set(func(f *sandbox.Faults) { f.TokenTTL = 8 * time.Second })
	l.start()
	l.watches()
	for _, name := range []string{"dcr", "desk", "static"} {
		l.asks(name)
	}
	for _, name := range []string{"dcr", "desk"} {
		l.tells("signin", name, "--wait")
		l.waitPhase(name, status.Ready)
	}
	for _, name := range []string{"dcr", "desk", "static"} {
		session := l.client(name)
		hears(t, say(t, session, "hello"), "hello")
		if name == "dcr" {
			l.dcr.ExpireTokens()
			hears(t, say(t, session, "renewed"), "renewed")
		}
		l.asks(name)
	}
	got(t, l.registered, sandbox.KindToken, "a renewal", isRenewal)
	l.process()
	l.tells("status")
	l.tells("status", "--json")
	l.tells("status", "desk")
	l.gather()
	if l.sealed() == 0 {
		t.Error("there are no sealed files")
	}
	l.tells("signout", "dcr", "--revoke")
	l.tells("signout", "desk")
	l.asks("dcr")
	l.stop()
	l.gather()
	if n := l.sealed(); n != 0 {
		t.Errorf("%d sealed files outlived the sign-outs", n)
	}
	l.start()
	l.stop()
	l.gather()
	l.search()
	l.somethingWasToFind()
}

// somethingWasToFind holds what makes the search worth anything.
func (l *leakTest) somethingWasToFind() {
	t := l.t
	t.Helper()
	log := l.said["the app"].String()
	for _, want := range []string{"level=DEBUG", "signed in", "sign-in renewed", "request not served"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log never says %q", want)
		}
	}
	if n := l.dcr.Count(sandbox.KindRevoke); n == 0 {
		t.Error("nothing was revoked")
	}
	if r := l.dcr.Requests(sandbox.KindToken); len(r) < 2 || r[1].Auth != "post" {
		t.Errorf("the registered client has no secret: %+v", r)
	}
	for _, box := range []*sandbox.Sandbox{l.dcr, l.registered} {
		if n := len(box.Secrets()); n < 6 {
			t.Errorf("the sandbox has only %d secrets", n)
		}
	}
	calls := l.open.Requests(sandbox.KindMCP)
	last := calls[len(calls)-1]
	if !strings.Contains(last.RawQuery, cnryQuery) || last.Header.Get("Authorization") != "Bearer "+cnryBearer ||
		last.Header.Get("X-Key") != cnryHeader || last.Header.Get("X-Other") != cnryHeaderFile {
		t.Errorf("the secrets did not get to where they belong: %+v", last)
	}
	for _, box := range []*sandbox.Sandbox{l.dcr, l.registered, l.open} {
		for _, r := range box.AllRequests() {
			if all := fmt.Sprint(r.Header); strings.Contains(all, cnryCaller) {
				t.Errorf("the caller's credentials were passed on: %+v", r)
			}
		}
	}
}

// Some providers quote in their errors what they were sent.
func TestAProviderThatQuotesSecrets(t *testing.T) {
	t.Parallel()
	l := newLeakTest(t)
	l.start()
	l.watches()
	box := l.registered
	l.tells("signin", "desk", "--wait")
	sent := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {l.refreshToken()}, "client_id": {"desk"}, "client_secret": {cnryClient}}
	box.Set(func(f *sandbox.Faults) {
		f.Answer(sandbox.KindToken, sandbox.JSON(http.StatusBadRequest, fmt.Sprintf(
			`{"error":"invalid_request","error_description":"cannot use %s of %s: %s"}`,
			sent.Get("refresh_token"), sent.Get("client_secret"), sent.Encode())))
	})
	box.ExpireTokens()
	l.asks("desk")
	l.untilRow("desk", "to show a failed renewal", func(p *status.Profile) bool { return p.Code == status.ProviderRefused })
	l.tells("status")
	l.tells("status", "desk")
	l.stop()
	l.gather()
	l.search()
}

// refreshToken is the newest one.
func (l *leakTest) refreshToken() (token string) {
	for _, s := range l.registered.Secrets() {
		if strings.HasPrefix(s, "sandbox-refresh-") && l.registered.Live(s) {
			token = s
		}
	}
	return token
}
