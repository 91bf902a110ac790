package profile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const minimal = "version: 1\nprofiles:\n  a: {target: https://a.example/mcp}\n"

const withSecret = "version: 1\nprofiles:\n  a: {target: https://a.example/mcp, sign_in: {method: token, token: hush}}\n"

// write puts a file with exactly these permissions into a fresh folder.
func write(t *testing.T, text string, mode fs.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "profiles.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLoad(t *testing.T) {
	t.Parallel()
	c, err := Load(write(t, minimal, 0o644))
	if err != nil || len(c.Profiles) != 1 || len(c.Warnings) != 0 {
		t.Errorf("%v", complaints(c, err))
	}

	file := filepath.Join(t.TempDir(), "profiles.yaml")
	_, err = Load(file)
	var list Errors
	if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &list) || len(list) != 1 {
		t.Fatalf("missing file: %v", err)
	}
	if list[0].Line != 0 || list[0].Hint == "" || err.Error() != file+": there is no such file" {
		t.Errorf("missing file: %+v", list[0])
	}
	if _, err = Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("folder: %v", err)
	}
	if _, err = Load(write(t, strings.Repeat("#", maxSize+1), 0o600)); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("large: %v", err)
	}
}

func TestRelativePaths(t *testing.T) {
	t.Parallel()
	text := "version: 1\nprofiles:\n  a:\n    target: https://a.example/mcp\n    sign_in: {client_id: a, client_secret_file: ../a.secret}\n" +
		"    tls: {ca_file: ca.pem}\n    headers: {set_file: {X-Key: /etc//key}}\n"
	file := write(t, text, 0o600)
	t.Log(file)
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Profiles[0]
	if want := filepath.Join(filepath.Dir(file), "ca.pem"); p.TLS.CAFile != want {
		t.Errorf("ca_file %s", p.TLS.CAFile)
	}
	if want := filepath.Join(filepath.Dir(filepath.Dir(file)), "a.secret"); p.SignIn.ClientSecret.File != want {
		t.Errorf("client_secret_file %s", p.SignIn.ClientSecret.File)
	}
	if filepath.Separator == '/' && p.Headers.SetFile["X-Key"] != "/etc/key" {
		t.Errorf("set_file %s", p.Headers.SetFile["X-Key"])
	}
}
