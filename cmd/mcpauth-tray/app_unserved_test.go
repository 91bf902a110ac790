package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// Clients of a profile with an unusable setting are told so, and are served once it is mended.
func TestAProfileThatCannotBeServedTellsItsClients(t *testing.T) {
	t.Parallel()
	box := newBox(t, sandbox.Options{Open: true})
	key := filepath.Join(t.TempDir(), "key")
	a := newApp(t, inMemory+profileFor("keyed", box, ", sign_in: {method: none}, headers: {set_file: {X-Api-Key: "+key+"}}"))
	a.start()
	row := a.waitPhase("keyed", status.Backoff)
	if row.Code != status.ProfileError || row.URL == "" {
		t.Fatalf("row %+v", row)
	}
	got := post(t, row.URL, "tools/list")
	if e := got.rpc.Error; got.status != 200 || got.rpc.ID != "one" || e == nil || e.Code != status.ProfileError.RPC() ||
		e.Data.Profile != "keyed" || !strings.Contains(e.Message, "X-Api-Key") || !strings.Contains(e.Message, "headers.set_file") {
		t.Errorf("a client is told %d %s", got.status, got.body)
	}
	if n := box.Count(sandbox.KindMCP); n != 0 {
		t.Errorf("%d requests went to the target", n)
	}
	if err := os.WriteFile(key, []byte("sesame"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.waitPhase("keyed", status.Ready)
	echoes(t, row.URL)
}
