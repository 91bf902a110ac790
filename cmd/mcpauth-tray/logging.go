package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/natefinch/lumberjack.v2"
)

// levelTrace lies below debug, as profiles.yaml and --log-level know it.
const levelTrace = slog.LevelDebug - 4

var levels = map[string]slog.Level{
	"trace": levelTrace,
	"debug": slog.LevelDebug,
	"info":  slog.LevelInfo,
	"warn":  slog.LevelWarn,
	"error": slog.LevelError,
}

// logLevel is the level of that name, info for one it does not know.
func logLevel(name string) slog.Level { return levels[name] }

// maxLogValue is how much of one value a log line shows, in bytes.
const maxLogValue = 4 << 10

// credential matches what looks like a secret wherever it stands. Secrets are kept out of logs
// by their types; this is for what other programs' error texts may carry.
var credential = lazily(`(?i)(bearer\s+|basic\s+|(?:access_token|refresh_token|id_token|client_secret|code|code_verifier|state|assertion|password)["']?\s*[=:]\s*["']?)[^\s"'&,;}]+|eyJ[\w-]+\.[\w-]+\.?[\w-]*`)

// newLogger writes to stderr and to a file that is rotated at 10 MiB, three kept.
func newLogger(stderr io.Writer, dir string, level slog.Leveler) (*slog.Logger, io.Closer) {
	_ = os.MkdirAll(dir, 0o700) // else lumberjack makes it, open to others
	file := &lumberjack.Logger{Filename: filepath.Join(dir, "mcpauth-tray.log"), MaxSize: 10, MaxBackups: 3}
	handler := slog.NewTextHandler(io.MultiWriter(stderr, file), &slog.HandlerOptions{Level: level, ReplaceAttr: redact})
	return slog.New(handler), file
}

func redact(_ []string, a slog.Attr) slog.Attr {
	switch a.Key {
	case slog.LevelKey:
		if l, ok := a.Value.Any().(slog.Level); ok && l <= levelTrace {
			a.Value = slog.StringValue("TRACE")
		}
		return a
	case slog.TimeKey:
		return a
	}
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(clean(v))
	case error:
		a.Value = slog.StringValue(clean(v.Error()))
	case fmt.Stringer:
		a.Value = slog.StringValue(clean(v.String()))
	}
	return a
}

func clean(s string) string {
	s = credential().ReplaceAllStringFunc(s, func(m string) string {
		if i := strings.LastIndexAny(m, "=: "); i >= 0 {
			return m[:i+1] + "[redacted]"
		}
		return "[redacted]"
	})
	if len(s) > maxLogValue {
		s = s[:maxLogValue] + "…"
	}
	return s
}
