package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// The ways in which the value of an option becomes that of a key.

var variableName = lazily(`^[A-Za-z_][A-Za-z0-9_]*$`)

// secretValue is an option whose value may not stand in profiles.yaml.
func secretValue(t *translation, o *option, values []string) error {
	key, _ := o.place()
	return t.hide(o, key, values[0])
}

// bearerToken is a fixed token.
func bearerToken(t *translation, o *option, values []string) error {
	return t.hide(o, "sign_in.token_file", values[0])
}

// filePath is the name of a file, from where the command is run.
func filePath(t *translation, o *option, values []string) error {
	key, _ := o.place()
	file := values[0]
	if m := variableRef().FindString(file); m != "" && !t.literal {
		return fmt.Errorf("its value has the variable %s in it, which is not known here", m)
	}
	if !strings.HasPrefix(file, "~") {
		whole, err := filepath.Abs(file)
		if err != nil {
			return err
		}
		file = whole
	}
	t.set(o, key, file)
	return nil
}

// listOf is several texts in one or more values.
func listOf(separators string) how {
	return func(t *translation, o *option, values []string) error {
		key, _ := o.place()
		var all []string
		if t.by[key] == o.name {
			all = t.draft[key].([]string)
		}
		for _, item := range strings.FieldsFunc(values[0], func(r rune) bool { return strings.ContainsRune(separators, r) }) {
			if item = strings.TrimSpace(item); item != "" && !slices.Contains(all, item) {
				all = append(all, item)
			}
		}
		t.set(o, key, all)
		return nil
	}
}

// namedPair is one name and its value.
func namedPair(t *translation, o *option, values []string) error {
	key, _ := o.place()
	name, value, ok := strings.Cut(values[0], "=")
	if !ok {
		return errors.New("it is not name=value")
	}
	t.put(o, key, name, value)
	return nil
}

// put adds one entry to a key that holds several.
func (t *translation) put(o *option, key, name, value string) {
	all, ok := t.draft[key].(map[string]string)
	if !ok {
		all = map[string]string{}
	}
	all[name] = value
	t.draft[key], t.by[key] = all, o.name
}

// wholeNumber is a whole number.
func wholeNumber(t *translation, o *option, values []string) error {
	key, _ := o.place()
	n, err := strconv.Atoi(values[0])
	if err != nil {
		return errors.New("it is not a whole number")
	}
	t.set(o, key, n)
	return nil
}

// inSeconds is a duration as a number.
func inSeconds(t *translation, o *option, values []string) error {
	key, _ := o.place()
	n, err := strconv.Atoi(values[0])
	if err != nil {
		return errors.New("it is not a number of seconds")
	}
	t.set(o, key, strconv.Itoa(n)+"s")
	return nil
}

// rememberedAs leaves a value to finish.
func rememberedAs(name string) how {
	return func(t *translation, o *option, values []string) error {
		if name == "port" || name == "callback port" {
			if n, err := strconv.Atoi(values[0]); err != nil || n < 0 || n > 65535 {
				return errors.New("it is not a port")
			}
		}
		t.said[name] = values[0]
		t.by[name] = o.name
		return nil
	}
}

// localHost is the address to listen on. Other computers cannot be let in.
func localHost(t *translation, o *option, values []string) error {
	host := strings.Trim(values[0], "[]")
	if !slices.Contains([]string{"127.0.0.1", "localhost", "::1"}, host) {
		return errors.New("a profile can be used from this computer only, on 127.0.0.1, localhost or ::1")
	}
	t.said["host"] = host
	return nil
}

// profileName is the name that the other program knew the server by.
func profileName(t *translation, _ *option, values []string) error {
	t.name = slug(values[0])
	return nil
}

// wantDebug is the wish for a more talkative log, which is no matter of one profile.
func wantDebug(t *translation, o *option, values []string) error {
	if len(values) == 1 && !switchedOn(values[0]) && !slices.Contains([]string{"debug", "trace"}, strings.ToLower(values[0])) {
		return nil
	}
	t.debug = true
	t.remark(o.name, false, "%s", o.plain())
	return nil
}

const debugDoc = "not a matter of one profile: `settings.log_level: debug`, or `mcpauth-tray --log-level debug`"

// listenOn makes listen of host and port. Port 0, any, is what leaving it out means.
func (t *translation) listenOn() {
	host, port := t.said["host"], t.said["port"]
	if port == "" || port == "0" {
		return
	}
	if host == "" {
		host = "127.0.0.1"
	}
	t.draft["listen"] = net.JoinHostPort(host, port)
}

// headerOf is "Name<separator>value".
func headerOf(separator string) how {
	return func(t *translation, o *option, values []string) error {
		name, value, ok := values[0], "", true
		if len(values) == 2 {
			value = values[1]
		} else if name, value, ok = strings.Cut(values[0], separator); !ok {
			return errors.New("it is not name" + separator + "value")
		}
		return t.header(o, strings.TrimSpace(name), strings.TrimSpace(value))
	}
}

// header adds a header. A bearer token becomes the profile's own; values that look like
// secrets go into files.
func (t *translation) header(o *option, name, value string) error {
	return t.addHeader(o, name, value, false)
}

// secretHeader is header for a value that is a secret whatever the name says.
func (t *translation) secretHeader(o *option, name, value string) error {
	return t.addHeader(o, name, value, true)
}

func (t *translation) addHeader(o *option, name, value string, secret bool) error {
	if strings.EqualFold(name, "Authorization") {
		if scheme, token, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Bearer") {
			return bearerToken(t, o, []string{strings.TrimSpace(token)})
		}
		t.draft["sign_in.method"] = profile.MethodNone
	}
	switch {
	case !t.literal && variableRef().MatchString(value):
		return fmt.Errorf("its value is in a variable; store it in a file and name that in headers.set_file: {%s: …}", name)
	case secret || profile.SecretName(name):
		t.put(o, "headers.set_file", name, "")
		t.secrets = slices.DeleteFunc(t.secrets, func(h hidden) bool { return h.header == name })
		t.secrets = append(t.secrets, hidden{"headers.set_file", name, value})
	default:
		t.put(o, "headers.set", name, value)
	}
	return nil
}
