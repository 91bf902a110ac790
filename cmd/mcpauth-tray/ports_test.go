package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
)

func TestPortsAreChosenOnceAndRemembered(t *testing.T) {
	dir := t.TempDir()
	p, err := openPorts(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	prof := profile.Profile{Name: "a"}
	if n := len(p.addresses(prof)); n < 2 {
		t.Fatalf("%d addresses to choose from", n)
	}
	p.remember(prof, "127.0.0.1:20001")
	if err := p.save(); err != nil {
		t.Fatal(err)
	}
	again, err := openPorts(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got := again.addresses(prof); len(got) != 1 || got[0] != "127.0.0.1:20001" {
		t.Errorf("addresses after a restart: %v", got)
	}
	for range 50 {
		for _, addr := range again.addresses(profile.Profile{Name: "b"}) {
			if addr == "127.0.0.1:20001" {
				t.Fatal("another profile's port was offered")
			}
		}
	}
}

func TestAConfiguredPortIsNotRemembered(t *testing.T) {
	dir := t.TempDir()
	p, err := openPorts(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	prof := profile.Profile{Name: "a", Listen: "127.0.0.1:7801"}
	if got := p.addresses(prof); len(got) != 1 || got[0] != "127.0.0.1:7801" {
		t.Errorf("addresses = %v", got)
	}
	p.remember(prof, "127.0.0.1:7801")
	if err := p.save(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ports.json")); err == nil {
		t.Error("a configured port was written down")
	}
}

func TestABrokenPortsFileIsAnErrorNotANewChoice(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ports.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openPorts(dir, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no error")
	}
}

func TestAnUnreadablePortsFileIsNamedOnce(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "ports.json"), 0o700); err != nil { // no mode keeps root out of a file
		t.Fatal(err)
	}
	_, err := openPorts(dir, slog.New(slog.DiscardHandler))
	if err == nil || strings.Count(err.Error(), dir) != 1 || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("openPorts = %v", err)
	}
}
