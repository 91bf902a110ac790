package main

import "strings"

// thv is "thv proxy" of ToolHive.
func thv() *system {
	const fixedPort = "http://localhost:PORT/callback"
	return &system{
		name: "thv", title: "ToolHive: `thv proxy`", programs: []string{"thv"}, command: "proxy", below: []string{"stdio", "tunnel"},
		operands: []operand{{"SERVER_NAME", func(s string) bool { return !strings.Contains(s, "://") }}},
		finish:   (*translation).listenOn,
		options: []option{
			{name: "SERVER_NAME", key: "the profile's name", how: profileName, example: []string{"My Server"}},
			{name: "--host", key: "listen", how: localHost, doc: "only addresses of this computer", example: []string{"127.0.0.1"}},
			{name: "--port", key: "listen", how: rememberedAs("port"), doc: "0 or left out: a free port, chosen once and remembered; a port in use is an error, never another port", example: []string{"7801"}},
			{name: "--target-uri", key: "target", doc: "path and query are kept", example: []string{"https://mcp.example.com/v1/mcp"}},
			{name: "--allowed-origins", key: "guard.allowed_origins", how: listOf(","), example: []string{"https://app.example.com"}},
			{name: "--resource-url", key: "guard.resource_url", example: []string{"https://gateway.example.com/mcp"}},
			{name: "--oidc-issuer", key: "guard.issuer", example: []string{"https://auth.example.com"}},
			{name: "--oidc-audience", key: "guard.audience", example: []string{"mcp-users"}},
			{name: "--oidc-jwks-url", key: "guard.jwks_url", example: []string{"https://auth.example.com/jwks"}},
			{name: "--oidc-introspection-url", key: "guard.introspection_url", example: []string{"https://auth.example.com/introspect"}},
			{name: "--oidc-client-id", key: "guard.client_id", example: []string{"me"}},
			{name: "--oidc-client-secret", also: []string{"TOOLHIVE_OIDC_CLIENT_SECRET"}, key: "guard.client_secret_file", how: secretValue, example: []string{"hush4hush"}},
			{name: "--oidc-scopes", key: "guard.scopes_supported", how: listOf(","), doc: "`thv proxy` ignores it", example: []string{"openid,profile"}},
			{name: "--remote-auth", takes: noValue, key: "sign_in.method: browser", doc: "left out, mcpauth-tray finds out by itself whether the server wants a sign-in"},
			{name: "--remote-auth-issuer", key: "sign_in.issuer", example: []string{"https://auth.example.com"}},
			{name: "--remote-auth-authorize-url", key: "sign_in.authorize_url", example: []string{"https://auth.example.com/authorize"}},
			{name: "--remote-auth-token-url", key: "sign_in.token_url", example: []string{"https://auth.example.com/token"}},
			{name: "--remote-auth-client-id", key: "sign_in.client_id", example: []string{"my-client"}},
			{name: "--remote-auth-client-secret", also: []string{"TOOLHIVE_REMOTE_OAUTH_CLIENT_SECRET"}, key: "sign_in.client_secret_file", how: secretValue,
				doc: "the secret goes into a file that only you can read", example: []string{"hush4hush"}},
			{name: "--remote-auth-client-secret-file", key: "sign_in.client_secret_file", how: filePath, example: []string{"/secrets/client"}},
			{name: "--remote-auth-scopes", key: "sign_in.scopes", how: listOf(","), example: []string{"openid,profile"}},
			{name: "--remote-auth-scope-param-name", key: "sign_in.scope_param", example: []string{"user_scope"}},
			{name: "--remote-auth-skip-browser", takes: noValue, key: "sign_in.open_browser: false", doc: "the link is shown instead"},
			{name: "--remote-auth-timeout", key: "sign_in.timeout", doc: "5m when left out; `thv` has 30s", example: []string{"2m"}},
			{name: "--remote-auth-callback-port", key: "sign_in.redirect_url", doc: "becomes `" + fixedPort + "`", example: []string{"8667"}, how: callbackPort},
			{name: "--remote-auth-resource", key: "sign_in.resource", doc: "`thv proxy` ignores it; here it counts", example: []string{"https://mcp.example.com/"}},
			{name: "--remote-auth-bearer-token", also: []string{"TOOLHIVE_REMOTE_AUTH_BEARER_TOKEN"}, key: "sign_in.token_file", how: bearerToken,
				doc: "with `method: token`; the token goes into a file that only you can read", example: []string{"hush4hush"}},
			{name: "--remote-auth-bearer-token-file", key: "sign_in.token_file", how: filePath, doc: "with `method: token`", example: []string{"/secrets/token"}},
			{name: "--token-exchange-url", key: "sign_in.token_exchange.url", example: []string{"https://sts.example.com/token"}},
			{name: "--token-exchange-client-id", key: "sign_in.token_exchange.client_id", example: []string{"me"}},
			{name: "--token-exchange-client-secret", also: []string{"TOOLHIVE_TOKEN_EXCHANGE_CLIENT_SECRET"}, key: "sign_in.token_exchange.client_secret_file", how: secretValue, example: []string{"hush4hush"}},
			{name: "--token-exchange-client-secret-file", key: "sign_in.token_exchange.client_secret_file", how: filePath, example: []string{"/secrets/sts"}},
			{name: "--token-exchange-audience", key: "sign_in.token_exchange.audience", example: []string{"api"}},
			{name: "--token-exchange-scopes", key: "sign_in.token_exchange.scopes", how: listOf(","), example: []string{"a,b"}},
			{name: "--token-exchange-subject-token-type", key: "sign_in.token_exchange.subject_token_type", example: []string{"id_token"}},
			{name: "--token-exchange-header-name", doc: "no counterpart: a token is sent in Authorization only", example: []string{"X-Token"}},
			{name: "--remote-forward-headers", key: "headers", how: headerOf("="), doc: "`headers.set`; a value that is a secret by its header's name goes into a file, in `headers.set_file`", example: []string{"X-Team=blue"}},
			{name: "--remote-forward-headers-secret", doc: "no counterpart: ToolHive's store cannot be read; put the value into a file and name that in `headers.set_file`", example: []string{"X-Api-Key=api-key"}},
			{name: "--debug", takes: noValue, key: "settings.log_level", how: wantDebug, doc: debugDoc},
		},
	}
}

// callbackPort is the port that the browser comes back to.
func callbackPort(t *translation, o *option, values []string) error {
	if err := rememberedAs("callback port")(t, o, values); err != nil {
		return err
	}
	t.set(o, "sign_in.redirect_url", "http://localhost:"+values[0]+"/callback")
	return nil
}
