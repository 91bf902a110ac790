package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ownProgram is the path by which a client can start this program, also after the next
// start of an AppImage, which is unpacked elsewhere each time.
func ownProgram() (string, error) {
	if image := os.Getenv("APPIMAGE"); image != "" {
		return image, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot tell where this program is: %w", err)
	}
	return exe, nil
}

// lastingProgram returns an error when clients' configs must not name this program: the go
// command made it for one run, and deletes it when that ends, or later from its cache.
func lastingProgram() error {
	exe, err := ownProgram()
	if err != nil || !ofGoRun(exe) {
		return err
	}
	return fmt.Errorf("clients cannot be told to start %s, which go run made and which does not last; "+
		"install it first, with go install ./cmd/mcpauth-tray, and start that", exe)
}

var cachedBuild = lazily(`^[0-9a-f]{64}-d$`)

// ofGoRun knows the two places that go run starts programs from: its work folder, as in
// /tmp/go-build123/b001/exe/mcpauth-tray, and the build cache, as in
// ~/.cache/go-build/3f/3f…-d/mcpauth-tray.
func ofGoRun(exe string) bool {
	dir := filepath.Dir(exe)
	if cachedBuild().MatchString(filepath.Base(dir)) {
		return true
	}
	work := filepath.Dir(filepath.Dir(dir))
	return filepath.Base(dir) == "exe" && strings.HasPrefix(filepath.Base(work), "go-build")
}
