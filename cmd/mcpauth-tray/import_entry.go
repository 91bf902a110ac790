package main

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// ownURL is what clients say of a server that they reach themselves: the keys of its entry
// in a config, in the spellings of all of them.
func ownURL() *system {
	const whole = "the secret goes into a file that only you can read"
	return &system{
		name: "url", title: "A server's URL in a client's config",
		finish: finishURL,
		options: []option{
			{name: "url", also: []string{"serverUrl", "httpUrl", "uri"}, key: "target", how: remoteURL, doc: "one of this computer only when it is asked for with `--name`", example: []string{"https://mcp.example.com/mcp"}},
			{name: "headers", also: []string{"http_headers", "requestInit.headers"}, takes: twoValues, key: "headers", how: headerOf(""), doc: "`headers.set`; a bearer token becomes `sign_in.token_file`, other secrets go into files, in `headers.set_file`", example: []string{"X-Team", "blue"}},
			{name: "bearer_token_env_var", key: "sign_in.token_env", how: tokenVariable, doc: "with `method: token`", example: []string{"MY_TOKEN"}},
			{name: "env_http_headers", takes: twoValues, vital: true, doc: "no counterpart: put the value into a file and name that in `headers.set_file`", example: []string{"X-Key", "MY_KEY"}},
			{name: "headersHelper", vital: true, doc: "no counterpart: no program is run for headers; put the value into a file and name that in `headers.set_file`", example: []string{"/bin/headers"}},
			{name: "type", also: []string{"transport"}, idle: true, how: entryTransport, doc: "nothing to set: Streamable HTTP and HTTP+SSE both go through; of a server that speaks HTTP+SSE only, clients get the bridge", example: []string{"sse"}},
			{name: "oauth.clientId", also: []string{"oauth.client_id", "auth.CLIENT_ID"}, key: "sign_in.client_id", example: []string{"my-client"}},
			{name: "oauth.clientSecret", also: []string{"oauth.client_secret", "auth.CLIENT_SECRET"}, key: "sign_in.client_secret_file", how: secretValue, doc: whole, example: []string{"hush4hush"}},
			{name: "oauth.scopes", also: []string{"oauth.scope", "auth.scopes", "scopes"}, key: "sign_in.scopes", how: listOf(" ,"), example: []string{"read write"}},
			{name: "oauth.authorizationUrl", key: "sign_in.authorize_url", example: []string{"https://auth.example.com/authorize"}},
			{name: "oauth.tokenUrl", key: "sign_in.token_url", example: []string{"https://auth.example.com/token"}},
			{name: "oauth.redirectUri", key: "sign_in.redirect_url", example: []string{"http://localhost:7777/oauth/callback"}},
			{name: "oauth.callbackPort", key: "sign_in.redirect_url", how: callbackPort, doc: "becomes `http://localhost:PORT/callback`", example: []string{"8667"}},
			{name: "oauth_resource", key: "sign_in.resource", example: []string{"https://mcp.example.com/"}},
			{name: "oauth.enabled", idle: true, doc: "nothing to set: the app finds out by itself whether the server wants a sign-in", example: []string{"true"}},
		},
	}
}

func finishURL(t *translation) {
	if strings.HasSuffix(strings.TrimSuffix(pathOf(t.target()), "/"), "/sse") {
		t.bridge = true
	}
}

func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Path
}

// whyLocal is why a server of this computer is left alone.
const whyLocal = "its address is on this computer; with --name it is imported all the same"

func remoteURL(t *translation, o *option, values []string) error {
	if ref := variableRef().FindString(values[0]); ref != "" {
		return fmt.Errorf("its URL has the variable %s in it, which is not known here", ref)
	}
	u, err := url.Parse(values[0])
	if err != nil {
		return errors.New("it is not a URL")
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if u.Hostname() == "localhost" || err == nil && addr.Unmap().IsLoopback() {
		t.local = true
	}
	t.set(o, "target", values[0])
	return nil
}

func tokenVariable(t *translation, o *option, values []string) error {
	if !variableName().MatchString(values[0]) {
		return errors.New("it is not the name of a variable")
	}
	return t.hide(o, "sign_in.token_file", "${"+values[0]+"}")
}

func entryTransport(t *translation, o *option, values []string) error {
	if strings.EqualFold(values[0], "sse") {
		t.overSSE(o)
	}
	return nil
}

// overSSE notes that the server speaks HTTP+SSE alone.
func (t *translation) overSSE(o *option) {
	t.bridge = true
	t.remark(o.name, false, "its server speaks HTTP+SSE; clients get the bridge, which knows that")
}

// leftOut is an entry that cannot be imported.
type leftOut struct{ name, why string }

var errLocalProgram = errors.New("it starts no program that is known")

// translateEntry translates an entry of a client's config.
func translateEntry(name string, entry map[string]any) (*translation, error) {
	t, err := translateReach(entry)
	if err != nil {
		return nil, err
	}
	t.name = slug(name)
	t.name = t.ownName()
	return t, nil
}

func translateReach(entry map[string]any) (*translation, error) {
	if fields := entryCommand(entry); len(fields) > 0 {
		filled := false // by the client
		for i, field := range fields {
			fields[i] = references(field)
			filled = filled || fields[i] != field
		}
		if len(fields) == 1 { // some have the whole line in command
			if words, err := commandWords(fields[0]); err == nil {
				fields = words
			}
		}
		if commandIn(fields) == nil {
			return nil, errLocalProgram
		}
		return translateCommand(fields, entryEnv(entry), filled)
	}
	t := newTranslation(ownURL())
	var err error
	fields(entry, "", func(key string, values []string) {
		switch o := t.system.find(key); {
		case o != nil && o.name == "url":
			if err == nil {
				err = remoteURL(t, o, values)
			}
		case o != nil:
			t.apply(o, values)
		case strings.HasPrefix(key, "oauth.") || strings.HasPrefix(key, "auth."):
			t.remark(key, true, "no counterpart is known")
		}
	})
	if err != nil {
		return nil, err
	}
	t.end()
	return t, nil
}

// fields calls found for each value of an entry, by its path, and for each pair in a map
// of headers.
func fields(entry map[string]any, prefix string, found func(key string, values []string)) {
	for _, key := range slices.Sorted(maps.Keys(entry)) {
		path := prefix + key
		if inner, ok := entry[key].(map[string]any); ok {
			if strings.HasSuffix(path, "headers") {
				for _, name := range slices.Sorted(maps.Keys(inner)) {
					found(path, []string{name, references(text(inner[name]))})
				}
				continue
			}
			if prefix == "" {
				fields(inner, path+".", found)
			}
			continue
		}
		if value := references(text(entry[key])); value != "" {
			found(path, []string{value})
		}
	}
}

// text is a value as one text; a list is joined.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []any:
		return strings.Join(jsonTexts(v), " ")
	case map[string]any:
		return ""
	}
	return fmt.Sprint(v)
}

// entryCommand is the command line of an entry, nil when it has none.
func entryCommand(entry map[string]any) []string {
	for _, key := range []string{"command", "cmd"} {
		if fields := jsonTexts(entry[key]); len(fields) > 0 {
			return append(fields, jsonTexts(entry["args"])...)
		}
	}
	return nil
}

// entryEnv are the variables that an entry sets.
func entryEnv(entry map[string]any) map[string]string {
	env := map[string]string{}
	add := func(v any) {
		in, _ := v.(map[string]any)
		for name, value := range in {
			env[name] = references(text(value))
		}
	}
	if command, ok := entry["command"].(map[string]any); ok {
		add(command["env"])
	}
	for _, key := range []string{"env", "environment", "envs"} {
		add(entry[key])
	}
	return env
}

// entryURL is the URL of an entry, empty when it has none.
func entryURL(entry map[string]any) string {
	for _, key := range append([]string{"url"}, ownURL().options[0].also...) {
		if s, ok := entry[key].(string); ok && isURL(s) {
			return s
		}
	}
	return ""
}

var (
	namedReference = lazily(`\$?\{(env|file|input):([^}]*)\}`)
	bareReference  = lazily(`(^|\s)\$([A-Za-z_][A-Za-z0-9_]*)$`)
)

// references spells the variables of all clients in one way: ${env:NAME}, {env:NAME} and
// $NAME are ${NAME}. What else they put in, from files or by asking, is not known here.
func references(s string) string {
	s = namedReference().ReplaceAllStringFunc(s, func(ref string) string {
		m := namedReference().FindStringSubmatch(ref)
		if m[1] == "env" {
			return "${" + m[2] + "}"
		}
		return "${" + m[1] + ":" + m[2] + "}"
	})
	return bareReference().ReplaceAllString(s, "${1}$${${2}}")
}
