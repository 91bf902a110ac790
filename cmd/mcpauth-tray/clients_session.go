package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/clientconfig"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// session is one clients command at work: the profiles, and the editor of configs.
type session struct {
	paths  paths
	config *profile.Config
	editor *clientconfig.Editor

	portless []string // profiles that were said to have no port yet
}

func openSession(c *cobra.Command) (*session, error) {
	s, err := sessionWithout(c)
	if err != nil {
		return nil, err
	}
	s.config, err = profile.Load(s.paths.Profiles)
	return s, err
}

// sessionWithout is a session that knows no profile.
func sessionWithout(c *cobra.Command) (*session, error) {
	p, err := locate(c)
	if err != nil {
		return nil, err
	}
	editor, err := openEditor(p, nil)
	if err != nil {
		return nil, err
	}
	return &session{paths: p, config: &profile.Config{}, editor: editor}, nil
}

func (s *session) profile(name string) (profile.Profile, error) {
	for _, p := range s.config.Profiles {
		if p.Name == name {
			return p, nil
		}
	}
	return profile.Profile{}, fmt.Errorf("%w: %s", supervisor.ErrUnknownProfile, name)
}

// wanted are the profiles to be written to a client. A profile that is named is written
// whatever it says; otherwise it must be served, and ask for some client: for this one,
// unless the person named the client.
func (s *session) wanted(client string, named bool, only string) ([]profile.Profile, error) {
	if only != "" {
		p, err := s.profile(only)
		return []profile.Profile{p}, err
	}
	var list []profile.Profile
	for _, p := range s.config.Profiles {
		asks := s.config.ClientsOf(p)
		if p.Enabled && len(asks) > 0 && (named || slices.Contains(asks, client)) {
			list = append(list, p)
		}
	}
	return list, nil
}

// clients are those of a command line, or else the installed ones that profiles ask for.
func (s *session) clients(args []string) ([]string, error) {
	for _, id := range args {
		if _, err := clientconfig.ClientByID(id); err != nil {
			return nil, clientError(err)
		}
	}
	if len(args) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(args))), nil
	}
	asked := map[string]bool{}
	for _, p := range s.config.Profiles {
		for _, id := range s.config.ClientsOf(p) {
			asked[id] = true
		}
	}
	ids := clientIDs(func(c *clientconfig.Client) bool { return asked[c.ID] && s.editor.Installed(c.ID) })
	if len(ids) == 0 {
		return nil, errNoClients
	}
	return ids, nil
}

var errNoClients = errors.New("no client that the profiles ask for is installed here")

// gone reports that there is no profile of that name.
func (s *session) gone(name string) bool {
	_, err := s.profile(name)
	return err != nil
}

// How the port of a profile without a fixed address is found.
type portRule int

const (
	portKnown  portRule = iota // none, if none was chosen yet
	portShown                  // 0, if none was chosen yet
	portChosen                 // chosen and remembered now, if none was yet
)

// entry is a profile as clients are to see it. Its URL is empty when no client can be
// told one that lasts.
func (s *session) entry(p profile.Profile, rule portRule) (clientconfig.Entry, error) {
	entry := clientconfig.Entry{Profile: p.Name}
	addr, err := s.address(p, rule)
	entry.URL = clientURL(addr, p.Path)
	return entry, err
}

// address is where a profile listens, "" when that is another port at each start.
func (s *session) address(p profile.Profile, rule portRule) (string, error) {
	if p.Listen != "" {
		return fixedAddress(p), nil
	}
	remembered, err := openPorts(s.paths.State, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	if addr, settled := remembered.lasting(p); settled {
		return addr, nil
	}
	switch rule {
	case portShown:
		return "127.0.0.1:0", nil
	case portChosen:
		return s.choosePort(p)
	}
	return "", nil
}

// choosePort does what the app does at its next start. A running app has the say.
func (s *session) choosePort(p profile.Profile) (string, error) {
	release, err := lockInstance(s.paths.Lock)
	if errors.Is(err, errOtherInstance) {
		return "", fmt.Errorf("the running app has not given profile %s a port yet; see mcpauth-tray status", p.Name)
	}
	if err != nil {
		return "", err
	}
	defer release()
	chosen, err := openPorts(s.paths.State, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	for _, addr := range chosen.addresses(p) {
		socket, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		addr = socket.Addr().String()
		if err := socket.Close(); err != nil {
			return "", err
		}
		chosen.remember(p, addr)
		return addr, chosen.save()
	}
	return "", fmt.Errorf("no free port was found for profile %s; set listen in profiles.yaml", p.Name)
}
