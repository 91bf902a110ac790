package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

func sample() *status.Snapshot {
	at := time.Date(2026, 11, 22, 14, 5, 0, 0, time.Local)
	return &status.Snapshot{
		Serial: 7,
		Config: status.Config{File: "/c/profiles.yaml", LoadedAt: at,
			Error: &status.Problem{Message: `unknown key "tagret"`, File: "/c/profiles.yaml", Line: 12, Column: 5}},
		Profiles: []status.Profile{
			{Name: "company-tools", URL: "http://127.0.0.1:7801/mcp", Phase: status.Ready, Summary: "ready until 14:05", Since: at,
				Account: &status.Account{Issuer: "https://auth.example.com", Subject: "alice", Resource: "https://mcp.example.com/mcp",
					Scopes: []string{"openid", "mcp:tools"}, ExpiresAt: &at, Refreshable: true},
				Requests: status.Requests{Total: 12, Errors: 1, ActiveStreams: 2}},
			{Name: "github", URL: "http://127.0.0.1:7802/mcp", Phase: status.SigningIn, Summary: "signing in", Since: at, RetryAt: &at,
				Prompt: &status.Prompt{URL: "https://github.example/authorize?x=1", UserCode: "ABCD-EFGH"}},
			{Name: "evil", Phase: status.Backoff, Code: status.IDPUnavailable, Summary: "not\x1b[2J here", Detail: "a\nb", Action: "Try again", Since: at},
		},
		Clients: []status.Client{
			{ID: "claude-desktop", Name: "Claude Desktop", File: "/c/Claude/claude_desktop_config.json", State: status.ClientOutdated, Waiting: true,
				Detail:   "waits until Claude Desktop is quit, which would overwrite the change",
				Profiles: []status.ClientEntry{{Profile: "github", State: status.ClientOutdated, Asked: true}}},
			{ID: "cursor", Name: "Cursor", File: "/h/.cursor/mcp.json", State: status.ClientCurrent,
				Profiles: []status.ClientEntry{{Profile: "github", State: status.ClientCurrent, Asked: true}}},
		},
	}
}

func TestStatusForPeople(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := writeTable(&out, sample()); err != nil {
		t.Fatal(err)
	}
	if err := writeTable(&out, &status.Snapshot{}); err != nil {
		t.Fatal(err)
	}
	for _, p := range sample().Profiles {
		out.WriteByte('\n')
		if err := writeProfile(&out, p); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "status.golden", out.String())
}

// TestStatusForPrograms holds the shape that scripts rely on.
func TestStatusForPrograms(t *testing.T) {
	t.Parallel()
	s := sample()
	at := time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC)
	s.Config.LoadedAt = at
	for i := range s.Profiles {
		p := &s.Profiles[i]
		p.Since = at
		if p.RetryAt != nil {
			p.RetryAt = &at
		}
		if p.Account != nil {
			p.Account.ExpiresAt = &at
		}
	}
	var out strings.Builder
	if err := writeJSON(&out, s, true); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.json", out.String())
	var back status.Snapshot
	if err := json.Unmarshal([]byte(out.String()), &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(*s, back); d != "" {
		t.Error(d)
	}
}

func TestWatchedStatusShowsWhatChanged(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	shown := changes{fileKey: configLine(status.Config{})}
	first := sample()
	busier := sample()
	busier.Profiles[0].Requests.Total++
	other := sample()
	other.Config.Error = nil
	other.Profiles[1].Phase, other.Profiles[1].Summary = status.Ready, "ready"
	other.Profiles = other.Profiles[:2]
	other.Clients[1].Detail = "the entry was changed by someone else"
	mended := sample()
	mended.Config, mended.Profiles, mended.Clients[0].Detail = other.Config, other.Profiles, ""
	for _, s := range []*status.Snapshot{first, busier, other, mended} {
		if err := shown.write(&out, s); err != nil {
			t.Fatal(err)
		}
		out.WriteString("--\n")
	}
	clock := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d`)
	golden(t, "watch.golden", clock.ReplaceAllString(out.String(), "00:00:00"))
}

func TestWatchGoesOnUntilTheAppEnds(t *testing.T) {
	t.Parallel()
	row := func(s string) status.Profile { return status.Profile{Phase: status.Ready, Summary: s} }
	app := startScripted(t, row("first"), func(a *scripted) { a.show(row("second")) })
	for _, asJSON := range []bool{false, true} {
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(soon.Context(t))
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- watchStatus(ctx, w, app, "github", asJSON); w.Close() }()
		lines := bufio.NewScanner(r)
		if !lines.Scan() || !strings.Contains(lines.Text(), "first") && !strings.Contains(lines.Text(), "second") {
			t.Fatalf("no first line: %q", lines.Text())
		}
		if err := app.Do(ctx, supervisor.Action{Verb: supervisor.Restart}); err != nil {
			t.Fatal(err)
		}
		for !strings.Contains(lines.Text(), "second") && lines.Scan() {
		}
		if asJSON != strings.HasPrefix(lines.Text(), `{"serial":`) {
			t.Errorf("line %q", lines.Text())
		}
		go func() { _, _ = io.Copy(io.Discard, r) }()
		cancel() // as an interrupt does: no error
		if err := soon.Receive(t, ended, "the watch to end"); err != nil {
			t.Errorf("watch ended with %v", err)
		}
	}
	if err := watchStatus(soon.Context(t), io.Discard, app, "gitlab", false); !errors.Is(err, supervisor.ErrUnknownProfile) {
		t.Errorf("an unknown profile: %v", err)
	}
	if err := watchStatus(soon.Context(t), io.Discard, control.Dial(filepath.Join(t.TempDir(), "none")), "", false); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("no app: %v", err)
	}
}
