package main

import (
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// What the tool is said to do has to be true: a page is promised only where one can open.
func TestToolPromises(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		profile status.Profile
		helps   string
	}{
		{status.Profile{Phase: status.SignInNeeded, Code: status.NotSignedIn}, ""},
		{status.Profile{Phase: status.SigningIn, Code: status.SignInRunning}, ""},
		{status.Profile{Phase: status.SignInNeeded, Code: status.SignInFailed}, ""},
		{status.Profile{Phase: status.Stopped, Code: status.PausedByUser}, noHelp},
		{status.Profile{Phase: status.Stopped, Code: status.Disabled}, noHelp},
		{status.Profile{Phase: status.Backoff, Code: status.ListenFailed}, noHelp},
		{status.Profile{Phase: status.Backoff, Code: status.ProfileError}, noHelp},
		{status.Profile{Phase: status.Backoff, Code: status.SecretStoreAbsent}, noHelp},
		{status.Profile{Phase: status.Backoff, Code: status.SecretStoreLocked}, helps[status.SecretStoreLocked]},
		{status.Profile{Phase: status.Backoff, Code: status.IDPUnavailable}, perhaps},
		{status.Profile{Phase: status.SignInNeeded, Code: status.CredentialsRejected}, perhaps},
		{status.Profile{Phase: status.SigningIn}, ""},
		{status.Profile{Phase: status.Starting}, ""},
	} {
		row.profile.Name = "box"
		e := endpointOf(&status.Snapshot{Profiles: []status.Profile{row.profile}}, "box")
		if e.Helps != row.helps {
			t.Errorf("%s %s: %q", row.profile.Phase, row.profile.Code, e.Helps)
		}
	}
	invalid := &status.Snapshot{Config: status.Config{Error: &status.Problem{Message: "unknown key"}}}
	if e := endpointOf(invalid, "box"); e.Helps != noHelp {
		t.Errorf("an invalid file: %q", e.Helps)
	}
}
