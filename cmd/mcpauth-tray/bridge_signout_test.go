package main

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// signOut runs "mcpauth-tray signout" in the place of a bridge.
func signOut(t *testing.T, home string, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := urlCommand(t, home, env, args)
	cmd.Args[1] = "signout"
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out), said.String()
}

// TestSignOutOfURL: the command line of a bridge, with another verb, forgets what that keeps. No
// app runs.
func TestSignOutOfURL(t *testing.T) {
	t.Parallel()
	box, env := registeredBox(t)
	person, home := newBrowser(t, "visit-and-approve"), t.TempDir()
	env = append(env, person.env())
	b := startURL(t, home, env, "--token-store", "file")
	b.signsIn()
	b.ends()
	person.opened(1)

	for name, wrong := range map[string][]string{
		"another client": {"OIDC_CLIENT_ID=other"},
		"no client":      {"OIDC_CLIENT_ID=", "OIDC_CLIENT_SECRET=", "OIDC_REDIRECT_URL="},
	} {
		code, out, said := signOut(t, home, append(slices.Clone(env), wrong...), "--token-store", "file")
		if code != exitFailed || out != "" || !strings.HasPrefix(said, "error: no sign-in to this URL is kept\nhint: ") {
			t.Errorf("%s: exit code %d, said %q, %q", name, code, out, said)
		}
	}
	code, _, said := signOut(t, home, append(slices.Clone(env), "MCPAUTH_PASSPHRASE=wrong-one-entirely"), "--token-store", "file")
	if code != exitSecretStore || !strings.Contains(said, "passphrase") {
		t.Errorf("a wrong passphrase: exit code %d, said %q", code, said)
	}

	code, out, said := signOut(t, home, env, "--token-store", "file", "--revoke")
	if code != exitDone || out != "Signed out of "+box.MCPURL()+".\n" || said != "" {
		t.Errorf("exit code %d, said %q, %q", code, out, said)
	}
	if n := len(box.Requests(sandbox.KindRevoke)); n != 1 {
		t.Errorf("%d revocations", n)
	}
	if code, _, _ := signOut(t, home, env, "--token-store", "file"); code != exitFailed {
		t.Errorf("once more: exit code %d", code)
	}
	b = startURL(t, home, env, "--token-store", "file")
	b.signsIn()
	b.ends()
	person.opened(2)
}

// TestSignOutOfURLReachesBridges: one that is running has to ask the person again.
func TestSignOutOfURLReachesBridges(t *testing.T) {
	t.Parallel()
	box, person, home := newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve"), t.TempDir()
	env := []string{person.env()}
	b := startURL(t, home, env, box.MCPURL(), "--token-store", "file")
	b.signsIn()
	if code, out, said := signOut(t, home, env, box.MCPURL(), "--token-store", "file"); code != exitDone {
		t.Errorf("exit code %d, said %q, %q", code, out, said)
	}
	box.ExpireTokens()
	ctx := soon.Context(t)
	if got, err := callTool(ctx, b.ClientSession, "echo", map[string]any{"text": "lost"}); err == nil || !strings.Contains(err.Error(), "sign-in needed") {
		t.Errorf("echo answered %q, %v", got, err)
	}
	for len(bridgedTools(t, b.ClientSession)) != 1 {
		awaitChange(t, b.changed)
	}
	b.ends()
}
