package main

import (
	"context"
	"errors"

	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/proxy"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// sayWhyNot has clients of a profile that cannot be served told what is wrong with it. Of
// the profile only that is used which is known to be in order.
func (s *socket) sayWhyNot(p profile.Profile, err error) {
	var f *supervisor.Fault
	if !errors.As(err, &f) {
		return
	}
	why := &oauth.Error{Code: f.Code, Summary: "this profile cannot be served", Detail: f.Detail, Action: f.Action, Err: err}
	bare := profile.Profile{Name: p.Name, Target: p.Target, Path: p.Path, Guard: p.Guard}
	handler, err := proxy.New(proxy.Options{Profile: bare, Addr: s.listener.Addr(), Tokens: unserved{why}, Logger: s.world.log})
	if err == nil {
		s.listener.Mount(handler)
	}
}

// unserved has no token for anybody, so that no request goes anywhere.
type unserved struct{ why *oauth.Error }

func (u unserved) Token(context.Context) (oauth.Token, error) { return oauth.Token{}, u.why }

func (u unserved) Refused(context.Context, oauth.Token, []string) (oauth.Token, error) {
	return oauth.Token{}, u.why
}

func (unserved) Accepted(oauth.Token) {}
