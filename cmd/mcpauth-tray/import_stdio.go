package main

import (
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
)

const (
	noTimeout   = "nothing to set: requests and streams are never cut off by a clock"
	noTransport = "nothing to set: Streamable HTTP and HTTP+SSE both go through, the client decides"
	onlyStdio   = "no counterpart: it is about serving a local program to others"
)

// mcpRemote is mcp-remote.
func mcpRemote() *system {
	return &system{
		name: "mcp-remote", title: "mcp-remote", programs: []string{"mcp-remote"},
		operands: []operand{{"URL", isURL}, {"PORT", isNumber}},
		finish:   finishRemote,
		options: []option{
			{name: "URL", key: "target", example: []string{"https://mcp.example.com/mcp"}},
			{name: "PORT", key: "sign_in.redirect_url", how: rememberedAs("callback port"), doc: "where the browser comes back to; with `--host` and `--callback-path`", example: []string{"9696"}},
			{name: "--host", key: "sign_in.redirect_url", how: rememberedAs("callback host"), doc: "with PORT or a static client; otherwise nothing to set, as the app registers its own address", example: []string{"127.0.0.1"}},
			{name: "--callback-path", key: "sign_in.redirect_url", how: rememberedAs("callback path"), doc: "with PORT or a static client; otherwise nothing to set, as the app registers its own address", example: []string{"/cb"}},
			{name: "--auth-success-url", idle: true, doc: "no counterpart: the sign-in ends on a page of our own", example: []string{"https://example.com/done"}},
			{name: "--header", key: "headers", how: headerOf(":"), doc: "`headers.set`; a bearer token becomes `sign_in.token_file`, other secrets go into files, in `headers.set_file`", example: []string{"X-Team: blue"}},
			{name: "--header-file", key: "headers.set_file", how: headerFile, doc: "read now: a bearer token becomes `sign_in.token_file`, each other header goes into a file of its own", example: []string{"testdata/headers.txt"}},
			{name: "--allow-http", takes: noValue, doc: "no counterpart: without TLS only servers on this computer are reached"},
			{name: "--transport", idle: true, how: remoteTransport, doc: noTransport + "; with `sse-only` clients get the bridge", example: []string{"sse-only"}},
			{name: "--protocol", idle: true, doc: "nothing to set: every version of the protocol goes through", example: []string{"auto"}},
			{name: "--static-oauth-client-metadata", key: "sign_in.scopes", how: clientMetadata, doc: "`scope` is taken over", example: []string{`{"scope":"a b"}`}},
			{name: "--static-oauth-client-info", key: "sign_in.client_id", how: clientInfo, doc: "`client_id`; `client_secret` goes into a file that only you can read; without PORT `sign_in.redirect_url` gets the port that mcp-remote derives from the URL, which is what is registered with the provider", example: []string{`{"client_id":"me","client_secret":"hush4hush"}`}},
			{name: "--client-metadata-url", key: "sign_in.client_metadata_url", example: []string{"https://example.com/client.json"}},
			{name: "--client-credentials", takes: noValue, key: "sign_in.method: client_credentials"},
			{name: "--token-endpoint", key: "sign_in.method: client_credentials", how: forMachines("sign_in.token_url"), doc: "`sign_in.token_url`", example: []string{"https://auth.example.com/token"}},
			{name: "--device-code", takes: noValue, key: "sign_in.method: device"},
			{name: "--use-id-token", takes: noValue, key: "sign_in.use_id_token: true"},
			{name: "--resource", key: "sign_in.resource", example: []string{"https://mcp.example.com/"}},
			{name: "--disable-resource-parameter", takes: noValue, key: "sign_in.resource: omit"},
			{name: "--authorize-param", key: "sign_in.authorize_params", how: namedPair, example: []string{"prompt=consent"}},
			{name: "--auth-timeout", key: "sign_in.timeout", how: inSeconds, doc: "5m when left out; it has 30 s", example: []string{"120"}},
			{name: "--connect-timeout", idle: true, doc: "nothing to set", example: []string{"10"}},
			{name: "--headers-timeout", idle: true, doc: noTimeout, example: []string{"300"}},
			{name: "--body-timeout", idle: true, doc: noTimeout, example: []string{"0"}},
			{name: "--keep-alive", takes: noValue, idle: true, doc: noTimeout},
			{name: "--ping-interval", idle: true, doc: noTimeout, example: []string{"30"}},
			{name: "--ipv4", takes: noValue, idle: true, doc: "nothing to set: IPv4 is tried beside IPv6"},
			{name: "--enable-proxy", takes: noValue, idle: true, doc: "nothing to set: HTTPS_PROXY and NO_PROXY are honoured; `proxy_url` names another"},
			{name: "--ignore-tool", doc: "no counterpart: tools are not filtered; turn them off in the client", example: []string{"delete*"}},
			{name: "--disable-cookies", takes: noValue, idle: true, doc: "nothing to set: cookies are not kept"},
			{name: "--debug", takes: noValue, key: "settings.log_level", how: wantDebug, doc: debugDoc},
			{name: "--silent", takes: noValue, idle: true, doc: "not a matter of one profile: `settings.log_level: error`"},
			nodeCA(), httpsProxy(), noProxy(),
			{name: "MCP_REMOTE_CONFIG_DIR", idle: true, doc: "nothing to set: its sign-ins are not taken over; sign in once", example: []string{"/tmp/x"}},
		},
	}
}

func finishRemote(t *translation) {
	finishURL(t)
	port, static := t.said["callback port"], t.draft["sign_in.client_id"] != nil
	if port == "" && !static {
		for _, name := range []string{"callback host", "callback path"} {
			if t.said[name] != "" {
				t.remark(t.by[name], false, "nothing to set: the app registers its own address with the provider")
			}
		}
		return
	}
	const option = "--static-oauth-client-info"
	if port == "" {
		derived, ok := t.derivedPort()
		if !ok {
			t.remark(option, false, "set sign_in.redirect_url to the address that is registered with the provider, or register http://localhost:8666/callback there")
			return
		}
		port = derived
	}
	host, path := t.said["callback host"], t.said["callback path"]
	if host == "" {
		host = remoteHost
	}
	if !strings.HasPrefix(path, "/") { // it ignores others
		path = "/oauth/callback"
	}
	if !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, host) {
		t.remark(t.by["callback host"], true, "not taken over: the browser has to come back to localhost, 127.0.0.1 or ::1; register http://localhost:8666/callback with the provider")
		return
	}
	whole := "http://" + net.JoinHostPort(host, port) + path
	t.draft["sign_in.redirect_url"] = whole
	if static && t.said["callback port"] == "" {
		t.remark(option, false, "the browser comes back to %s, as with mcp-remote; that is registered with the provider", whole)
	}
}

func remoteTransport(t *translation, o *option, values []string) error {
	if values[0] != "sse-only" {
		t.remark(o.name, false, "%s", noTransport)
		return nil
	}
	t.overSSE(o)
	return nil
}

// headerFile reads a file of headers, one "Name: value" a line. Their values are secrets,
// which is why they are in a file.
func headerFile(t *translation, o *option, values []string) error {
	text, err := textFile(values[0])
	if err != nil {
		return err
	}
	headerLines(text, func(name, value string) {
		filled, failed := t.fill(&option{key: "headers"}, []string{value})
		if failed == nil {
			failed = t.secretHeader(o, name, strings.TrimSpace(filled[0]))
		}
		if failed != nil {
			t.remark(o.name, true, "%s is not taken over: %v", name, failed)
			t.missing = append(t.missing, o.name)
		}
	})
	return nil
}

var headerShape = lazily(`^([A-Za-z0-9_-]+):\s*(.*)$`)

// headerLines calls found for each header of a text; # begins a comment.
func headerLines(text string, found func(name, value string)) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := headerShape().FindStringSubmatch(line); m != nil && line[0] != '#' {
			found(m[1], m[2])
		}
	}
}

// nodeCA, pythonCA, httpsProxy and noProxy are variables by which the programs themselves are told.

func nodeCA() option {
	return option{name: "NODE_EXTRA_CA_CERTS", key: "tls.ca_file", how: filePath, example: []string{"/etc/ca.pem"}}
}

func pythonCA() option {
	return option{name: "SSL_CERT_FILE", also: []string{"REQUESTS_CA_BUNDLE"}, key: "tls.ca_file", how: filePath, example: []string{"/etc/ca.pem"}}
}

func httpsProxy() option {
	return option{name: "HTTPS_PROXY", also: []string{"https_proxy"}, key: "proxy_url", how: proxyAddress,
		doc: "not one with a password; the variable counts for the app, too", example: []string{"http://proxy.example.com:3128"}}
}

func noProxy() option {
	return option{name: "NO_PROXY", also: []string{"no_proxy"}, idle: true, doc: "nothing to set: the variable counts for the app, too", example: []string{"localhost"}}
}

func proxyAddress(t *translation, o *option, values []string) error {
	u, err := url.Parse(values[0])
	if err != nil || u.User != nil {
		return errors.New("it has a password or is not a URL; start the app with the variable set")
	}
	t.set(o, "proxy_url", values[0])
	return nil
}

// inJSON reads an option that is JSON, or @ and the name of a file with it.
func inJSON(value string, into any) error {
	data := []byte(value)
	if file, ok := strings.CutPrefix(value, "@"); ok {
		text, err := readSecretFile(file)
		if err != nil {
			return errors.New("its file cannot be read")
		}
		data = []byte(text)
	}
	if json.Unmarshal(data, into) != nil {
		return errors.New("it is not JSON")
	}
	return nil
}

func clientMetadata(t *translation, o *option, values []string) error {
	all := map[string]any{}
	if err := inJSON(values[0], &all); err != nil {
		return err
	}
	scope, _ := all["scope"].(string)
	if scope != "" {
		t.set(o, "sign_in.scopes", strings.Fields(scope))
	}
	delete(all, "scope")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.remark(o.name, true, "no counterpart for %s: the app registers with its own metadata", name)
	}
	return nil
}

func clientInfo(t *translation, o *option, values []string) error {
	var info struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := inJSON(values[0], &info); err != nil {
		return err
	}
	if info.ID == "" {
		return errors.New("it has no client_id")
	}
	t.set(o, "sign_in.client_id", info.ID)
	if info.Secret == "" {
		return nil
	}
	return t.hide(o, "sign_in.client_secret_file", info.Secret)
}

// forMachines is an option of a sign-in without a person.
func forMachines(key string) how {
	return func(t *translation, o *option, values []string) error {
		t.draft["sign_in.method"] = "client_credentials"
		if strings.HasSuffix(key, "_file") {
			return t.hide(o, key, values[0])
		}
		t.set(o, key, values[0])
		return nil
	}
}

func spawnEnv(t *translation, o *option, values []string) error {
	t.put(o, "spawn.env", values[0], values[1])
	return nil
}

// caFile takes a file over; true and false are the other things that can stand there.
func caFile(t *translation, o *option, values []string) error {
	switch strings.ToLower(values[0]) {
	case "true", "1", "yes":
		return nil
	case "false", "0", "no":
		return errors.New("certificates are always checked; name your CA in tls.ca_file")
	}
	return filePath(t, o, values)
}

func sseTarget(t *translation, o *option, values []string) error {
	t.bridge = true
	t.set(o, "target", values[0])
	return nil
}

// supergateway is supergateway, as far as it makes a remote server a local one.
func supergateway() *system {
	return &system{
		name: "supergateway", title: "supergateway", programs: []string{"supergateway"},
		options: []option{
			{name: "--streamableHttp", key: "target", example: []string{"https://mcp.example.com/mcp"}},
			{name: "--sse", key: "target", how: sseTarget, doc: "clients get the bridge, which knows HTTP+SSE", example: []string{"https://mcp.example.com/sse"}},
			{name: "--oauth2Bearer", key: "sign_in.token_file", how: bearerToken, doc: "with `method: token`; the token goes into a file that only you can read", example: []string{"hush4hush"}},
			{name: "--header", key: "headers", how: headerOf(":"), doc: "`headers.set`; a bearer token becomes `sign_in.token_file`, other secrets go into files, in `headers.set_file`", example: []string{"X-Team: blue"}},
			{name: "--stdio", key: "spawn.command", how: listOf(" "), example: []string{"npx -y some-mcp-server"}},
			{name: "--port", key: "listen", how: rememberedAs("port"), doc: "only with `--stdio`", example: []string{"8000"}},
			{name: "--outputTransport", idle: true, doc: noTransport, example: []string{"stdio"}},
			{name: "--baseUrl", doc: onlyStdio, example: []string{"http://localhost:8000"}},
			{name: "--ssePath", doc: onlyStdio, example: []string{"/sse"}},
			{name: "--messagePath", doc: onlyStdio, example: []string{"/message"}},
			{name: "--streamableHttpPath", key: "path", example: []string{"/mcp"}},
			{name: "--stateful", takes: noValue, doc: onlyStdio},
			{name: "--sessionTimeout", doc: onlyStdio, example: []string{"60000"}},
			{name: "--protocolVersion", idle: true, doc: "nothing to set: every version of the protocol goes through", example: []string{"2025-06-18"}},
			{name: "--cors", key: "guard.cors_origins", how: listOf(","), example: []string{"https://app.example.com"}},
			{name: "--healthEndpoint", idle: true, doc: "nothing to set: every port answers /healthz", example: []string{"/healthz"}},
			{name: "--logLevel", key: "settings.log_level", how: wantDebug, doc: debugDoc, example: []string{"debug"}},
			nodeCA(),
		},
		finish: finishGateway,
	}
}

// mcpProxy is sparfenyuk/mcp-proxy, as far as it makes a remote server a local one.
func mcpProxy() *system {
	return &system{
		name: "mcp-proxy", title: "mcp-proxy (sparfenyuk)", programs: []string{"mcp-proxy"},
		operands: []operand{{"COMMAND_OR_URL", isURL}, {"COMMAND", func(string) bool { return true }}},
		options: []option{
			{name: "COMMAND_OR_URL", key: "target", example: []string{"https://mcp.example.com/sse"}},
			{name: "COMMAND", key: "spawn.command", how: listOf(" "), example: []string{"some-mcp-server"}},
			{name: "--headers", also: []string{"-H"}, takes: twoValues, key: "headers", how: headerOf(""), doc: "`headers.set`; a bearer token becomes `sign_in.token_file`, other secrets go into files, in `headers.set_file`", example: []string{"X-Team", "blue"}},
			{name: "API_ACCESS_TOKEN", key: "sign_in.token_file", how: bearerToken, doc: "with `method: token`; the token goes into a file that only you can read", example: []string{"hush4hush"}},
			{name: "--transport", idle: true, doc: noTransport, example: []string{"streamablehttp"}},
			{name: "--client-id", key: "sign_in.method: client_credentials", doc: "`sign_in.client_id`", how: forMachines("sign_in.client_id"), example: []string{"me"}},
			{name: "--client-secret", key: "sign_in.method: client_credentials", doc: "`sign_in.client_secret_file`", how: forMachines("sign_in.client_secret_file"), example: []string{"hush4hush"}},
			{name: "--token-url", key: "sign_in.method: client_credentials", doc: "`sign_in.token_url`", how: forMachines("sign_in.token_url"), example: []string{"https://auth.example.com/token"}},
			{name: "--verify-ssl", key: "tls.ca_file", how: caFile, doc: "a file of certificates is taken over; certificates are always checked", example: []string{"/etc/ca.pem"}},
			{name: "--no-verify-ssl", takes: noValue, doc: "no counterpart: certificates are always checked; name your CA in `tls.ca_file`"},
			{name: "--env", also: []string{"-e"}, takes: twoValues, key: "spawn.env", how: spawnEnv, example: []string{"A", "b"}},
			{name: "--cwd", key: "spawn.dir", example: []string{"/tmp"}},
			{name: "--pass-environment", also: []string{"--no-pass-environment"}, takes: noValue, doc: onlyStdio},
			{name: "--named-server", takes: twoValues, doc: onlyStdio, example: []string{"a", "b"}},
			{name: "--named-server-config", doc: onlyStdio, example: []string{"servers.json"}},
			{name: "--port", also: []string{"--sse-port"}, key: "listen", how: rememberedAs("port"), example: []string{"8080"}},
			{name: "--host", also: []string{"--sse-host"}, key: "listen", how: localHost, doc: "only addresses of this computer", example: []string{"127.0.0.1"}},
			{name: "--allow-origin", key: "guard.cors_origins", how: listOf(" "), example: []string{"https://app.example.com"}},
			{name: "--stateless", also: []string{"--no-stateless"}, takes: noValue, doc: onlyStdio},
			{name: "--log-level", key: "settings.log_level", how: wantDebug, doc: debugDoc, example: []string{"DEBUG"}},
			{name: "--debug", takes: noValue, key: "settings.log_level", how: wantDebug, doc: debugDoc},
			pythonCA(), httpsProxy(), noProxy(),
			{name: "--no-debug", takes: noValue, idle: true, doc: "nothing to turn off"},
		},
		finish: finishGateway,
	}
}

func finishGateway(t *translation) {
	finishURL(t)
	t.listenOn()
}
