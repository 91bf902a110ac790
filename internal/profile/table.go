package profile

import (
	"sync"
	"time"
)

// The table: every key of profiles.yaml, what may stand there, its default and its
// description. Reading the file, the JSON Schema and "did you mean" come from it.

var table = sync.OnceValue(func() *object {
	return block(object{
		home: "at the top of the file",
		needs: map[string]string{
			"version":  "write \"version: 1\" at the top",
			"profiles": "write \"profiles: {}\" for none",
		},
		keys: []key{
			{name: "version", kind: version{}, doc: "The version of this file's format. Always 1."},
			{name: "settings", kind: settings(), doc: "What holds for the whole app.", also: "global config options"},
			{name: "profiles", kind: profiles{of: oneProfile()}, also: "servers mcpservers proxies",
				doc: "One entry for each remote MCP server. The name is what clients see: lower-case letters, digits and dashes, at most 24."},
		},
	}, checkConfig)
})

func settings() *object {
	return block[Settings](object{
		home: "under settings",
		keys: []key{
			{name: "token_store", preset: StoreKeyring, also: "store storage",
				kind: enum{words: []string{StoreKeyring, StoreFile, StoreMemory}},
				doc: "Where sign-ins are kept. keyring: sealed files whose key is in the keyring of the operating system. " +
					"file: sealed files that MCPAUTH_PASSPHRASE or MCPAUTH_PASSPHRASE_FILE opens. memory: nowhere, a new sign-in each start."},
			{name: "redirect_host", preset: "localhost", kind: enum{words: []string{"localhost", "127.0.0.1"}},
				doc: "The host in the address that the browser comes back to after a sign-in. It is what was registered with the provider."},
			{name: "redirect_port", preset: 8666, kind: number{0, 65535}, also: "callback_port",
				doc: "The port in that address. 0: any free port each time, for providers that do not compare it."},
			{name: "log_level", preset: "info", kind: enum{words: []string{"trace", "debug", "info", "warn", "error"}}, also: "debug verbose loglevel",
				doc: "How much is logged. Secrets are never logged."},
			{name: "clients", preset: []string{"claude-desktop"}, kind: list{of: client{}}, also: "mcp_clients",
				doc: "The MCP clients whose config files the app keeps an entry of every profile in, where they are installed. []: none."},
		},
	}, nil)
}

func oneProfile() *object {
	return block(object{
		home:  "directly under the name of a profile",
		needs: map[string]string{"target": "write the URL of the MCP server, as in target: https://mcp.example.com/mcp"},
		keys: []key{
			{name: "target", kind: target, also: "url upstream server server_url target_uri target_url endpoint uri remote remote_url",
				doc: "The URL of the remote MCP server. Its path and query are kept. http:// only for this computer."},
			{name: "listen", kind: listen, also: "port host address bind",
				doc: "The local address, as in 127.0.0.1:7801. Left out: a free port chosen once and remembered. Port 0: a new one each start."},
			{name: "path", kind: localPath,
				doc: "The path of the local endpoint. Left out: the path of target; if that has none, every path is forwarded."},
			{name: "enabled", kind: boolean{}, preset: true, also: "enable active disabled",
				doc: "false: this profile is not served."},
			{name: "sign_in", kind: signIn(), also: "auth oauth oidc login remote_auth authentication",
				doc: "How the sign-in for target is got (outgoing)."},
			{name: "guard", kind: guard(), also: "incoming access security",
				doc: "Who may use the local endpoint (incoming)."},
			{name: "headers", kind: headers(),
				doc: "Headers of requests to target."},
			{name: "tls", kind: tls(), doc: "TLS of connections to target and to its sign-in servers."},
			{name: "proxy_url", kind: outgoing, also: "http_proxy https_proxy proxy",
				doc: "The proxy through which target and its sign-in servers are reached. Left out: HTTPS_PROXY and NO_PROXY of the environment."},
			{name: "spawn", kind: spawn(), later: "start the server yourself and write its URL as target",
				doc: "A child server that this app starts and keeps running."},
			{name: "clients", kind: list{of: client{}},
				doc: "The MCP clients whose config files the app keeps an entry of this profile in. Left out: those of settings.clients. []: none."},
		},
	}, checkProfile)
}

func signIn() *object {
	keys := []key{
		{name: "method", preset: MethodAuto, also: "type flow",
			kind: enum{words: []string{MethodAuto, MethodBrowser, MethodToken, MethodNone}, later: map[string]string{
				"device":             "use browser with open_browser: false and open the link elsewhere",
				"client_credentials": "use token with a token from elsewhere",
				"enterprise":         "use browser",
			}},
			doc: "auto: find out what target wants, with a sign-in in the browser if needed. browser: always a sign-in in the browser. " +
				"token: send the fixed token of token_file, token_env or token_keyring. none: send none."},
		{name: "start", preset: StartManual, kind: enum{words: []string{StartManual, StartOnRequest}},
			doc: "manual: only a person's click or command opens a browser. on_request: a client's request may start the sign-in, once, and waits for it (headless, CI)."},
		{name: "issuer", kind: issuer, also: "issuer_url oidc_issuer oidc_issuer_url authority",
			doc: "The authorization server, when target does not name it."},
		{name: "authorize_url", kind: endpoint, also: "authorization_url authorization_endpoint auth_url",
			doc: "With token_url instead of issuer: for a provider that publishes no metadata."},
		{name: "token_url", kind: endpoint, also: "token_endpoint",
			doc: "With authorize_url instead of issuer: for a provider that publishes no metadata."},
		{name: "device_authorization_url", kind: endpoint, later: "remove it",
			doc: "Where a device sign-in starts."},
		{name: "client_id", kind: text{check: oneLine}, also: "oidc_client_id",
			doc: "The client registered with the provider."},
	}
	keys = append(keys, secret("client_secret", oneLine, "The secret of client_id.")...)
	keys = append(keys,
		key{name: "registration", preset: RegistrationAuto,
			kind: enum{words: []string{RegistrationAuto, RegistrationStatic, RegistrationDynamic}, later: map[string]string{
				"metadata_document": "use auto, or static with a client_id",
			}},
			doc: "How we become a client of the provider. auto: client_id if there is one, else dynamic. static: client_id must be there. dynamic: register with the provider (RFC 7591)."},
		key{name: "client_metadata_url", kind: endpoint, later: "use client_id",
			doc: "Our client ID metadata document, when hosted."},
		key{name: "scopes", kind: list{of: scope}, also: "oidc_scopes permissions",
			doc: "The scopes to ask for. Left out: what target asks for, then what its metadata lists, then the usual ones of OpenID Connect. []: none."},
		key{name: "scope_param", preset: "scope", kind: text{pattern: paramName, like: "a name such as user_scope", check: scopeParam},
			doc: "The name of the scope parameter in the browser's URL. Slack wants user_scope."},
		key{name: "resource", preset: ResourceAuto, kind: resource,
			doc: "What the token is for (RFC 8707). auto: as target says. omit: do not send it. Or the exact URI."},
		key{name: "authorize_params", kind: dict{what: "parameter", pattern: paramName, refuse: flowParam, of: always(text{check: oneLine})},
			also: "extra_params auth_params audience",
			doc:  "More parameters for the browser's URL, as in {audience: https://api.example.com}."},
		key{name: "redirect_url", kind: redirect, also: "redirect_uri callback_url callback",
			doc: "The whole address that the browser comes back to, instead of the one made of settings.redirect_host and settings.redirect_port."},
		key{name: "open_browser", preset: true, kind: boolean{}, also: "browser skip_browser",
			doc: "false: the sign-in link is only shown."},
		key{name: "timeout", preset: "5m", kind: duration{time.Second, 24 * time.Hour},
			doc: "How long a sign-in may take, as in 5m."},
		key{name: "token_auth", preset: TokenAuthAuto, also: "token_endpoint_auth_method auth_method",
			kind: enum{words: []string{TokenAuthAuto, TokenAuthNone, TokenAuthPost, TokenAuthBasic}, later: map[string]string{
				"private_key_jwt": "use client_secret_basic or client_secret_post",
			}},
			doc: "How we prove to be client_id. auto: as the provider's metadata says."},
		key{name: "private_key_file", kind: file, later: "use client_secret_file", doc: "The private key for token_auth: private_key_jwt, as PEM."},
		key{name: "signing_alg", kind: text{}, later: "use client_secret_file", doc: "The algorithm for token_auth: private_key_jwt, as in ES256."},
		key{name: "assume_pkce", preset: false, kind: boolean{},
			doc: "true: the provider supports PKCE with S256 although its metadata does not say so."},
		key{name: "enterprise", kind: enterprise(), later: "use method: browser", doc: "The identity provider of method: enterprise."},
		key{name: "use_id_token", kind: boolean{}, later: "leave it false", but: justFalse, doc: "Send the ID token instead of the access token."},
		key{name: "trusted_issuers", kind: list{of: issuer},
			doc: "Issuers that are accepted although they differ from where they were found."},
		key{name: "session", kind: text{pattern: lazily(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`), like: "a short name such as work"}, also: "account",
			doc: "A name for another account on the same server. Profiles with the same server and session share one sign-in."},
	)
	keys = append(keys, secret("token", bearer, "The fixed token of method: token.")...)
	keys = append(keys,
		key{name: "token_exchange", kind: tokenExchange(), later: "remove it", doc: "Exchange the token for another (RFC 8693)."},
		key{name: "preset", kind: text{}, later: "write the provider's keys out", doc: "Fills in the quirks of a known provider."},
	)
	return block(object{home: "under sign_in", keys: keys, extra: schema{
		"dependencies": schema{"authorize_url": []string{"token_url"}, "token_url": []string{"authorize_url"}},
	}}, checkSignIn)
}

func guard() *object {
	const without = "only this computer can use the endpoint, see local"
	keys := []key{
		{name: "local", preset: LocalSameUser, kind: enum{words: []string{LocalSameUser, LocalOpen}, later: map[string]string{
			"key": "use same-user",
		}}, doc: "Who on this computer may use the endpoint. same-user: programs of the same user. open: everybody."},
		{name: "allowed_origins", kind: list{of: origin}, also: "origins",
			doc: "The web origins that may send requests, exactly. None: the endpoint's own."},
		{name: "issuer", kind: issuer, later: without, doc: "The issuer of callers' tokens."},
		{name: "audience", kind: text{}, later: without, doc: "The audience that callers' tokens must have."},
		{name: "jwks_url", kind: endpoint, later: without, doc: "The keys of callers' tokens, when the issuer's metadata does not name them."},
		{name: "introspection_url", kind: endpoint, later: without, doc: "Where callers' tokens are looked up (RFC 7662)."},
		{name: "client_id", kind: text{}, later: without, doc: "The client that looks them up."},
	}
	for _, k := range secret("client_secret", oneLine, "The secret of client_id.") {
		k.later = without
		keys = append(keys, k)
	}
	keys = append(keys,
		key{name: "resource_url", kind: endpoint, later: without, doc: "The public URL of the endpoint, for its metadata documents."},
		key{name: "scopes_supported", kind: list{of: scope}, later: without, doc: "The scopes in the metadata documents."},
		key{name: "allow", later: without, doc: "Callers that are let in; one matching list is enough.", kind: later("under guard.allow",
			key{name: "subs", kind: list{of: text{}}, doc: "Subjects."},
			key{name: "emails", kind: list{of: text{}}, doc: "Verified email addresses."},
			key{name: "groups", kind: list{of: text{}}, doc: "Groups."},
		)},
		key{name: "rate_limit", kind: number{0, 1_000_000}, later: "remove it", doc: "Requests a minute for each caller. 0: no limit."},
		key{name: "cors_origins", kind: list{of: origin}, later: "remove it", doc: "Web origins whose pages may read answers."},
		key{name: "static_client", later: without, doc: "The client that POST /oauth/register hands out.", kind: later("under guard.static_client",
			append([]key{{name: "id", kind: text{}, doc: "Its client_id."}}, secret("secret", oneLine, "Its secret.")...)...,
		)},
		key{name: "audit", kind: boolean{}, later: "remove it", but: justFalse, doc: "Log one line for each admitted request."},
	)
	return block[Guard](object{home: "under guard", keys: keys}, nil)
}

func headers() *object {
	return block(object{
		home: "under headers",
		keys: []key{
			{name: "set", kind: dict{what: "header", pattern: headerName, refuse: notSettable, of: headerValue},
				doc: "Headers added to every request, as in {X-Team: blue}. A client's own header of that name is replaced."},
			{name: "set_file", kind: dict{what: "header", pattern: headerName, refuse: notSettable, of: always(file)},
				doc: "The same for secret values: header to the file that holds its value."},
			{name: "forward", kind: list{of: text{pattern: headerName, like: "the name of a header", check: notForwardable}},
				doc: "Client headers that are let through although they are removed by default, such as Cookie."},
		},
	}, checkHeaders)
}

func tls() *object {
	return block[TLS](object{
		home: "under tls",
		keys: []key{
			{name: "ca_file", kind: file, also: "ca ca_bundle ca_cert cert insecure tls_insecure skip_verify insecure_skip_verify",
				doc: "Certificates (PEM) that are trusted beside those of the operating system."},
		},
	}, nil)
}

func spawn() *object {
	return later("under spawn",
		key{name: "command", kind: list{of: text{}}, doc: "The program and its arguments."},
		key{name: "port", kind: number{1, 65535}, doc: "The port on which it serves HTTP. Left out: it speaks over its standard input and output."},
		key{name: "env", kind: dict{what: "variable", pattern: envName, of: always(text{})}, doc: "Its environment variables."},
		key{name: "dir", kind: file, doc: "The folder it is started in."},
	)
}

func enterprise() *object {
	return later("under sign_in.enterprise",
		key{name: "idp_issuer", kind: issuer, doc: "The issuer of the ID token."},
		key{name: "idp_token_url", kind: endpoint, doc: "Where the ID token is exchanged."},
		key{name: "idp_client_id", kind: text{}, doc: "Our client there."},
		key{name: "id_token_file", kind: file, doc: "The file that holds the ID token."},
	)
}

func tokenExchange() *object {
	keys := []key{
		{name: "url", kind: endpoint, doc: "Where the token is exchanged."},
		{name: "audience", kind: text{}, doc: "The audience to ask for."},
		{name: "scopes", kind: list{of: scope}, doc: "The scopes to ask for."},
		{name: "client_id", kind: text{}, doc: "Our client there."},
		{name: "subject_token_type", kind: enum{words: []string{"access_token", "id_token", "jwt"}}, preset: "access_token", doc: "What is exchanged."},
	}
	return later("under sign_in.token_exchange", append(keys, secret("client_secret", oneLine, "The secret of client_id.")...)...)
}

// secret makes the four keys of a secret.
func secret(name string, check func(string) string, doc string) []key {
	instead := "store it in a file that only you can read and name that in " + name + "_file; or use " + name + "_env or " + name + "_keyring"
	return []key{
		{name: name, kind: text{check: check, instead: instead}, doc: doc + " Better keep it out of this file with " + name + "_file, " + name + "_env or " + name + "_keyring."},
		{name: name + "_file", kind: file, doc: doc + " The file that holds it."},
		{name: name + "_env", kind: text{pattern: envName, like: "the name of an environment variable such as MY_SECRET"}, doc: doc + " The environment variable that holds it."},
		{name: name + "_keyring", kind: text{pattern: keyringItem, like: "service/user, the two names of an item in the keyring"},
			doc: doc + " The item in the keyring of the operating system that holds it, as service/user."},
	}
}
