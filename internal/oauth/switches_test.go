package oauth

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// outcome is how a sign-in ends under a misbehaviour of the sandbox.
type outcome struct {
	code   status.Code // empty: signed in
	says   string      // part of the message
	tokens int         // requests at the token endpoint
	stays  bool        // the answer is ignored and the sign-in goes on
}

// outcomes has every switch of the sandbox that concerns a sign-in.
var outcomes = map[string]outcome{
	"prm-missing":            {status.ProviderRefused, "does not say where to sign in", 0, false},
	"prm-root-only":          {"", "", 1, false},
	"prm-resource-elsewhere": {status.ProviderRefused, "for another server", 0, false},
	"prm-resource-longer":    {status.ProviderRefused, "for another path", 0, false},
	"prm-resource-absent":    {status.ProviderRefused, "no valid resource", 0, false},
	"prm-no-servers":         {status.ProviderRefused, "names no authorization server", 0, false},
	"prm-dead-server-first":  {"", "", 1, false},
	"prm-other-server":       {status.ProviderRefused, "issuer", 0, false},
	"prm-html":               {status.ProviderRefused, "does not say where to sign in", 0, false},
	"challenge-absent":       {"", "", 1, false},
	"challenge-bare":         {"", "", 1, false},
	"challenge-malformed":    {"", "", 1, false},
	"challenge-many":         {"", "", 1, false},
	"challenge-elsewhere":    {status.ProviderRefused, "no valid resource", 0, false},

	"metadata-missing":              {status.ProviderRefused, "publishes no authorization server metadata", 0, false},
	"metadata-last-only":            {"", "", 1, false},
	"metadata-issuer-slash":         {status.ProviderRefused, "says it is", 0, false},
	"metadata-issuer-elsewhere":     {status.ProviderRefused, "trusted_issuers", 0, false},
	"metadata-no-pkce":              {status.ProviderRefused, "has no code_challenge_methods_supported", 0, false},
	"metadata-plain-pkce":           {status.ProviderRefused, "lacks S256", 0, false},
	"metadata-500":                  {status.IDPUnavailable, "it answered 500", 0, false},
	"metadata-html":                 {status.ProviderRefused, "not a JSON document", 0, false},
	"metadata-huge":                 {status.ProviderRefused, "too large", 0, false},
	"metadata-bomb":                 {status.ProviderRefused, "too large", 0, false},
	"metadata-deep":                 {status.ProviderRefused, "not a JSON document", 0, false},
	"metadata-utf16":                {status.ProviderRefused, "not a JSON document", 0, false},
	"metadata-redirect":             {status.ProviderRefused, "it redirects to 127.0.0.1", 0, false},
	"metadata-authorize-javascript": {status.ProviderRefused, "authorization_endpoint is not an https URL", 0, false},
	"metadata-authorize-file":       {status.ProviderRefused, "authorization_endpoint is not an https URL", 0, false},
	"metadata-authorize-program":    {status.ProviderRefused, "authorization_endpoint is not an https URL", 0, false},
	"metadata-authorize-option":     {status.ProviderRefused, "authorization_endpoint is not a", 0, false},
	"metadata-authorize-http":       {status.ProviderRefused, "not an https URL (host example.com)", 0, false},
	"metadata-authorize-user":       {status.ProviderRefused, "has a user name in it (host evil.example)", 0, false},
	"metadata-token-elsewhere":      {status.IDPUnavailable, "unexpected answer", 0, false},

	"iss-elsewhere":           {status.SignInFailed, "another provider", 0, false},
	"iss-slash":               {status.SignInFailed, "another provider", 0, false},
	"iss-upper":               {status.SignInFailed, "another provider", 0, false},
	"iss-absent":              {status.SignInFailed, "does not say which provider", 0, false},
	"iss-unannounced":         {"", "", 1, false},
	"iss-unsupported":         {"", "", 1, false},
	"state-wrong":             {stays: true},
	"state-absent":            {stays: true},
	"state-twice":             {stays: true},
	"code-twice":              {stays: true},
	"code-wrong":              {status.ProviderRefused, "invalid_grant", 1, false},
	"authorize-denied":        {status.SignInFailed, "declined at the provider", 0, false},
	"authorize-server-error":  {status.SignInFailed, "server_error", 0, false},
	"authorize-invalid-scope": {status.SignInFailed, "sign_in.scopes", 0, false},

	"dcr-absent":           {status.ProviderRefused, "client_id", 0, false},
	"dcr-off":              {status.ProviderRefused, "it answered 404", 0, false},
	"dcr-denied":           {status.ProviderRefused, "access_denied", 0, false},
	"dcr-refused":          {status.ProviderRefused, "invalid_redirect_uri", 0, false},
	"dcr-other-redirect":   {status.ProviderRefused, "another redirect URI", 0, false},
	"dcr-secret-expired":   {"", "", 1, false},
	"dcr-manage-elsewhere": {"", "", 1, false},
	"dcr-long-id":          {status.ProviderRefused, "did not register a client", 0, false},
	"dcr-control-id":       {status.ProviderRefused, "cannot be used", 0, false},
	"dcr-html":             {status.ProviderRefused, "did not register a client", 0, false},

	"token-500":            {status.IDPUnavailable, "it answered 500", 1, false},
	"token-503":            {status.IDPUnavailable, "it answered 503", 1, false},
	"token-429":            {status.IDPUnavailable, "it answered 429 (slow_down)", 1, false},
	"token-400-html":       {status.IDPUnavailable, "it answered 400", 1, false},
	"token-403-html":       {status.IDPUnavailable, "it answered 403", 1, false},
	"token-200-html":       {status.IDPUnavailable, "login page", 1, false},
	"token-302":            {status.IDPUnavailable, "it redirects to 127.0.0.1", 1, false},
	"token-307":            {status.IDPUnavailable, "it redirects to 127.0.0.1", 1, false},
	"token-308":            {status.IDPUnavailable, "it redirects to 127.0.0.1", 1, false},
	"token-huge":           {"", "", 1, false},
	"token-truncated":      {"", "", 1, false},
	"token-cut":            {"", "", 1, false},
	"token-lost":           {"", "", 1, false},
	"token-dropped":        {status.IDPUnavailable, "cannot be reached", 1, false},
	"token-reset":          {status.IDPUnavailable, "cannot be reached", 1, false},
	"token-invalid-grant":  {status.ProviderRefused, "invalid_grant", 1, false},
	"token-invalid-client": {status.ProviderRefused, "invalid_client", 1, false},
	"token-invalid-scope":  {status.ProviderRefused, "sign_in.scopes", 1, false},
	"token-400-empty":      {status.IDPUnavailable, "it answered 400", 1, false},
	"token-200-error":      {status.ProviderRefused, "invalid_grant", 1, false},
	"expires-absent":       {"", "", 1, false},
	"expires-null":         {"", "", 1, false},
	"expires-zero":         {"", "", 1, false},
	"expires-negative":     {"", "", 1, false},
	"expires-string":       {"", "", 1, false},
	"expires-fraction":     {"", "", 1, false},
	"expires-far":          {"", "", 1, false},
	"expires-exponent":     {"", "", 1, false},
	"expires-text":         {"", "", 1, false},
	"type-mac":             {status.IDPUnavailable, "type mac", 1, false},
	"type-dpop":            {status.IDPUnavailable, "type DPoP", 1, false},
	"type-absent":          {"", "", 1, false},
	"access-newline":       {status.IDPUnavailable, "unusable token", 1, false},
	"access-unicode":       {status.IDPUnavailable, "unusable token", 1, false},
	"access-huge":          {status.IDPUnavailable, "", 1, false},
	"access-absent":        {status.IDPUnavailable, "no access token", 1, false},
	"no-refresh-token":     {"", "", 1, false},
	"narrow-scope":         {"", "", 1, false},
	"other-subject":        {"", "", 1, false},
}

func TestSwitches(t *testing.T) {
	t.Parallel()
	for name, want := range outcomes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{}, nil)
			if !w.sb.Switch(name) {
				t.Fatal("the sandbox has no such switch")
			}
			if want.stays {
				ignoresThenAccepts(t, w)
				return
			}
			page, err := w.signIn(w.person())
			if got := code(t, err); got != want.code || err != nil && !strings.Contains(err.Error(), want.says) {
				t.Errorf("%q: %v", got, err)
			}
			if n := w.sb.Count(sandbox.KindToken); n != want.tokens {
				t.Errorf("%d token requests", n)
			}
			checkElsewhere(t, w)
			r := w.last()
			if want.code == "" {
				if r.Phase != status.Ready || !strings.Contains(page.Body, "<h1>Signed in</h1>") {
					t.Errorf("%+v", r)
				}
				return
			}
			if r.Phase != status.SignInNeeded || r.Code != want.code || r.Prompt != nil {
				t.Errorf("%+v", r)
			}
			if page != nil && strings.Contains(page.Body, "<h1>Signed in</h1>") {
				t.Error("the browser says signed in")
			}
			if _, err := w.account.Token(soon.Context(t)); code(t, err) != status.NotSignedIn {
				t.Errorf("token: %v", err)
			}
			if n := len(w.store.grants()); n != 0 {
				t.Errorf("%d grants are stored", n)
			}
			w.sb.Behave()
			w.mustSignIn()
		})
	}
}

// ignoresThenAccepts: a wrong answer changes nothing, the right one still counts (A42, A51).
func ignoresThenAccepts(t *testing.T, w *world) {
	done := w.begin()
	page, err := w.person().Visit(soon.Context(t), w.prompt().URL)
	if err != nil {
		t.Fatal(err)
	}
	if page.Status != http.StatusBadRequest || w.sb.Count(sandbox.KindToken) != 0 {
		t.Errorf("%d, %d token requests", page.Status, w.sb.Count(sandbox.KindToken))
	}
	if r := w.last(); r.Phase != status.SigningIn || r.Prompt == nil {
		t.Fatalf("the sign-in did not stay open: %+v", r)
	}
	w.sb.Behave()
	if err := w.joinAndVisit(); err != nil {
		t.Error(err)
	}
	if err := w.end(done); err != nil {
		t.Error(err)
	}
}

// joinAndVisit asks for a fresh link and follows it.
func (w *world) joinAndVisit() error {
	w.t.Helper()
	before := w.prompt().URL
	joined := w.begin()
	r := w.await("with a fresh link", func(r status.Report) bool { return r.Prompt != nil && r.Prompt.URL != before })
	if _, err := w.person().Visit(soon.Context(w.t), r.Prompt.URL); err != nil {
		w.t.Fatal(err)
	}
	return w.end(joined)
}

// checkElsewhere: no secret goes to an origin that a server named.
func checkElsewhere(t *testing.T, w *world) {
	t.Helper()
	for _, r := range w.sb.Requests(sandbox.KindElsewhere) {
		if r.Method == http.MethodPost && r.Form.Get("code_verifier") != "" && !strings.HasPrefix(t.Name(), "TestSwitches/metadata-token-elsewhere") {
			t.Errorf("a verifier went elsewhere: %s %s", r.Method, r.Path)
		}
	}
}

// Every switch about signing in is in the table, or is named here with the reason.
func TestNoSwitchIsForgotten(t *testing.T) {
	t.Parallel()
	elsewhere := map[string]string{
		"prm-resource-slash": "TestTrailingSlash", "metadata-drip": "takes 40 s; TestSlowMetadata", "metadata-hang": "TestSlowMetadata",
		"token-hang": "TestSlowTokenEndpoint", "token-drip": "TestSlowTokenEndpoint", "token-503-forever": "TestRetryAfter", "token-dropped-once": "TestLostAnswer",
		"metadata-jwks-private": "TestIDToken", "metadata-authorize-shell": "TestAuthorizationURL", "authorize-page": "TestTimeout",
	}
	for _, s := range sandbox.Switches() {
		group, _, _ := strings.Cut(s.Name, "-")
		if group == "mcp" || group == "stream" || group == "legacy" || group == "id" {
			continue
		}
		if _, ok := outcomes[s.Name]; !ok && elsewhere[s.Name] == "" {
			t.Errorf("%s (%s) is not tested", s.Name, s.Doc)
		}
	}
}

// N22: a slash too many is the same server, and is sent as it was named.
func TestTrailingSlash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{}, func(w *world) { w.sb.Switch("prm-resource-slash") })
	done := w.begin()
	stop := func(u string) bool { return strings.Contains(u, "/authorize") }
	p := w.person()
	p.Stop = stopAt(stop)
	page, err := p.Visit(soon.Context(t), w.prompt().URL)
	if err != nil {
		t.Fatal(err)
	}
	if got := page.URL.Query().Get("resource"); got != w.sb.MCPURL()+"/" {
		t.Errorf("resource %q", got)
	}
	select {
	case err := <-done:
		t.Fatalf("ended: %v", err)
	default:
	}
}
