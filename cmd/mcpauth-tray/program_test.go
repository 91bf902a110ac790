package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProgramsOfGoRunAreKnown(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("0123456789abcdef", 4)
	for path, want := range map[string]bool{
		"/tmp/go-build123/b001/exe/mcpauth-tray":                 true,
		"/var/folders/x/T/go-build9/b001/exe/mcpauth-tray":       true,
		"/home/a/.cache/go-build/01/" + hash + "-d/mcpauth-tray": true,
		"/own/cache/01/" + hash + "-d/mcpauth-tray":              true,
		"/tmp/go-build123/b001/mcpauth-tray.test":                false,
		"/home/a/go/bin/mcpauth-tray":                            false,
		"/home/a/work/exe/mcpauth-tray":                          false,
		"/mcpauth-tray":                                          false,
		"/opt/" + hash[1:] + "-d/mcpauth-tray":                   false,
	} {
		if got := ofGoRun(filepath.FromSlash(path)); got != want {
			t.Errorf("ofGoRun(%q) = %v, want %v", path, got, want)
		}
	}
}

// TestGoRunStartsWhatIsRecognised holds the go command of this computer to the places we know.
func TestGoRunStartsWhatIsRecognised(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module whereami\n", "main.go": `package main

import "os"

func main() {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(exe)
}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time it may come from the build cache
		cmd := process(t, "go", "run", ".")
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), "GOFLAGS=", "GOWORK=off")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go run: %v", err)
		}
		if !ofGoRun(string(out)) {
			t.Errorf("go run started %s, which is not recognised", out)
		}
	}
}
