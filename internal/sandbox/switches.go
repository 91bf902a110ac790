package sandbox

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Switch is a misbehaviour with a name.
type Switch struct {
	Name string
	Doc  string // what happens while it is on
	On   func(s *Sandbox, f *Faults)
}

// Switches lists every named misbehaviour, by what misbehaves.
func Switches() []Switch {
	return slices.Concat(prmSwitches, metadataSwitches, authorizeSwitches, registerSwitches,
		tokenSwitches, idTokenSwitches, mcpSwitches, streamSwitches, legacySwitches)
}

// Switch turns one misbehaviour on, beside those that are; it reports false for an
// unknown name.
func (s *Sandbox) Switch(name string) bool {
	all := Switches()
	i := slices.IndexFunc(all, func(v Switch) bool { return v.Name == name })
	if i < 0 {
		return false
	}
	s.Set(func(f *Faults) { all[i].On(s, f) })
	return true
}

// The following make entries of the tables.

func answers(name, doc string, k Kind, a Answer) Switch {
	return Switch{name, doc, func(_ *Sandbox, f *Faults) { f.Answer(k, a) }}
}

func field(name, doc string, k Kind, member, json string) Switch {
	return Switch{name, doc, func(_ *Sandbox, f *Faults) { f.Field(k, member, json) }}
}

// fieldOf replaces @iss, @mcp and @elsewhere in json by the addresses of the sandbox.
func fieldOf(name, doc string, k Kind, member, json string) Switch {
	return Switch{name, doc, func(s *Sandbox, f *Faults) { f.Field(k, member, s.fill(json)) }}
}

func param(name, doc, p, value string) Switch {
	return Switch{name, doc, func(s *Sandbox, f *Faults) { f.Param(p, s.fill(value)) }}
}

func streams(name, doc string, v Stream) Switch {
	return Switch{name, doc, func(_ *Sandbox, f *Faults) { f.Stream = &v }}
}

func faulty(name, doc string, set func(*Faults)) Switch {
	return Switch{name, doc, func(_ *Sandbox, f *Faults) { set(f) }}
}

func redirects(name, doc string, k Kind, status int, location string) Switch {
	return Switch{name, doc, func(s *Sandbox, f *Faults) { f.Answer(k, Redirect(status, s.fill(location))) }}
}

func (s *Sandbox) fill(text string) string {
	return strings.NewReplacer("@iss", s.Issuer(), "@mcp", s.MCPURL(), "@elsewhere", s.ElsewhereURL()).Replace(text)
}

var prmSwitches = []Switch{
	answers("prm-missing", "no resource metadata anywhere", KindPRM, Status(http.StatusNotFound)),
	{"prm-root-only", "resource metadata only at the root, for the origin", func(s *Sandbox, f *Faults) {
		f.Missing(s.PRMPath(s.mcpPath()))
		f.Challenges = []string{"Bearer"}
	}},
	fieldOf("prm-resource-elsewhere", "resource is at another origin", KindPRM, "resource", `"@elsewhere/mcp"`),
	fieldOf("prm-resource-longer", "resource begins with the right address and goes on", KindPRM, "resource", `"@mcpx"`),
	fieldOf("prm-resource-slash", "resource has a slash too many", KindPRM, "resource", `"@mcp/"`),
	field("prm-resource-absent", "resource is absent", KindPRM, "resource", Absent),
	field("prm-no-servers", "authorization_servers is empty", KindPRM, "authorization_servers", `[]`),
	fieldOf("prm-dead-server-first", "the first of two authorization servers does not answer", KindPRM,
		"authorization_servers", `["http://127.0.0.1:1","@iss"]`),
	fieldOf("prm-other-server", "another authorization server is named than before", KindPRM,
		"authorization_servers", `["@elsewhere"]`),
	answers("prm-html", "resource metadata is a web page", KindPRM, HTML(http.StatusOK)),
	faulty("challenge-absent", "401 without WWW-Authenticate", func(f *Faults) { f.Challenges = []string{} }),
	faulty("challenge-bare", "the challenge names no metadata", func(f *Faults) { f.Challenges = []string{"Bearer"} }),
	faulty("challenge-malformed", "the challenge cannot be parsed", func(f *Faults) {
		f.Challenges = []string{`Bearer resource_metadata="http://127.0.0.1:1/, =,,;"`}
	}),
	{"challenge-many", "other schemes come before the right challenge", func(s *Sandbox, f *Faults) {
		f.Challenges = []string{`Negotiate, Basic realm="a, b"`, `Bearer resource_metadata="` +
			s.Origin() + s.PRMPath(s.mcpPath()) + `", scope="` + ScopeTools + `"`}
	}},
	{"challenge-elsewhere", "the challenge names metadata at another origin", func(s *Sandbox, f *Faults) {
		f.Challenges = []string{`Bearer resource_metadata="` + s.ElsewhereURL() + `/prm"`}
	}},
}

var metadataSwitches = []Switch{
	answers("metadata-missing", "no authorization server metadata anywhere", KindMetadata, Status(http.StatusNotFound)),
	{"metadata-last-only", "metadata only at the last place a client has to try", func(s *Sandbox, f *Faults) {
		paths := s.MetadataPaths()
		f.Missing(paths[:len(paths)-1]...)
	}},
	fieldOf("metadata-issuer-slash", "issuer has a slash too many", KindMetadata, "issuer", `"@iss/"`),
	fieldOf("metadata-issuer-elsewhere", "issuer is another server", KindMetadata, "issuer", `"@elsewhere"`),
	field("metadata-no-pkce", "code_challenge_methods_supported is absent", KindMetadata, "code_challenge_methods_supported", Absent),
	field("metadata-plain-pkce", "only PKCE plain", KindMetadata, "code_challenge_methods_supported", `["plain"]`),
	answers("metadata-500", "metadata answers 500", KindMetadata, Status(http.StatusInternalServerError)),
	answers("metadata-html", "metadata is a web page", KindMetadata, HTML(http.StatusOK)),
	answers("metadata-huge", "metadata is followed by 10 GB of blanks", KindMetadata, Answer{Pad: 10 << 30}),
	answers("metadata-bomb", "metadata is 10 GB of blanks, compressed", KindMetadata, Answer{Pad: 10 << 30, Gzip: true}),
	answers("metadata-deep", "metadata is nested 10,000 deep", KindMetadata, JSON(http.StatusOK, strings.Repeat("[", 10_000))),
	answers("metadata-utf16", "metadata is in UTF-16", KindMetadata, JSON(http.StatusOK, "\xff\xfe{\x00}\x00")),
	answers("metadata-drip", "metadata comes at a byte a second", KindMetadata, Answer{Drip: time.Second}),
	answers("metadata-hang", "metadata never comes", KindMetadata, Hang()),
	redirects("metadata-redirect", "metadata redirects to another origin", KindMetadata, http.StatusFound, "@elsewhere/metadata"),
	field("metadata-authorize-javascript", "authorization_endpoint is a script", KindMetadata, "authorization_endpoint", `"javascript:alert(1)"`),
	field("metadata-authorize-file", "authorization_endpoint is a file", KindMetadata, "authorization_endpoint", `"file:///etc/passwd"`),
	field("metadata-authorize-program", "authorization_endpoint is for another program", KindMetadata, "authorization_endpoint", `"ms-msdt:/id"`),
	field("metadata-authorize-option", "authorization_endpoint looks like an option of a command", KindMetadata, "authorization_endpoint", `"-a Calculator"`),
	field("metadata-authorize-http", "authorization_endpoint is http on a public host", KindMetadata, "authorization_endpoint", `"http://example.com/authorize"`),
	field("metadata-authorize-user", "authorization_endpoint pretends to be on another host", KindMetadata, "authorization_endpoint", `"https://good.example@evil.example/authorize"`),
	field("metadata-authorize-shell", "authorization_endpoint has characters a shell acts on", KindMetadata, "authorization_endpoint", `"https://evil.example/$(id)`+"`id`"+`&calc&\"|;"`),
	fieldOf("metadata-token-elsewhere", "token_endpoint is at another origin", KindMetadata, "token_endpoint", `"@elsewhere/token"`),
	field("metadata-jwks-private", "jwks_uri is http on a private host", KindMetadata, "jwks_uri", `"http://169.254.169.254/keys"`),
}

var authorizeSwitches = []Switch{
	param("iss-elsewhere", "iss is another server's", "iss", "@elsewhere"),
	param("iss-slash", "iss has a slash too many", "iss", "@iss/"),
	{"iss-upper", "iss differs in case only", func(s *Sandbox, f *Faults) {
		f.Param("iss", strings.Replace(s.Issuer(), "http", "HTTP", 1))
	}},
	param("iss-absent", "iss is announced and absent", "iss", Absent),
	field("iss-unannounced", "iss is sent though not announced", KindMetadata, "authorization_response_iss_parameter_supported", Absent),
	{"iss-unsupported", "iss is neither announced nor sent", func(_ *Sandbox, f *Faults) {
		f.Field(KindMetadata, "authorization_response_iss_parameter_supported", Absent)
		f.Param("iss", Absent)
	}},
	param("state-wrong", "state is not the one asked with", "state", "somebody-else"),
	param("state-absent", "state is absent", "state", Absent),
	faulty("state-twice", "state is sent twice", func(f *Faults) { f.Twice = []string{"state"} }),
	faulty("code-twice", "code is sent twice", func(f *Faults) { f.Twice = []string{"code"} }),
	param("code-wrong", "code is one nobody issued", "code", "sandbox-unknown"),
	faulty("authorize-denied", "the person says no", func(f *Faults) { f.Decline = "access_denied" }),
	faulty("authorize-server-error", "the authorization endpoint redirects back with server_error", func(f *Faults) { f.Decline = "server_error" }),
	faulty("authorize-invalid-scope", "the authorization endpoint refuses the scope", func(f *Faults) { f.Decline = "invalid_scope" }),
	answers("authorize-page", "the authorization endpoint shows an error page and never redirects", KindAuthorize, HTML(http.StatusBadRequest)),
	faulty("other-subject", "another person signs in", func(f *Faults) { f.Subject = "bob" }),
	faulty("narrow-scope", "less is granted than was asked for", func(f *Faults) { f.Grant = []string{"profile"} }),
}

var registerSwitches = []Switch{
	field("dcr-absent", "no registration_endpoint", KindMetadata, "registration_endpoint", Absent),
	answers("dcr-off", "the registration endpoint answers 404", KindRegister, Status(http.StatusNotFound)),
	answers("dcr-denied", "registration needs a token nobody has", KindRegister, OAuthError(http.StatusForbidden, "access_denied")),
	answers("dcr-refused", "every redirect URI is refused", KindRegister, OAuthError(http.StatusBadRequest, "invalid_redirect_uri")),
	field("dcr-other-redirect", "another redirect URI is registered than asked for", KindRegister, "redirect_uris", `["https://evil.example/callback"]`),
	field("dcr-secret-expired", "the client secret has expired when it comes", KindRegister, "client_secret_expires_at", `1`),
	fieldOf("dcr-manage-elsewhere", "registration_client_uri is at another origin", KindRegister, "registration_client_uri", `"@elsewhere/client"`),
	{"dcr-long-id", "client_id has 1 MiB", func(_ *Sandbox, f *Faults) {
		f.Field(KindRegister, "client_id", `"`+strings.Repeat("x", 1<<20)+`"`)
	}},
	field("dcr-control-id", "client_id has a line end", KindRegister, "client_id", `"a\r\nb"`),
	answers("dcr-html", "registration answers a web page", KindRegister, HTML(http.StatusOK)),
}

var tokenSwitches = []Switch{
	answers("token-500", "the token endpoint answers 500", KindToken, Status(http.StatusInternalServerError)),
	answers("token-503", "503 with Retry-After: 120", KindToken, Status(http.StatusServiceUnavailable).With("Retry-After", "120")),
	answers("token-503-forever", "503 with Retry-After: 1000000000", KindToken, Status(http.StatusServiceUnavailable).With("Retry-After", "1000000000")),
	answers("token-429", "429 with Retry-After: 7", KindToken, OAuthError(http.StatusTooManyRequests, "slow_down").With("Retry-After", "7")),
	answers("token-400-html", "400 with a web page", KindToken, HTML(http.StatusBadRequest)),
	answers("token-403-html", "403 with a web page", KindToken, HTML(http.StatusForbidden)),
	answers("token-200-html", "200 with a web page", KindToken, HTML(http.StatusOK)),
	redirects("token-302", "302 to another origin", KindToken, http.StatusFound, "@elsewhere/token"),
	redirects("token-307", "307 to another origin", KindToken, http.StatusTemporaryRedirect, "@elsewhere/token"),
	redirects("token-308", "308 to another origin", KindToken, http.StatusPermanentRedirect, "@elsewhere/token"),
	answers("token-hang", "the token endpoint never answers", KindToken, Hang()),
	answers("token-drip", "the answer comes at a byte a second", KindToken, Answer{Drip: time.Second}),
	answers("token-huge", "the answer is followed by 10 GB of blanks", KindToken, Answer{Pad: 10 << 30}),
	answers("token-truncated", "the answer ends right behind the refresh token", KindToken, Answer{CutBehind: "refresh_token"}),
	answers("token-lost", "the connection breaks behind the refresh token", KindToken, Answer{CutBehind: "refresh_token", Lost: true}),
	answers("token-cut", "the answer lacks its last 10 bytes", KindToken, Answer{Cut: -10}),
	answers("token-dropped", "tokens are issued, and the connection is reset instead of an answer", KindToken, DropAnswer()),
	answers("token-dropped-once", "the same, once", KindToken, DropAnswer().Times(1)),
	answers("token-reset", "the connection is reset and nothing issued", KindToken, Drop()),
	answers("token-invalid-grant", "invalid_grant to everybody", KindToken, OAuthError(http.StatusBadRequest, "invalid_grant")),
	answers("token-invalid-client", "invalid_client to everybody", KindToken, OAuthError(http.StatusUnauthorized, "invalid_client")),
	answers("token-invalid-scope", "invalid_scope to everybody", KindToken, OAuthError(http.StatusBadRequest, "invalid_scope")),
	answers("token-400-empty", "400 without a body", KindToken, Answer{Status: http.StatusBadRequest}),
	answers("token-200-error", "200 with an OAuth error", KindToken, OAuthError(http.StatusOK, "invalid_grant")),
	field("expires-absent", "expires_in is absent", KindToken, "expires_in", Absent),
	field("expires-null", "expires_in is null", KindToken, "expires_in", `null`),
	field("expires-zero", "expires_in is 0", KindToken, "expires_in", `0`),
	field("expires-negative", "expires_in is -5", KindToken, "expires_in", `-5`),
	field("expires-string", "expires_in is a string of digits", KindToken, "expires_in", `"3600"`),
	field("expires-fraction", "expires_in is 3600.5", KindToken, "expires_in", `3600.5`),
	field("expires-far", "expires_in is 99999999999", KindToken, "expires_in", `99999999999`),
	field("expires-exponent", "expires_in is 1e9", KindToken, "expires_in", `1e9`),
	field("expires-text", "expires_in is no number", KindToken, "expires_in", `"abc"`),
	field("type-mac", "token_type is mac", KindToken, "token_type", `"mac"`),
	field("type-dpop", "token_type is DPoP", KindToken, "token_type", `"DPoP"`),
	field("type-absent", "token_type is absent", KindToken, "token_type", Absent),
	field("access-newline", "the access token has a line end and a header behind it", KindToken, "access_token", `"abc\r\nX-Injected: 1"`),
	field("access-unicode", "the access token is not ASCII", KindToken, "access_token", `"tök\u0000en"`),
	{"access-huge", "the access token has 1 MiB", func(_ *Sandbox, f *Faults) {
		f.Field(KindToken, "access_token", `"`+strings.Repeat("x", 1<<20)+`"`)
	}},
	field("access-absent", "the answer has no access token", KindToken, "access_token", Absent),
	field("no-refresh-token", "the answer has no refresh token", KindToken, "refresh_token", Absent),
}

var idTokenSwitches = []Switch{
	faulty("id-none", "the ID token is unsigned", func(f *Faults) { f.AlgNone = true }),
	faulty("id-foreign-key", "the ID token is signed with an unpublished key", func(f *Faults) { f.ForeignKey = true }),
	field("id-nonce", "the ID token has another nonce", KindIDToken, "nonce", `"somebody-else"`),
	field("id-audience", "the ID token is for another client", KindIDToken, "aud", `"somebody-else"`),
	fieldOf("id-issuer", "the ID token is from another issuer", KindIDToken, "iss", `"@elsewhere"`),
	field("id-expired", "the ID token has expired", KindIDToken, "exp", `1000000000`),
	field("id-absent", "no ID token though openid was granted", KindToken, "id_token", Absent),
}

var mcpSwitches = []Switch{
	answers("mcp-401", "401 to every request, whatever the token", KindMCP, Unauthorized()),
	answers("mcp-401-once", "401 to the next request", KindMCP, Unauthorized().Times(1)),
	answers("mcp-401-midway", "401 to one request after three", KindMCP, Unauthorized().After(3).Times(1)),
	faulty("mcp-403", "403 insufficient_scope, asking for "+ScopeAdmin, func(f *Faults) { f.NeedScope = ScopeAdmin }),
	faulty("mcp-403-forever", "403 insufficient_scope, asking for what nobody grants", func(f *Faults) { f.NeedScope = "mcp:never" }),
	answers("mcp-403-plain", "403 that has nothing to do with scopes", KindMCP, Status(http.StatusForbidden)),
	answers("mcp-500", "the MCP server answers 500", KindMCP, Status(http.StatusInternalServerError)),
	answers("mcp-503", "503 with Retry-After: 120", KindMCP, Status(http.StatusServiceUnavailable).With("Retry-After", "120")),
	answers("mcp-html", "200 with a web page", KindMCP, HTML(http.StatusOK)),
	redirects("mcp-redirect-same", "307 to another path of the same origin", KindMCP, http.StatusTemporaryRedirect, "@mcp/echo"),
	redirects("mcp-redirect-302", "302 to another path of the same origin", KindMCP, http.StatusFound, "@mcp/echo"),
	redirects("mcp-redirect-elsewhere", "307 to another origin", KindMCP, http.StatusTemporaryRedirect, "@elsewhere/mcp"),
	redirects("mcp-redirect-loop", "307 to itself", KindMCP, http.StatusTemporaryRedirect, "@mcp"),
	answers("mcp-hang", "the request is read and never answered", KindMCP, Hang()),
	answers("mcp-reset", "the connection is reset", KindMCP, Drop()),
	answers("mcp-dropped", "the request is processed and the connection reset", KindMCP, DropAnswer()),
	answers("mcp-lost", "the connection breaks before the end of the answer", KindMCP, Answer{Cut: -1, Lost: true}),
	answers("mcp-gzip", "answers are compressed, asked for or not", KindMCP, Answer{Gzip: true}),
	answers("mcp-header-flood", "answers have 1 MiB of headers", KindMCP, Answer{HeaderBytes: 1 << 20}),
	answers("mcp-early", "answers come after 1,000 early hints", KindMCP, Answer{Early: 1000}),
	faulty("mcp-headers", "answers set cookies, challenges, CORS and connection headers", func(f *Faults) {
		f.Header = http.Header{
			"Set-Cookie": {"session=sandbox; Path=/", "b=c"}, "Www-Authenticate": {`Basic realm="sandbox"`},
			"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Credentials": {"true"},
			"Strict-Transport-Security": {"max-age=1"}, "Alt-Svc": {`h3=":443"`}, "Server": {"sandbox"},
			"Clear-Site-Data": {`"*"`}, "Refresh": {"0; url=https://evil.example/"},
			"Keep-Alive": {"timeout=1"}, "Proxy-Authenticate": {"Basic"}, "X-Harmless": {"kept"},
		}
	}),
	faulty("mcp-reflect", "answers carry the token of the request", func(f *Faults) { f.Reflect = true }),
	faulty("mcp-no-stream", "GET answers 405", func(f *Faults) { f.NoStream = true }),
}

var streamSwitches = []Switch{
	streams("stream-blob", "64 MiB of stream without a line end", Stream{Blob: 64 << 20, Events: 1}),
	streams("stream-slow", "an event each 100 ms, for ever", Stream{Endless: true, Interval: 100 * time.Millisecond}),
	streams("stream-endless", "events as fast as they go, for ever", Stream{Endless: true, Size: 1000}),
	streams("stream-silent", "a stream on which nothing happens", Stream{Open: true}),
	streams("stream-comments", "events, comments and ids between line ends of the other kind", Stream{Events: 5, Comments: true, IDs: true, EOL: "\r\n"}),
	streams("stream-retry-zero", "retry: 0, then the end", Stream{Events: 1, Retry: "0"}),
	streams("stream-retry-far", "retry: 9000000000, then the end", Stream{Events: 1, Retry: "9000000000"}),
	streams("stream-nul-id", "an id with a NUL", Stream{Events: 1, Raw: "id: a\x00b\n"}),
	streams("stream-lost", "the connection breaks after three events", Stream{Events: 3, Lost: true}),
	streams("stream-ends", "the stream ends after three events", Stream{Events: 3}),
}

var legacySwitches = []Switch{
	legacyAt("legacy-relative", "the endpoint event is a relative address", "message?sessionId={id}"),
	legacyAt("legacy-absolute", "the endpoint event is a whole address", "@origin/message?sessionId={id}"),
	legacyAt("legacy-elsewhere", "the endpoint event is at another origin", "@elsewhere/message?sessionId={id}"),
	legacyAt("legacy-scheme", "the endpoint event is no http address", "javascript:alert(1)//{id}"),
	legacyAt("legacy-protocol-relative", "the endpoint event leaves the origin without a scheme", "//evil.example/message?sessionId={id}"),
	legacyAt("legacy-backslash", "the endpoint event leaves the origin by a backslash", `/\evil.example/message?sessionId={id}`),
}

func legacyAt(name, doc, endpoint string) Switch {
	return Switch{name, doc, func(s *Sandbox, f *Faults) {
		f.Endpoint = strings.ReplaceAll(s.fill(endpoint), "@origin", s.Origin())
	}}
}
