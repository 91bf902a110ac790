package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

func TestABusyPortHurtsNobodyElse(t *testing.T) {
	t.Parallel()
	box, port := newBox(t, sandbox.Options{Open: true}), freePort(t)
	taken, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	a := newApp(t, inMemory+openProfile("busy", box, ", listen: \"127.0.0.1:"+port+"\"")+openProfile("fine", box, ""))
	a.start()
	row := a.waitPhase("busy", status.Backoff)
	said := row.Summary + ": " + row.Detail
	if row.Code != status.ListenFailed || row.RetryAt == nil || row.Action == "" || row.URL != "" || !strings.Contains(said, port) {
		t.Errorf("the row is %+v", row)
	}
	if runtime.GOOS == "linux" {
		name, err := os.ReadFile("/proc/self/comm")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{strings.TrimSpace(string(name)), fmt.Sprint("pid ", os.Getpid())} {
			if !strings.Contains(said, want) {
				t.Errorf("%q does not name %q, which has the port", said, want)
			}
		}
	}
	fine := a.waitPhase("fine", status.Ready)
	echoes(t, fine.URL)

	_ = taken.Close()
	row = a.waitPhase("busy", status.Ready)
	if want := "http://127.0.0.1:" + port + "/mcp"; row.URL != want || row.Code != "" || row.RetryAt != nil {
		t.Errorf("the row is %+v, want it at %s", row, want)
	}
	echoes(t, row.URL)
	if now := a.profile("fine"); !now.Since.Equal(fine.Since) {
		t.Errorf("the other profile was disturbed: %+v", now)
	}
}

// A port chosen once is in the config files of clients: it never moves by itself.
func TestARememberedPortStays(t *testing.T) {
	t.Parallel()
	box := newBox(t, sandbox.Options{Open: true})
	a := newApp(t, inMemory+openProfile("one", box, ""))
	a.start()
	url := a.waitPhase("one", status.Ready).URL
	a.stop()
	taken, err := net.Listen("tcp", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/mcp"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	a.start()
	if row := a.waitPhase("one", status.Backoff); row.Code != status.ListenFailed {
		t.Errorf("the row is %+v", row)
	}
	_ = taken.Close()
	if row := a.waitPhase("one", status.Ready); row.URL != url {
		t.Errorf("the port moved from %s to %s", url, row.URL)
	}
}
