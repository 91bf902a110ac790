package clientconfig

import (
	"slices"
)

// Snippet is what a person pastes into a client's config by hand.
type Snippet struct {
	Text string
	File string // where it goes, empty when no file is known
	Note string // more about that, or empty
	Then string // what makes a running client see it, or empty
}

// Snippet returns the config of one entry for a client.
func (e *Editor) Snippet(id string, entry Entry) (Snippet, error) {
	c, err := ClientByID(id)
	if err != nil {
		return Snippet{}, err
	}
	if err := entry.check(); err != nil {
		return Snippet{}, err
	}
	name := entry.Name
	if name == "" {
		name = entry.Profile
	}
	if err := c.checkName(name); err != nil {
		return Snippet{}, err
	}
	want := shapeOf(c, entry, name, e.program, false)
	value := slices.Concat(want.own, want.first)
	s := Snippet{Note: c.Note, Then: c.Then}
	if files, err := e.system.files(c); err == nil {
		s.File = files[0]
	}
	if c.List {
		s.Text = "[[" + c.Servers[0] + "]]\n"
		for _, f := range value {
			s.Text += f.key + " = " + tomlValue(f.value) + "\n"
		}
		return s, nil
	}
	doc, err := formats[c.Format]("", c.Servers, "")
	if err != nil {
		return Snippet{}, err
	}
	edit, _, _, err := doc.add(name, value)
	s.Text = edit.apply("")
	return s, err
}
