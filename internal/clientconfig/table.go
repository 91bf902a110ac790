package clientconfig

import (
	"bytes"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

//go:embed clients.yaml
var tableSource []byte

// Client is one row of the table, whose head explains the fields.
type Client struct {
	ID       string     `yaml:"id"`
	Name     string     `yaml:"name"`
	Files    places     `yaml:"files"`
	Every    bool       `yaml:"every"`
	Also     places     `yaml:"also"`
	OwnFile  bool       `yaml:"own_file"` // the whole file is ours
	Format   string     `yaml:"format"`   // a key of formats
	Strict   bool       `yaml:"strict"`   // comments and a BOM are known to break the client
	Servers  []string   `yaml:"servers"`
	Nested   string     `yaml:"nested"`
	List     bool       `yaml:"list"` // the servers are a list; only by hand
	HTTP     object     `yaml:"http"`
	Stdio    object     `yaml:"stdio"`
	Prefer   string     `yaml:"prefer"`
	First    object     `yaml:"first"`
	FirstURL object     `yaml:"first_http"`
	Names    string     `yaml:"names"`
	Reserved []string   `yaml:"reserved"`
	Lock     string     `yaml:"lock"`       // a key of lockProtocols, empty for none
	Quit     bool       `yaml:"quit_first"` // while it runs, it overwrites the file from memory
	Detect   detections `yaml:"detect"`
	Then     string     `yaml:"then"`
	ByHand   bool       `yaml:"by_hand"`
	Note     string     `yaml:"note"` // where a snippet goes, when there is no file
}

// places are path templates by GOOS; "any" stands for every system without its own.
type places map[string][]string

func (p places) on(goos string) []string {
	if list, ok := p[goos]; ok {
		return list
	}
	if list, ok := p["linux"]; ok && goos != "windows" && goos != "darwin" {
		return list
	}
	return p["any"]
}

// detections is what shows that a client is installed.
type detections struct {
	Any     []string `yaml:"any"`
	Darwin  []string `yaml:"darwin"`
	Linux   []string `yaml:"linux"`
	Windows []string `yaml:"windows"`
	On      []string `yaml:"on"` // programs on PATH
}

func (d detections) on(goos string) []string {
	own := d.Linux
	switch goos {
	case "darwin":
		own = d.Darwin
	case "windows":
		own = d.Windows
	}
	return slices.Concat(d.Any, own)
}

var table = sync.OnceValue(func() []*Client {
	var clients []*Client
	d := yaml.NewDecoder(bytes.NewReader(tableSource))
	d.KnownFields(true)
	if err := d.Decode(&clients); err != nil {
		panic(err)
	}
	return clients
})

// Clients lists every known client, those that can be written first.
func Clients() []*Client { return slices.Clone(table()) }

// ClientByID returns a row of the table, or an error that is ErrUnknownClient.
func ClientByID(id string) (*Client, error) {
	for _, c := range table() {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, &Error{Summary: fmt.Sprintf("no client is called %q", id), Hint: "mcpauth-tray clients list shows the clients", Err: ErrUnknownClient}
}

// writable returns that row, or an error when it is for copying by hand.
func writable(id string) (*Client, error) {
	c, err := ClientByID(id)
	if err != nil {
		return nil, err
	}
	if c.ByHand {
		return nil, &Error{Summary: "the config of " + c.Name + " is not written by this app",
			Hint: "mcpauth-tray clients snippet " + c.ID + " PROFILE prints what to paste", Err: ErrByHand}
	}
	return c, nil
}

const maxName = 64

// checkName says why the client would not take a server of that name.
func (c *Client) checkName(name string) error {
	why := ""
	switch {
	case name == "" || len(name) > maxName || !utf8.ValidString(name):
		why = fmt.Sprintf("it must have 1 to %d bytes of UTF-8", maxName)
	case !printable(name):
		why = "it has characters that cannot be printed"
	case c.Names != "" && !regexp.MustCompile(c.Names).MatchString(name):
		why = "it must match " + c.Names
	case slices.Contains(c.Reserved, name):
		why = "that name has a meaning of its own there"
	}
	if why == "" {
		return nil
	}
	return &Error{Summary: fmt.Sprintf("%s does not take %q as the name of a server: %s", c.Name, name, why),
		Hint: "choose another with --name", Err: ErrName}
}

func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
