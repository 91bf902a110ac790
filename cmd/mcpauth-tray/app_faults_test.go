package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// moment is when a fault begins.
type moment int

const (
	fromTheStart moment = iota
	atSignIn
	atRenewal // the server refuses the token, and then this
	atCall    // signed in, all well until then
)

// fault is one misbehaviour of the other side, and what people are to be told.
type fault struct {
	on    string // a switch of the sandbox
	when  moment
	phase status.Phase
	code  status.Code // of the row
	says  string      // a pattern of the row's words
	told  status.Code // what a client is told; empty: the server's answer
	hears string      // a pattern of its words; empty: as says
}

var faults = []fault{
	{"mcp-401", atCall, status.SignInNeeded, status.CredentialsRejected, "refuses this sign-in", status.CredentialsRejected, ""},
	{"mcp-500", atCall, status.Ready, "", "ready", "", ""},
	{"mcp-html", atCall, status.Ready, "", "ready", status.UpstreamBadResponse, "web page|HTML"},
	{"mcp-reset", atCall, status.Ready, "", "ready", status.UpstreamUnreachable, "lost"},
	{"mcp-redirect-elsewhere", atCall, status.Ready, "", "ready", status.UpstreamBadResponse, "redirect"},
	{"mcp-redirect-loop", atCall, status.Ready, "", "ready", status.UpstreamBadResponse, "circle"},
	{"mcp-403", atCall, status.Ready, "", "more rights", "", ""},
	{"mcp-503", fromTheStart, status.Backoff, status.UpstreamUnreachable, "503", status.UpstreamUnreachable, ""},
	{"mcp-reset", fromTheStart, status.Backoff, status.UpstreamUnreachable, "reach|lost|reset", status.UpstreamUnreachable, ""},

	{"token-500", atRenewal, status.Backoff, status.IDPUnavailable, "500", status.IDPUnavailable, ""},
	{"token-400-html", atRenewal, status.Backoff, status.IDPUnavailable, "400", status.IDPUnavailable, ""},
	{"token-200-html", atRenewal, status.Backoff, status.IDPUnavailable, "login page", status.IDPUnavailable, ""},
	{"token-302", atRenewal, status.Backoff, status.IDPUnavailable, "redirect|302", status.IDPUnavailable, ""},
	{"token-reset", atRenewal, status.Backoff, status.IDPUnavailable, "reach|reset|lost|EOF", status.IDPUnavailable, ""},
	{"token-invalid-grant", atRenewal, status.SignInNeeded, status.NotSignedIn, "invalid_grant", status.NotSignedIn, ""},
	{"token-invalid-client", atRenewal, status.SignInNeeded, status.NotSignedIn, "does not know this client", status.NotSignedIn, ""},

	{"token-500", atSignIn, status.SignInNeeded, status.IDPUnavailable, "500", status.NotSignedIn, ""},
	{"token-400-html", atSignIn, status.SignInNeeded, status.IDPUnavailable, "400", status.NotSignedIn, ""},
	{"token-invalid-grant", atSignIn, status.SignInNeeded, status.ProviderRefused, "invalid_grant", status.NotSignedIn, ""},
	{"access-newline", atSignIn, status.SignInNeeded, status.IDPUnavailable, "token", status.NotSignedIn, ""},
	{"authorize-denied", atSignIn, status.SignInNeeded, status.SignInFailed, "declined", status.NotSignedIn, ""},
	{"iss-elsewhere", atSignIn, status.SignInNeeded, status.SignInFailed, "another|issuer|iss", status.NotSignedIn, ""},
	{"id-nonce", atSignIn, status.SignInNeeded, status.SignInFailed, "nonce|another", status.NotSignedIn, ""},
	{"id-foreign-key", atSignIn, status.SignInNeeded, status.SignInFailed, "sign", status.NotSignedIn, ""},
	{"metadata-issuer-elsewhere", atSignIn, status.SignInNeeded, status.ProviderRefused, "issuer", status.NotSignedIn, ""},
	{"metadata-no-pkce", atSignIn, status.SignInNeeded, status.ProviderRefused, "PKCE", status.NotSignedIn, ""},
	{"metadata-missing", atSignIn, status.SignInNeeded, status.ProviderRefused, "metadata", status.NotSignedIn, ""},
	{"metadata-html", atSignIn, status.SignInNeeded, status.ProviderRefused, "metadata", status.NotSignedIn, ""},
	{"metadata-authorize-javascript", atSignIn, status.SignInNeeded, status.ProviderRefused, "authorization_endpoint", status.NotSignedIn, ""},
	{"dcr-absent", atSignIn, status.SignInNeeded, status.ProviderRefused, "client of your own", status.NotSignedIn, ownClient},
	{"dcr-denied", atSignIn, status.SignInNeeded, status.ProviderRefused, "did not register", status.NotSignedIn, ownClient},
	{"dcr-html", atSignIn, status.SignInNeeded, status.ProviderRefused, "did not register", status.NotSignedIn, ownClient},
	{"prm-missing", atSignIn, status.SignInNeeded, status.ProviderRefused, "metadata", status.NotSignedIn, ""},
	{"prm-resource-elsewhere", atSignIn, status.SignInNeeded, status.ProviderRefused, "another server", status.NotSignedIn, ""},
	{"prm-no-servers", atSignIn, status.SignInNeeded, status.ProviderRefused, "authorization server", status.NotSignedIn, ""},
}

// ownClient is the advice to register a client by hand.
const ownClient = `redirect URI http://localhost/callback on any port.* sign_in\.client_id`

func (f fault) name() string {
	return f.on + " " + []string{"from the start", "at sign-in", "at renewal", "at a call"}[f.when]
}

// more is what the profile needs for the fault to matter.
func (f fault) more() string {
	if strings.HasPrefix(f.on, "id-") {
		return ", sign_in: {scopes: [openid, \"mcp:tools\"]}"
	}
	return ""
}

// Whatever is wrong on the other side, people get one clear line. One app meets all of it.
func TestFaultsAreTold(t *testing.T) {
	t.Parallel()
	person, yaml := newBrowser(t, "visit-and-approve"), inMemory
	boxes := make([]*sandbox.Sandbox, len(faults))
	for i, f := range faults {
		boxes[i] = newBox(t, sandbox.Options{})
		yaml += profileFor(fmt.Sprint("f", i), boxes[i], f.more())
		if f.when == fromTheStart {
			boxes[i].Switch(f.on)
		}
	}
	a := newApp(t, yaml, person.env())
	a.start()
	t.Run("all", func(t *testing.T) {
		for i, f := range faults {
			t.Run(f.name(), func(t *testing.T) {
				t.Parallel()
				one := *a
				one.t = t
				f.meet(&one, fmt.Sprint("f", i), boxes[i])
			})
		}
	})
}

// meet plays a fault with one profile of the app.
func (f fault) meet(a *app, profile string, box *sandbox.Sandbox) {
	t := a.t
	t.Helper()
	var session *mcp.ClientSession
	if f.when != fromTheStart {
		a.waitPhase(profile, status.SignInNeeded)
	}
	if f.when > atSignIn {
		session = connect(t, a.signIn(profile).URL, nil)
	}
	if f.when != fromTheStart && !box.Switch(f.on) {
		t.Fatalf("the sandbox has no switch %q", f.on)
	}
	var said string
	switch f.when {
	case atSignIn:
		out, _ := a.command("signin", profile, "--wait").CombinedOutput()
		said = string(out)
	case atRenewal:
		box.ExpireTokens()
		fallthrough
	case atCall:
		_, err := callTool(soon.Context(t), session, "echo", map[string]any{"text": "x"})
		if err == nil {
			t.Error("the call succeeds")
		} else {
			said = err.Error()
		}
	}
	row := a.untilRow(profile, fmt.Sprintf("to be %s with %q and to say %q", f.phase, f.code, f.says), func(p *status.Profile) bool {
		return p.Phase == f.phase && p.Code == f.code && regexp.MustCompile(f.says).MatchString(p.Summary+" "+p.Detail+" "+p.Action)
	})
	f.wellSaid(t, row, box)
	f.wellTold(t, row, box)
	if f.when == atSignIn && f.phase != status.Ready && !regexp.MustCompile(f.says).MatchString(said) {
		t.Errorf("signin says %q", said)
	}
}

// A server may refuse whatever it is sent, for a while. That shows after one call, costs the
// provider nothing more, and is over as soon as the server answers again.
func TestAServerThatRefusesEveryToken(t *testing.T) {
	t.Parallel()
	box, person := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	a := newApp(t, inMemory+profileFor("one", box, ""), person.env())
	a.start()
	a.waitPhase("one", status.SignInNeeded)
	url := a.signIn("one").URL
	echoes(t, url)
	box.Switch("mcp-401")
	for range 5 {
		if told := post(t, url, "tools/list"); told.rpc.Error == nil || told.rpc.Error.Code != status.CredentialsRejected.RPC() {
			t.Errorf("a client is told %d %s", told.status, told.body)
		}
		row := a.untilRow("one", "to need a person", func(p *status.Profile) bool { return p.Phase == status.SignInNeeded })
		if row.Code != status.CredentialsRejected || !strings.Contains(row.Detail, "401") || !strings.Contains(row.Action, "signin one") {
			t.Errorf("the row is %+v", row)
		}
	}
	if n := box.Count(sandbox.KindToken); n != 2 {
		t.Errorf("the token endpoint was asked %d times, want 2", n)
	}
	box.Behave()
	a.eventually("the server's answer", func() bool { return post(t, url, "tools/list").rpc.Error == nil })
	if row := a.waitPhase("one", status.Ready); row.Code != "" || row.Action != "" {
		t.Errorf("the row is %+v", row)
	}
	if n := box.Count(sandbox.KindToken); n != 2 {
		t.Errorf("the token endpoint was asked %d times, want 2", n)
	}
	person.opened(1)
}

// Signing in again is no help against a server that refuses a new sign-in: nobody's browser is
// opened for it again.
func TestAServerThatRefusesANewSignIn(t *testing.T) {
	t.Parallel()
	box, person := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	box.Switch("mcp-401")
	box.Switch("no-refresh-token")
	a := newApp(t, inMemory+profileFor("one", box, ", sign_in: {start: on_request, scopes: [\"mcp:tools\"]}"), person.env())
	a.start()
	url := a.waitPhase("one", status.SignInNeeded).URL
	for range 3 {
		if told := post(t, url, "tools/list"); told.rpc.Error == nil || told.rpc.Error.Code != status.CredentialsRejected.RPC() ||
			!strings.Contains(told.rpc.Error.Message, "what a new sign-in brought") {
			t.Errorf("a client is told %d %s", told.status, told.body)
		}
	}
	a.untilRow("one", "to say so", func(p *status.Profile) bool {
		return p.Phase == status.SignInNeeded && p.Code == status.CredentialsRejected
	})
	person.opened(1)
}

// wellSaid judges what the row says.
func (f fault) wellSaid(t *testing.T, row status.Profile, box *sandbox.Sandbox) {
	t.Helper()
	for what, text := range map[string]string{"summary": row.Summary, "detail": row.Detail, "action": row.Action} {
		if err := goodWords(text, box); err != nil {
			t.Errorf("the %s %q %v", what, text, err)
		}
	}
	if n := utf8.RuneCountInString(row.Summary); n == 0 || n > 80 {
		t.Errorf("the summary %q has %d characters", row.Summary, n)
	}
	if first, _ := utf8.DecodeRuneInString(row.Summary); unicode.IsUpper(first) {
		t.Errorf("the summary %q begins with a capital", row.Summary)
	}
	if row.Code != "" && row.Phase == status.SignInNeeded && row.Action == "" {
		t.Errorf("nothing says what to do: %+v", row)
	}
}

// wellTold judges what a client is told, by a client without an SDK and one with.
func (f fault) wellTold(t *testing.T, row status.Profile, box *sandbox.Sandbox) {
	t.Helper()
	told := post(t, row.URL, "tools/list")
	_, sdk := connectDemo(soon.Context(t), row.URL)
	if f.told == "" {
		if told.rpc.Error != nil && told.rpc.Error.Data.Source == source {
			t.Errorf("the app answers in the server's place: %d %s", told.status, told.body)
		}
		return
	}
	e := told.rpc.Error
	if e == nil || e.Code != f.told.RPC() || e.Data.Source != source || e.Data.Reason != string(f.told) || e.Data.Profile != row.Name || told.rpc.ID != "one" {
		t.Fatalf("a client is told %d %s, want %s", told.status, told.body, f.told)
	}
	target, err := url.Parse(box.MCPURL())
	if err != nil {
		t.Fatal(err)
	}
	hears := f.hears
	if hears == "" {
		hears = f.says
	}
	if !strings.HasPrefix(e.Message, row.Name+" ("+target.Host+"): ") || !regexp.MustCompile(hears).MatchString(e.Message) {
		t.Errorf("a client is told %q, want %q in it", e.Message, hears)
	}
	if !strings.Contains(e.Message, strings.TrimRight(e.Data.Action, ".")) || e.Data.Action == "" {
		t.Errorf("%q does not say what to do: %q", e.Message, e.Data.Action)
	}
	if err := goodWords(e.Message, box); err != nil || len(e.Message) > 300 {
		t.Errorf("%q has %d bytes and %v", e.Message, len(e.Message), err)
	}
	// The same but for the number of the report, and what the SDK puts around it.
	core, _, _ := strings.Cut(e.Message, " (ref ")
	if sdk == nil {
		t.Error("a client with the SDK connects")
	} else if told.status == http.StatusOK && !strings.Contains(sdk.Error(), core) {
		t.Errorf("a client with the SDK is told %q, want %q", sdk, core)
	}
}

// source is how our errors are told from the server's.
const source = "mcpauth-tray"

var pathOrQuery = regexp.MustCompile(`https?://[^/\s"]+/\S|\?\w+=|/mcp\b|/token\b|/authorize\b`)

// redirectURI is the one address that people are told whole: they have to register it.
var redirectURI = regexp.MustCompile(`redirect URI http://localhost(:[1-9]\d*)?/callback\b`)

// goodWords says what is wrong with a text for people.
func goodWords(text string, box *sandbox.Sandbox) error {
	text = redirectURI.ReplaceAllString(text, "redirect URI")
	if found := pathOrQuery.FindString(text); found != "" {
		return fmt.Errorf("names a path or query: %q", found)
	}
	for _, bad := range []string{"%!", "<nil>", "{", "}", "\\u", "panic", "  "} {
		if strings.Contains(text, bad) {
			return fmt.Errorf("contains %q", bad)
		}
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return errors.New("is not one line of printable characters")
		}
	}
	for _, s := range box.Secrets() {
		if strings.Contains(text, s) {
			return errors.New("contains a secret")
		}
	}
	return nil
}
