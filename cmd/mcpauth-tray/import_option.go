package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

// system is another program whose configuration can become a profile.
type system struct {
	name     string
	title    string   // in the documentation
	programs []string // what its command is called
	command  string   // the subcommand that counts; empty: none
	below    []string // subcommands of that one, which are something else
	options  []option
	operands []operand
	finish   func(t *translation) // puts together what several options say
}

// operand says which of its options an argument without a dash is. The first that fits takes it.
type operand struct {
	option string
	fits   func(string) bool
}

// option is one line of the mapping table.
type option struct {
	name    string // as documented: --flag, VARIABLE, or ARGUMENT
	also    []string
	takes   arity
	key     string // of profiles.yaml, with its value when that is fixed: "sign_in.method: browser"
	how     how    // how a value becomes that of key; nil: it is that
	doc     string // what is worth knowing; without a key: why there is none
	idle    bool   // nothing is lost without it
	vital   bool   // without it the server may be out of reach
	example []string
}

// how takes the values of an option over. Its error says why it cannot be; it must not
// hold the values.
type how func(t *translation, o *option, values []string) error

type arity int

const (
	oneValue arity = iota
	noValue
	twoValues
)

// count is how many values o has.
func (a arity) count() int { return [...]int{oneValue: 1, noValue: 0, twoValues: 2}[a] }

// place is the key without its fixed value.
func (o *option) place() (key, fixed string) {
	key, fixed, _ = strings.Cut(o.key, ": ")
	return key, fixed
}

// plain is doc without Markdown.
func (o *option) plain() string { return strings.ReplaceAll(o.doc, "`", "") }

// later reports whether this version cannot do yet what o asks for.
func (o *option) later() (instead string, later bool) {
	key, fixed := o.place()
	return profile.Later(key, fixed)
}

// find returns the option of that name, nil for none.
func (s *system) find(name string) *option {
	for i := range s.options {
		if o := &s.options[i]; o.name == name || slices.Contains(o.also, name) {
			return o
		}
	}
	return nil
}

// translation is what a foreign configuration becomes.
type translation struct {
	system  *system
	name    string            // asked for; empty: none
	env     map[string]string // variables that the configuration sets
	literal bool              // ${…} in values is text
	draft   profile.Draft
	secrets []hidden
	remarks []remark
	missing []string          // options that are not taken over, without which the server may be out of reach
	by      map[string]string // key → option that set it
	said    map[string]string // what finish needs
	args    []string          // of the command, as they stand in the configuration
	shell   bool              // they went through a shell, so that variables in them are not as they were
	used    map[string]bool   // variables that others refer to
	bridge  bool              // clients are to use the bridge, because of the server's transport
	local   bool              // the server is one of this computer
	debug   bool
	ended   bool

	profile string  // it becomes
	there   bool    // profiles.yaml has that already
	entries []entry // it was found in

	completed bool // that one says what was missing
}

// hidden is a secret that has to be put into a file.
type hidden struct {
	key    string // of draft
	header string // in it; empty: the key is the file's name itself
	value  string
}

// remark is what a person should know of one option.
type remark struct {
	option, text string
	lost         bool // what the option asks for will not happen
}

func newTranslation(s *system) *translation {
	return &translation{system: s, draft: profile.Draft{}, by: map[string]string{}, said: map[string]string{}, env: map[string]string{},
		used: map[string]bool{}}
}

func (t *translation) remark(option string, lost bool, format string, args ...any) {
	t.remarks = append(t.remarks, remark{option, fmt.Sprintf(format, args...), lost})
}

// apply takes one option over, or says why not.
func (t *translation) apply(o *option, values []string) {
	key, fixed := o.place()
	if o.vital {
		t.missing = append(t.missing, o.name)
	}
	if instead, later := o.later(); later {
		t.remark(o.name, true, "not supported yet: %s (%s)", o.key, instead)
		return
	}
	values, err := t.fill(o, values)
	switch {
	case err != nil:
	case o.how != nil:
		err = o.how(t, o, values)
	case key == "":
		t.remark(o.name, !o.idle, "%s", o.plain())
	case fixed == "true" || fixed == "false":
		t.set(o, key, fixed == "true")
	case fixed != "":
		t.set(o, key, fixed)
	default:
		t.set(o, key, values[0])
	}
	if err != nil {
		t.remark(o.name, true, "not taken over: %v", err)
		if keepsReferences(o) {
			t.missing = append(t.missing, o.name)
		}
	}
}

// set gives a key its value. What another option gave it stays, and that is said.
func (t *translation) set(o *option, key string, value any) {
	if other := t.by[key]; other != "" && other != o.name {
		t.remark(o.name, true, "%s is set by %s, too; only one can count", key, other)
		return
	}
	t.by[key] = o.name
	t.draft[key] = value
	t.secrets = slices.DeleteFunc(t.secrets, func(h hidden) bool { return h.key == key && h.header == "" })
}

var variableRef = lazily(`\$\{([^}]*)\}`)

// fill puts in the variables that the configuration sets itself.
func (t *translation) fill(o *option, values []string) ([]string, error) {
	if t.literal {
		return values, nil
	}
	filled, missing := make([]string, len(values)), ""
	for i, v := range values {
		filled[i] = variableRef().ReplaceAllStringFunc(v, func(ref string) string {
			name := ref[2 : len(ref)-1]
			t.used[name] = true
			value, ok := t.env[name]
			if !ok {
				missing = ref
				return ref
			}
			if other := variableRef().FindString(value); other != "" {
				missing = other
			}
			return value
		})
	}
	if missing != "" && !keepsReferences(o) {
		return nil, fmt.Errorf("its value has the variable %s in it, which is not known here", missing)
	}
	return filled, nil
}

// keepsReferences reports whether a variable can stay one: profiles.yaml has *_env for secrets.
func keepsReferences(o *option) bool {
	key, _ := o.place()
	return strings.HasSuffix(key, "_file") || key == "headers"
}

// hide puts a secret into a file, or refers to the variable it is in.
func (t *translation) hide(o *option, key, value string) error {
	base := strings.TrimSuffix(key, "_file")
	if m := variableRef().FindStringSubmatch(value); !t.literal && m != nil {
		if m[0] == value && !variableName().MatchString(m[1]) {
			return errors.New("the client asks for it or reads it elsewhere; store it in a file and name that in " + key)
		}
		if m[0] != value {
			return errors.New("a variable is only a part of the secret; store the whole in a file and name that in " + key)
		}
		t.set(o, base+"_env", m[1])
		t.remark(o.name, false, "the app has to be started with the variable %s set", m[1])
		if environment(m[1]) == "" {
			t.missing = append(t.missing, o.name)
		}
		return nil
	}
	if value == "" {
		return errors.New("it is empty")
	}
	t.set(o, key, "")
	if t.by[key] == o.name {
		t.secrets = append(t.secrets, hidden{key: key, value: value})
	}
	return nil
}

// end puts together what several options say, once.
func (t *translation) end() {
	if t.ended {
		return
	}
	t.ended = true
	if t.system.finish != nil {
		t.system.finish(t)
	}
	for _, place := range []string{"file", "env", "keyring"} {
		if t.draft["sign_in.token_"+place] != nil { // a fixed token wins over every sign-in
			t.draft["sign_in.method"] = profile.MethodToken
		}
	}
}

// done ends a translation: name is the profile's, empty for one made up from what is known.
func (t *translation) done(name string) string {
	t.end()
	if name == "" {
		name = t.ownName()
	}
	t.nameFiles(name)
	return name
}

func (t *translation) target() string {
	target, _ := t.draft["target"].(string)
	return target
}

// ownName is what a profile is called when nobody says.
func (t *translation) ownName() string {
	if t.name != "" {
		return t.name
	}
	return nameOf(t.target(), "imported")
}

// nameFiles gives each secret a file of its own, after the profile and the key.
func (t *translation) nameFiles(profile string) {
	taken := map[string]bool{}
	for _, h := range t.secrets {
		what := strings.TrimSuffix(strings.TrimPrefix(h.key, "sign_in."), "_file")
		if h.header != "" {
			what = "header-" + h.header
		}
		base := profile + "." + strings.Trim(notInNames().ReplaceAllString(strings.ToLower(what), "-"), "-")
		file := base
		for i := 2; taken[file]; i++ {
			file = fmt.Sprintf("%s-%d", base, i)
		}
		taken[file] = true
		if h.header != "" {
			t.draft[h.key].(map[string]string)[h.header] = file
		} else {
			t.draft[h.key] = file
		}
	}
}

// file is where a secret belongs, from the folder of profiles.yaml.
func (t *translation) file(h hidden) string {
	if h.header != "" {
		return t.draft[h.key].(map[string]string)[h.header]
	}
	return t.draft[h.key].(string)
}

var notInNames = lazily(`[^a-z0-9]+`)

// slug makes the name of a profile from any name; empty when nothing is left of it.
func slug(s string) string {
	s = strings.Trim(notInNames().ReplaceAllString(strings.ToLower(s), "-"), "-0123456789")
	return strings.TrimRight(s[:min(len(s), 24)], "-")
}

// nameOf makes the name of a profile from its target: linear from https://mcp.linear.app/mcp.
// Where it has none, the name is otherwise.
func nameOf(target, otherwise string) string {
	u, err := url.Parse(target)
	if err != nil || net.ParseIP(u.Hostname()) != nil {
		return otherwise
	}
	labels := strings.Split(u.Hostname(), ".")
	if len(labels) > 1 {
		labels = labels[:len(labels)-1]
	}
	for _, label := range labels {
		if name := slug(label); name != "" && !slices.Contains([]string{"mcp", "www", "api", "sse", "app"}, name) {
			return name
		}
	}
	return otherwise
}
