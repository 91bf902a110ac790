package main

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// derivedPort is the port that mcp-remote has the browser come back to when it is not told
// one. It is made of what tells sign-ins apart there, which is read here as it does. ok is
// false where that is not known.
func (t *translation) derivedPort() (port string, ok bool) {
	server, resource, machine := "", "", ""
	headers, params := map[string]string{}, map[string]string{}
	skip := false
	for rest := t.args; len(rest) > 0; {
		arg := rest[0]
		rest = rest[1:]
		value := ""
		if o := t.system.find(arg); o != nil && o.takes == oneValue && strings.HasPrefix(arg, "-") && len(rest) > 0 {
			value, rest = rest[0], rest[1:]
		}
		switch {
		case arg == "--header":
			headerLines(value, func(name, value string) { headers[name] = value })
		case arg == "--header-file":
			text, err := textFile(value)
			if err != nil {
				return "", false
			}
			headerLines(text, func(name, value string) { headers[name] = value })
		case arg == "--authorize-param":
			name, value, _ := strings.Cut(value, "=")
			params[strings.TrimSpace(name)] = value
		case arg == "--resource":
			resource = strings.TrimSpace(value)
		case arg == "--disable-resource-parameter":
			skip = true
		case arg == "--client-metadata-url" || arg == "--token-endpoint":
			machine = value
		case isURL(arg) && server == "":
			server = arg
		}
	}
	if skip {
		resource = ""
	}
	parts := []string{server}
	if resource != "" {
		parts = append(parts, resource)
	}
	for _, set := range []map[string]string{params, headers} {
		if len(set) > 0 {
			parts = append(parts, scriptJSON(set))
		}
	}
	whole := strings.Join(parts, "|")
	if server == "" || machine != "" || t.shell && strings.Contains(whole, "${") {
		return "", false
	}
	sum := md5.Sum([]byte(whole))
	n, err := strconv.ParseUint(hex.EncodeToString(sum[:])[:4], 16, 32)
	return strconv.FormatUint(3335+n%45816, 10), err == nil
}

// scriptJSON is an object as JavaScript writes it, its keys sorted.
func scriptJSON(set map[string]string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	write := func(v string) {
		_ = e.Encode(v) // to memory, and a string always has a JSON form
		b.Truncate(b.Len() - 1)
	}
	for i, name := range slices.Sorted(maps.Keys(set)) {
		b.WriteByte("{,"[min(i, 1)])
		write(name)
		b.WriteByte(':')
		write(set[name])
	}
	return b.String() + "}"
}
