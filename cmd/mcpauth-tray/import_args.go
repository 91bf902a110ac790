package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/shell"
)

// programs are the commands whose configuration can be imported; see also ownURL.
func programs() []*system {
	return []*system{thv(), authful(), oauthProxy(), mcpRemote(), supergateway(), mcpProxy()}
}

var errNothingKnown = errors.New("nothing in it can be imported")

// parseSource translates whatever a person has: a command line, a file of variables, or
// a client's configuration. from names the system when the text cannot tell; empty: none.
func parseSource(text, from string) ([]*translation, []leftOut, error) {
	switch trimmed := strings.TrimSpace(strings.TrimPrefix(text, "\ufeff")); {
	case trimmed == "":
		return nil, nil, errors.New("there is nothing to import")
	case trimmed[0] == '{' || trimmed[0] == '[' || strings.HasPrefix(trimmed, "//") || strings.HasPrefix(trimmed, "/*"):
		return parseEntries([]byte(trimmed))
	default:
		if vars, ok := variables(trimmed); ok {
			t, err := translateVariables(vars, from)
			return []*translation{t}, nil, err
		}
		fields, err := commandWords(trimmed)
		if err != nil {
			return nil, nil, err
		}
		t, err := translateCommand(fields, nil, true)
		return []*translation{t}, nil, err
	}
}

// commandWords splits a command line as a shell does. Variables stay references; nothing is run.
func commandWords(text string) ([]string, error) {
	fields, err := shell.Fields(text, func(name string) string {
		switch name {
		case "IFS":
			return " \t\n"
		case "HOME":
			return "~"
		}
		return "${" + name + "}"
	})
	if err != nil {
		return nil, errors.New("that is not one command line: quotes have to be closed, and |, ;, & and $(…) are not understood")
	}
	return fields, nil
}

var envAssignment = lazily(`^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$`)

// variables reads a file of NAME=value lines, as for docker and systemd.
func variables(text string) (map[string]string, bool) {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		m := envAssignment().FindStringSubmatch(line)
		if m == nil {
			return nil, false
		}
		all[m[1]] = unquoted(strings.TrimSpace(m[2]))
	}
	if len(all) == 1 {
		if fields, err := commandWords(text); err == nil && len(fields) > 1 && commandIn(fields) != nil {
			return nil, false // NAME=value command
		}
	}
	return all, true
}

var envComment = lazily(`\s#.*$`)

func unquoted(s string) string {
	if len(s) > 0 && (s[0] == '"' || s[0] == '\'') {
		if end := strings.IndexByte(s[1:], s[0]); end >= 0 {
			return s[1 : 1+end]
		}
	}
	return strings.TrimSpace(envComment().ReplaceAllString(s, ""))
}

// translateVariables finds out whose variables they are, by those that only one system has.
func translateVariables(vars map[string]string, from string) (*translation, error) {
	var best *system
	most, tie := 0, false
	for _, s := range programs() {
		known := 0
		for name := range vars {
			if o := s.find(name); o != nil && !slices.Contains([]string{"tls.ca_file", "proxy_url", ""}, o.key) { // which any may have
				known++
			}
		}
		switch {
		case from == s.name:
			best, most, tie = s, len(vars)+1, false
		case known > most:
			best, most, tie = s, known, false
		case known == most && known > 0:
			tie = true
		}
	}
	switch {
	case best == nil:
		return nil, fmt.Errorf("%w: none of the variables belongs to a program that is known", errNothingKnown)
	case tie:
		return nil, errors.New("more than one program has these variables; say whose they are with --from")
	}
	t := newTranslation(best)
	t.env = vars
	t.variables(true)
	t.end()
	return t, nil
}

// variables applies the options that are set by variables. Command lines have the last
// word, so those of an environment come first. whole: the rest is worth a remark.
func (t *translation) variables(whole bool) {
	for _, name := range slices.Sorted(maps.Keys(t.env)) {
		switch o := t.system.find(name); {
		case o != nil && o.takes == noValue:
			t.used[name] = true
			if switchedOn(t.env[name]) {
				t.apply(o, nil)
			}
		case o != nil && t.env[name] != "":
			t.apply(o, []string{t.env[name]})
			t.used[name] = true
		case o == nil && whole:
			t.remark(name, true, "unknown: %s has no such variable", t.system.name)
		}
	}
	clear(t.by) // what the command line says replaces it
}

// switchedOn reports that a variable has one of the values that mean yes.
func switchedOn(value string) bool {
	return slices.Contains([]string{"1", "true", "yes", "on"}, strings.ToLower(value))
}

// foundCommand is a known program in a command line.
type foundCommand struct {
	system *system
	at     int // index of the program
}

var programSuffixes = lazily(`(\.(exe|cmd|bat|[cm]?js|py))$|(@|==|:)[^/@]*$`)

// commandIn finds the known program, behind launchers such as npx -y and docker run.
func commandIn(fields []string) *foundCommand {
	all := programs()
	for i, word := range fields {
		if envAssignment().MatchString(word) || strings.HasPrefix(word, "-") || isURL(word) && !strings.HasPrefix(word, "git+") {
			continue
		}
		parts := strings.FieldsFunc(word, func(r rune) bool { return r == '/' || r == '\\' })
		if len(parts) == 0 {
			continue
		}
		if !strings.HasSuffix(word, "js") {
			parts = parts[len(parts)-1:]
		}
		for _, part := range parts {
			for _, s := range all {
				if name := strings.TrimSuffix(programSuffixes().ReplaceAllString(part, ""), ".git"); slices.Contains(s.programs, name) {
					return &foundCommand{s, i}
				}
			}
		}
	}
	return nil
}

// translateCommand translates a command line; env are variables it is run with. shell says
// that variables in it are filled in before the program sees it.
func translateCommand(fields []string, env map[string]string, shell bool) (*translation, error) {
	c := commandIn(fields)
	if c == nil {
		return nil, fmt.Errorf("%w: no program in it is known; those are %s", errNothingKnown, knownPrograms())
	}
	t := newTranslation(c.system)
	t.shell = shell
	maps.Copy(t.env, env)
	t.launcher(fields[:c.at])
	args := fields[c.at+1:]
	if len(args) > 0 && commandIn(args[:1]) != nil { // npx -p mcp-remote mcp-remote
		args = args[1:]
	}
	if s := c.system; s.command != "" {
		if len(args) == 0 || args[0] != s.command {
			return nil, fmt.Errorf("%w: of %s only %q can be imported", errNothingKnown, s.name, s.name+" "+s.command)
		}
		args = args[1:]
		if len(args) > 0 && slices.Contains(s.below, args[0]) {
			return nil, fmt.Errorf("%w: %q is another command than %q", errNothingKnown, strings.Join([]string{s.name, s.command, args[0]}, " "), s.name+" "+s.command)
		}
	}
	t.args = args
	t.variables(false)
	t.arguments(args)
	t.end()
	t.leftovers()
	return t, nil
}

func knownPrograms() string {
	var names []string
	for _, s := range programs() {
		names = append(names, strings.TrimSpace(s.name+" "+s.command))
	}
	return strings.Join(names, ", ")
}

var flagName = lazily(`^--?[A-Za-z][A-Za-z0-9-]{0,60}$`)

// arguments applies the options of a command line.
func (t *translation) arguments(args []string) {
	taken := map[string]bool{}
	for rest := args; len(rest) > 0; {
		arg := rest[0]
		rest = rest[1:]
		if arg == "--" || !strings.HasPrefix(arg, "-") || arg == "-" {
			if arg != "--" {
				t.operand(arg, taken)
			}
			continue
		}
		name, value, joined := strings.Cut(arg, "=")
		o := t.system.find(name)
		if o == nil {
			if !flagName().MatchString(name) {
				name = "an option"
			}
			t.remark(name, true, "unknown: %s has no such option", t.system.name)
			continue
		}
		values := []string{value}
		if !joined {
			n := min(o.takes.count(), len(rest))
			values, rest = rest[:n], rest[n:]
		}
		switch {
		case o.takes == noValue && joined && value == "false":
		case o.takes == noValue:
			t.apply(o, nil)
		case len(values) < o.takes.count():
			t.remark(o.name, true, "not taken over: it has no value")
		default:
			t.apply(o, values)
		}
	}
}

// operand applies an argument without a dash.
func (t *translation) operand(value string, taken map[string]bool) {
	for _, op := range t.system.operands {
		if !taken[op.option] && op.fits(value) {
			taken[op.option] = true
			t.apply(t.system.find(op.option), []string{value})
			return
		}
	}
	t.remark("an argument", true, "not understood: %s takes no more of them", t.system.name)
}
