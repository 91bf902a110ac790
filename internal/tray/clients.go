package tray

import (
	"slices"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// ClientEdit is a change of a client's config. The person sees it before it is made.
type ClientEdit struct {
	Client  string // its id
	Profile string
	Remove  bool // take the entry of the profile out, instead of having it there and right
	Force   bool // also in place of somebody else's entry, and while the client runs
}

// clientsItem is the submenu in which a profile is added to clients and removed from them.
func clientsItem(s *status.Snapshot, profile string) Item {
	item := Item{Key: "profile/" + profile + "/clients", Title: "Add to client", Hidden: len(s.Clients) == 0}
	var removals []Item
	seen := map[string]bool{}
	for i := range s.Clients {
		id := s.Clients[i].ID
		if seen[id] {
			continue
		}
		seen[id] = true
		c, e := worstEntry(s.Clients[i:], id, profile)
		item.Items = append(item.Items, clientLines(item.Key, c, e)...)
		removals = append(removals, Item{Key: item.Key + "/" + id + "/remove",
			Title:  "Remove from " + clip(c.Name, maxName) + "…",
			Click:  Click{Edit: ClientEdit{Client: id, Profile: profile, Remove: true}},
			Hidden: e.State != status.ClientCurrent && e.State != status.ClientOutdated})
	}
	item.Items = append(item.Items, removals...)
	return item
}

// entryOf is how a profile stands in a client. A file that cannot be read says nothing
// of profiles.
func entryOf(c *status.Client, profile string) status.ClientEntry {
	e := status.ClientEntry{Profile: profile, State: status.ClientMissing}
	for i := range c.Profiles {
		if c.Profiles[i].Profile == profile {
			e = c.Profiles[i]
		}
	}
	if c.State == status.ClientUnreadable {
		e.State = status.ClientUnreadable
	}
	return e
}

// worstEntry is how a profile stands in a client that may have several config files, each
// with a row of its own.
func worstEntry(rows []status.Client, id, profile string) (c *status.Client, e status.ClientEntry) {
	for i := range rows {
		if rows[i].ID != id {
			continue
		}
		if now := entryOf(&rows[i], profile); c == nil || slices.Index(status.ClientStates, now.State) > slices.Index(status.ClientStates, e.State) {
			c, e = &rows[i], now
		}
	}
	return c, e
}

// The deeds that a line of a client may stand for.
const (
	deedWrite = "write"
	deedForce = "force"
	deedFile  = "file"
)

// clientLines has a line for each deed, of which the one shows that fits how the entry is.
func clientLines(key string, c *status.Client, e status.ClientEntry) []Item {
	shown, words := clientWords(c, e)
	edit := ClientEdit{Client: c.ID, Profile: e.Profile}
	forced := edit
	forced.Force = true
	lines := []Item{
		{Key: deedWrite, Click: Click{Edit: edit}, Disabled: e.State == status.ClientCurrent},
		{Key: deedForce, Click: Click{Edit: forced}},
		{Key: deedFile, Click: Click{OpenFile: c.File}, Disabled: c.File == ""},
	}
	for i := range lines {
		lines[i].Hidden = lines[i].Key != shown
		lines[i].Key = key + "/" + c.ID + "/" + lines[i].Key
		lines[i].Title = clip(c.Name, maxName) + words
	}
	return lines
}

// clientWords says how an entry is, and what a click does about it.
func clientWords(c *status.Client, e status.ClientEntry) (deed, words string) {
	waiting := c.Waiting && e.Asked
	switch e.State {
	case status.ClientUnreadable:
		return deedFile, " — config cannot be read"
	case status.ClientForeign:
		return deedForce, " — changed by somebody, replace…"
	case status.ClientCurrent:
		return deedWrite, " — added"
	case status.ClientOutdated:
		if waiting {
			return deedForce, " — will be updated when it is quit, update now…"
		}
		return deedWrite, " — outdated, update…"
	}
	switch {
	case waiting:
		return deedForce, " — will be added when it is quit, add now…"
	case e.Asked:
		return deedWrite, " — missing, add…"
	}
	return deedWrite, "…"
}
