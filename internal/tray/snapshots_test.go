package tray

import (
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

var day = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func at(clock string) *time.Time {
	t, err := time.Parse("15:04:05", clock)
	if err != nil {
		panic(err)
	}
	t = day.Truncate(24 * time.Hour).Add(t.Sub(t.Truncate(24 * time.Hour)))
	return &t
}

// snapshot is a state with some profiles in it.
func snapshot(profiles ...status.Profile) *status.Snapshot {
	return &status.Snapshot{
		Config:   status.Config{File: "/home/ada/.config/mcpauth-tray/profiles.yaml", LoadedAt: day},
		Profiles: profiles,
	}
}

func profile(name string, phase status.Phase) status.Profile {
	return status.Profile{Name: name, Phase: phase, URL: "http://127.0.0.1:7801/mcp", Since: day}
}

func signedIn(name string) status.Profile {
	p := profile(name, status.Ready)
	p.Summary = "ready until 14:05"
	p.Account = &status.Account{Issuer: "https://auth.example.com", ExpiresAt: at("14:05:00"), Refreshable: true}
	return p
}

func signedOut(name string) status.Profile {
	p := profile(name, status.SignInNeeded)
	p.Code, p.Summary, p.Action = status.NotSignedIn, "sign-in needed", "Sign in"
	return p
}

func signingIn(name, url string) status.Profile {
	p := profile(name, status.SigningIn)
	p.Summary = "preparing the sign-in"
	if url != "" {
		p.Summary = "waiting for the browser"
		p.Prompt = &status.Prompt{URL: url}
	}
	return p
}

func lockedOut(name string) status.Profile {
	p := profile(name, status.SignInNeeded)
	p.Code, p.Summary, p.Action = status.SecretStoreLocked, "the keyring is locked", "Unlock keyring"
	return p
}

func down(name string) status.Profile {
	p := profile(name, status.Backoff)
	p.Code, p.Summary, p.Detail = status.UpstreamUnreachable, "server unreachable", "dial mcp.example.com: connection refused"
	p.RetryAt = at("09:00:04")
	return p
}

// client is an installed client with the entries of some profiles.
func client(id, name string, entries ...status.ClientEntry) status.Client {
	c := status.Client{ID: id, Name: name, File: "/home/ada/." + id + ".json", State: status.ClientCurrent, Profiles: entries}
	for _, e := range entries {
		if e.Asked {
			c.State = e.State
		}
	}
	return c
}

func entry(profile string, state status.ClientState) status.ClientEntry {
	return status.ClientEntry{Profile: profile, State: state, Asked: state != status.ClientMissing}
}

// wanted is an entry that somebody asked for and that is not there.
func wanted(profile string) status.ClientEntry {
	return status.ClientEntry{Profile: profile, State: status.ClientMissing, Asked: true}
}

// waiting is a client that has to be quit first.
func waiting(c status.Client) status.Client {
	c.Waiting = true
	return c
}

// withClients is a state in which these clients are installed.
func withClients(s *status.Snapshot, clients ...status.Client) *status.Snapshot {
	s.Clients = clients
	return s
}
