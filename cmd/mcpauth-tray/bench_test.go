package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkStart answers: how long until every listener is up, and how much memory does
// the idle app hold? A start without profiles is the baseline of both.
func BenchmarkStart(b *testing.B) {
	exe := filepath.Join(b.TempDir(), "mcpauth-tray")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", exe, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	upstream := httptest.NewServer(http.NotFoundHandler())
	defer upstream.Close()
	for _, profiles := range []int{0, 50} {
		b.Run(fmt.Sprintf("profiles=%d", profiles), func(b *testing.B) {
			var resident, ready float64
			for b.Loop() {
				r, m := startOnce(b, exe, upstream.URL, profiles)
				ready += float64(r.Microseconds()) / 1000
				resident = max(resident, m)
			}
			b.ReportMetric(ready/float64(b.N), "ready-ms")
			b.ReportMetric(resident, "resident-MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// startOnce starts the app, waits for its ready file, and ends it.
func startOnce(b *testing.B, exe, target string, profiles int) (ready time.Duration, residentMB float64) {
	b.Helper()
	dir, err := os.MkdirTemp("", "mt")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var yaml strings.Builder
	yaml.WriteString("version: 1\nsettings: {token_store: memory}\nprofiles:\n")
	if profiles == 0 {
		yaml.WriteString("  {}\n")
	}
	for n := range profiles {
		fmt.Fprintf(&yaml, "  p%d: {target: %s/mcp, sign_in: {method: none}}\n", n, target)
	}
	file, readyFile := filepath.Join(dir, "profiles.yaml"), filepath.Join(dir, "ready.json")
	if err := os.WriteFile(file, []byte(yaml.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe, "run", "--no-tray", "--profiles", file, "--state-dir", filepath.Join(dir, "state"), "--ready-file", readyFile)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	for {
		if _, err := os.Stat(readyFile); err == nil {
			break
		}
		if time.Since(began) > 30*time.Second {
			b.Fatal("the app was not ready in time")
		}
		time.Sleep(200 * time.Microsecond)
	}
	ready = time.Since(began)
	residentMB = resident(b, cmd.Process.Pid)
	_ = cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return ready, residentMB
}

// resident is what a process holds in memory, in MB, where the system says so.
func resident(b *testing.B, pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("this system does not tell: ", err)
	}
	_, rest, _ := strings.Cut(string(data), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kb) / 1024
}
