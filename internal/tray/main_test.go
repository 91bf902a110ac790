package tray

import (
	"flag"
	"os"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// cleanups are run after all tests.
var cleanups []func()

func TestMain(m *testing.M) {
	time.Local = time.UTC
	flag.Parse()
	code := m.Run()
	for _, f := range cleanups {
		f()
	}
	os.Exit(code)
}
