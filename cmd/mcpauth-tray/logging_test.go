package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogsCarryNoCredentials(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	log, file := newLogger(&out, dir, levelTrace)
	defer file.Close()
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"
	log.Log(t.Context(), levelTrace, "a line", "error", errors.New(`Get "https://h/cb?code=cnry-code&state=cnry-state": refused`))
	log.Info("another", "header", "Authorization: Bearer cnry-bearer", "body", `{"refresh_token":"cnry-refresh","x":1}`, "jwt", jwt)
	log.Info("long", "value", strings.Repeat("x", 3*maxLogValue))
	written, err := os.ReadFile(filepath.Join(dir, "mcpauth-tray.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{out.String(), string(written)} {
		if strings.Contains(text, "cnry") || strings.Contains(text, jwt) {
			t.Errorf("a secret was logged:\n%s", text)
		}
		if !strings.Contains(text, "level=TRACE") || !strings.Contains(text, "refused") {
			t.Errorf("what may be said is missing:\n%s", text)
		}
	}
	if out.Len() > 2*maxLogValue {
		t.Errorf("%d bytes were logged", out.Len())
	}
	info, err := os.Stat(filepath.Join(dir, "mcpauth-tray.log"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestLogLevels(t *testing.T) {
	if logLevel("trace") >= slog.LevelDebug || logLevel("") != slog.LevelInfo {
		t.Error("levels are out of order")
	}
}
