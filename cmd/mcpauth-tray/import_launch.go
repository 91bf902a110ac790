package main

import (
	"maps"
	"slices"
	"strings"
)

// launcher reads what is in front of a program: variables, and the options by which docker
// and others set them or publish its port.
func (t *translation) launcher(words []string) {
	container := slices.ContainsFunc(words, func(word string) bool { return slices.Contains([]string{"docker", "podman", "nerdctl"}, word) })
	own := map[string]string{}
	for rest := words; len(rest) > 0; {
		word := rest[0]
		rest = rest[1:]
		name, value, joined := strings.Cut(word, "=")
		takes := slices.Contains([]string{"-e", "--env", "--env-file", "-p", "--publish"}, name)
		if takes && !joined {
			if len(rest) == 0 {
				return
			}
			value, rest = rest[0], rest[1:]
		}
		switch {
		case name == "--env-file":
			t.envFile(value, container)
		case takes && (name == "-p" || name == "--publish"):
			t.published(value)
		case takes:
			t.assign(value, own)
		case envAssignment().MatchString(word):
			t.assign(word, own)
		}
	}
	maps.Copy(t.env, own) // which wins over files
}

// assign notes NAME=value; NAME alone is a variable that is passed on.
func (t *translation) assign(word string, into map[string]string) {
	name, value, ok := strings.Cut(strings.TrimPrefix(word, "export "), "=")
	name = strings.TrimSpace(name)
	switch _, known := t.env[name]; {
	case !variableName().MatchString(name):
	case ok:
		into[name] = value
	case !known:
		into[name] = "${" + name + "}"
	}
}

// envFile reads a file of variables. Docker takes its lines as they are.
func (t *translation) envFile(file string, literal bool) {
	data, err := textFile(file)
	if err != nil {
		t.remark("--env-file", true, "not taken over: %v", err)
		return
	}
	for line := range strings.Lines(data) {
		line = strings.TrimRight(line, "\r\n")
		if words := strings.TrimSpace(line); words == "" || words[0] == '#' {
			continue
		}
		if name, value, ok := strings.Cut(line, "="); ok && !literal {
			line = name + "=" + unquoted(strings.TrimSpace(value))
		}
		t.assign(line, t.env)
	}
}

var publishedPort = lazily(`^(?:[0-9.]+:|\[[0-9a-f:]+\]:)?([0-9]+):[0-9]+(?:/tcp)?$`)

// published notes the port of this computer that leads to a container's.
func (t *translation) published(value string) {
	if m := publishedPort().FindStringSubmatch(value); m != nil {
		t.said["published"] = m[1]
	}
}

// leftovers says which variables were not taken over.
func (t *translation) leftovers() {
	for _, name := range slices.Sorted(maps.Keys(t.env)) {
		if !t.used[name] && t.system.find(name) == nil {
			t.remark(name, false, "not taken over: %s has no such variable; it may be one of what starts it", t.system.name)
		}
	}
}
