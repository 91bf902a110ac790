package proxy

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func startSandbox(t *testing.T, o sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Odd streams arrive as they are sent.
func TestOddStreams(t *testing.T) {
	t.Parallel()
	to := startSandbox(t, sandbox.Options{Open: true})
	s := serve(t, to.MCPURL())
	for _, name := range []string{"stream-blob", "stream-comments", "stream-retry-zero", "stream-retry-far", "stream-nul-id", "stream-lost", "stream-ends"} {
		to.Behave()
		if !to.Switch(name) {
			t.Fatalf("there is no switch %s", name)
		}
		for _, method := range []string{"POST", "GET"} {
			want, wantErr := readAll(t, method, to.MCPURL())
			got, err := readAll(t, method, s.url("/mcp"))
			if !bytes.Equal(got, want) || (err != nil) != (wantErr != nil) {
				t.Errorf("%s %s: %d bytes, %v, want %d, %v", method, name, len(got), err, len(want), wantErr)
			}
		}
	}
}

func readAll(t *testing.T, method, url string) ([]byte, error) {
	body := ""
	if method == "POST" {
		body = call
	}
	return io.ReadAll(open(t, t.Context(), method, url, body).Body)
}

func TestLegacySandbox(t *testing.T) {
	t.Parallel()
	for name, works := range map[string]bool{"": true, "legacy-relative": true, "legacy-absolute": true, "legacy-elsewhere": false,
		"legacy-scheme": false, "legacy-protocol-relative": false, "legacy-backslash": false} {
		to := startSandbox(t, sandbox.Options{Open: true})
		if name != "" && !to.Switch(name) {
			t.Fatalf("there is no switch %s", name)
		}
		s := serve(t, to.LegacyURL())
		ctx := soon.Context(t)
		client := mcp.NewClient(&mcp.Implementation{Name: "client", Version: "1"}, nil)
		session, err := client.Connect(ctx, &mcp.SSEClientTransport{Endpoint: s.url("/sse")}, nil)
		if (err == nil) != works {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if got, err := callTool(ctx, session, "echo", "old"); err != nil || got != "old" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		session.Close()
	}
}

// A80: a target that reflects the token in a header does not get it to the client.
func TestReflectedToken(t *testing.T) {
	t.Parallel()
	to := startSandbox(t, sandbox.Options{Open: true})
	to.Set(func(f *sandbox.Faults) { f.Reflect = true })
	s := serve(t, to.MCPURL())
	answer := open(t, t.Context(), http.MethodPost, s.url("/mcp"), call)
	for header, values := range answer.Header {
		if strings.Contains(strings.Join(values, " "), token) {
			t.Errorf("%s: %q", header, values)
		}
	}
}
