package main

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

func isURL(s string) bool { return strings.Contains(s, "://") }

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// authful is authful-mcp-proxy.
func authful() *system {
	return &system{
		name: "authful-mcp-proxy", title: "authful-mcp-proxy", programs: []string{"authful-mcp-proxy", "authful-mcp-proxy-rs"},
		operands: []operand{{"URL", isURL}},
		finish:   finishAuthful,
		options: []option{
			{name: "URL", also: []string{"MCP_BACKEND_URL"}, key: "target", example: []string{"https://mcp.example.com/mcp"}},
			{name: "--oidc-issuer-url", also: []string{"OIDC_ISSUER_URL"}, key: "sign_in.issuer", doc: "with `method: browser` and `resource: omit`: it always signs in and names no resource; left out, the server is asked who its issuer is", example: []string{"https://auth.example.com"}},
			{name: "--oidc-client-id", also: []string{"OIDC_CLIENT_ID"}, key: "sign_in.client_id", doc: "left out, a client is registered", example: []string{"my-client"}},
			{name: "--oidc-client-secret", also: []string{"OIDC_CLIENT_SECRET"}, key: "sign_in.client_secret_file", how: secretValue,
				doc: "the secret goes into a file that only you can read", example: []string{"hush4hush"}},
			{name: "--oidc-scopes", also: []string{"OIDC_SCOPES"}, key: "sign_in.scopes", how: withOpenID, doc: "`openid` is added, as it does", example: []string{"profile email"}},
			{name: "--oidc-redirect-url", also: []string{"OIDC_REDIRECT_URL"}, key: "sign_in.redirect_url", how: wholeRedirect,
				doc: "left out beside a client id: `http://localhost:8080/auth/callback`, which is what is registered with the provider then", example: []string{"http://localhost:9000/cb"}},
			{name: "--no-banner", takes: noValue, idle: true, doc: "nothing to turn off: there is no banner"},
			{name: "--silent", takes: noValue, idle: true, doc: "not a matter of one profile: `settings.log_level: error`"},
			{name: "--debug", also: []string{"MCP_PROXY_DEBUG"}, takes: noValue, key: "settings.log_level", how: wantDebug, doc: debugDoc},
			pythonCA(), httpsProxy(), noProxy(),
		},
	}
}

func withOpenID(t *translation, o *option, values []string) error {
	scopes := strings.FieldsFunc(values[0], func(r rune) bool { return r == ' ' || r == ',' })
	if !slices.Contains(scopes, "openid") {
		scopes = append([]string{"openid"}, scopes...)
	}
	t.set(o, "sign_in.scopes", slices.Compact(scopes))
	return nil
}

// wholeRedirect fills in what authful-mcp-proxy does for a URL without port or path.
func wholeRedirect(t *translation, o *option, values []string) error {
	u, err := url.Parse(values[0])
	if err != nil || u.Host == "" {
		return errors.New("it is not a URL")
	}
	if u.Port() == "" {
		u.Host += ":80"
	}
	if u.Path == "" {
		u.Path = "/callback"
	}
	t.set(o, "sign_in.redirect_url", u.String())
	return nil
}

// finishAuthful adds what authful-mcp-proxy does unasked. It cannot do without an issuer and a
// client; where they are left out the server is asked for them.
func finishAuthful(t *translation) {
	if t.draft["sign_in.issuer"] != nil {
		t.draft["sign_in.method"] = profile.MethodBrowser
		t.draft["sign_in.resource"] = profile.ResourceOmit
	}
	if t.draft["sign_in.client_id"] != nil && t.draft["sign_in.redirect_url"] == nil {
		t.draft["sign_in.redirect_url"] = "http://localhost:8080/auth/callback"
	}
}

// oauthProxy is allardy/mcp-oauth-proxy.
func oauthProxy() *system {
	return &system{
		name: "mcp-oauth-proxy", title: "mcp-oauth-proxy", programs: []string{"mcp-oauth-proxy"},
		finish: finishOAuthProxy,
		options: []option{
			{name: "OIDC_ISSUER_URL", key: "guard.issuer", example: []string{"https://auth.example.com"}},
			{name: "OIDC_AUDIENCE", key: "guard.audience", example: []string{"mcp-users"}},
			{name: "RESOURCE_URL", key: "guard.resource_url", example: []string{"https://gateway.example.com/mcp"}},
			{name: "ALLOW_SUBS", key: "guard.allow.subs", how: listOf(","), example: []string{"a,b"}},
			{name: "ALLOW_EMAILS", key: "guard.allow.emails", how: listOf(","), example: []string{"a@example.com"}},
			{name: "ALLOW_GROUPS", key: "guard.allow.groups", how: listOf(","), example: []string{"staff"}},
			{name: "MCP_UPSTREAM_URL", key: "target", doc: "with `method: none`: the server behind it wants no sign-in", example: []string{"http://localhost:3000"}},
			{name: "MCP_UPSTREAM_PATH", key: "target", how: rememberedAs("path"), doc: "is put behind the URL", example: []string{"/mcp"}},
			{name: "MCP_SPAWN_CMD", key: "spawn.command", how: listOf(" "), example: []string{"npx -y some-mcp-server"}},
			{name: "MCP_SPAWN_PORT", key: "spawn.port", how: wholeNumber, example: []string{"8765"}},
			{name: "PORT", key: "listen", how: rememberedAs("port"), doc: "on 127.0.0.1 only; of a container it is the published one", example: []string{"8080"}},
			{name: "LOG_LEVEL", key: "settings.log_level", how: wantDebug, doc: debugDoc, example: []string{"debug"}},
			{name: "RATE_LIMIT_RPM", key: "guard.rate_limit", how: wholeNumber, example: []string{"120"}},
			{name: "CORS_ALLOW_ORIGINS", key: "guard.cors_origins", how: listOf(","), example: []string{"https://claude.ai"}},
			{name: "STATIC_CLIENT_ID", key: "guard.static_client.id", example: []string{"me"}},
			{name: "STATIC_CLIENT_SECRET", key: "guard.static_client.secret_file", how: secretValue, example: []string{"hush4hush"}},
			{name: "SCOPES_SUPPORTED", key: "guard.scopes_supported", how: listOf(","), example: []string{"openid,profile"}},
		},
	}
}

func finishOAuthProxy(t *translation) {
	t.draft["sign_in.method"] = profile.MethodNone
	if target, ok := t.draft["target"].(string); ok && t.said["path"] != "" {
		t.draft["target"] = strings.TrimRight(target, "/") + "/" + strings.TrimLeft(t.said["path"], "/")
	}
	if port := t.said["published"]; port != "" {
		t.said["port"] = port
	}
	t.listenOn()
}
