package clientconfig

import (
	"fmt"
	"strings"
	"testing"
)

// largeConfig is a config of Claude Code after years: projects, each with what was typed
// there, and our map of servers somewhere among much else.
func largeConfig(size int) string {
	var b strings.Builder
	b.WriteString("{\n  \"numStartups\": 4711,\n  \"mcpServers\": {\n    \"theirs\": {\n      \"type\": \"http\",\n      \"url\": \"https://mcp.example.com/mcp\"\n    }\n  },\n  \"projects\": {")
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n    \"/home/me/src/project-%d\": {\n      \"allowedTools\": [],\n      \"history\": [", i)
		for j := range 40 {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "\n        {\n          \"display\": \"why does \\\"test %d\\\" fail in %s?\",\n          \"pastedContents\": {}\n        }", j, strings.Repeat("the same place ", j%5))
		}
		fmt.Fprintf(&b, "\n      ],\n      \"hasTrustDialogAccepted\": true,\n      \"lastCost\": %d.%d,\n      \"lastSessionId\": null\n    }", i, i)
	}
	b.WriteString("\n  },\n  \"userID\": \"x\"\n}\n")
	return b.String()
}

// What it costs to put profiles into a large config, and to look how they stand there.
func BenchmarkLargeConfig(b *testing.B) {
	text := largeConfig(2300 << 10)
	for _, n := range []int{1, 20} {
		task := Task{Set: many(n)}
		l := newQuickLab(b)
		file := l.file("claude-code")
		for _, do := range []struct {
			name   string
			before bool // the entries are there already
			run    func() error
		}{
			{"plan", false, func() error { _, err := l.editor.Plan("claude-code", task); return err }},
			{"write", false, func() error { _, err := l.editor.Write(b.Context(), "claude-code", task); return err }},
			{"current", true, func() error { _, err := l.editor.Write(b.Context(), "claude-code", task); return err }},
			{"look", true, func() error { _, err := l.editor.Look("claude-code", task.Set); return err }},
		} {
			b.Run(fmt.Sprintf("%s/%d", do.name, n), func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					l.write(file, text)
					if do.before {
						l.must("claude-code", task)
					}
					b.StartTimer()
					if err := do.run(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	c, err := ClientByID("claude-code")
	if err != nil {
		b.Fatal(err)
	}
	data := []byte(largeConfig(2300 << 10))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := parse(c, data); err != nil {
			b.Fatal(err)
		}
	}
}
