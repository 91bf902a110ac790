package clientconfig

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

func TestBundle(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.exe = l.path("mcpauth-tray")
	l.write(l.exe, "the program")
	l.restart()
	var b bytes.Buffer
	if err := l.editor.Bundle(&b, "company-tools", "devel"); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(data)
		if strings.HasPrefix(f.Name, "server/") && f.Mode().Perm() != 0o755 {
			t.Errorf("%s cannot be run: %v", f.Name, f.Mode())
		}
	}
	var manifest struct {
		Version string
		Server  struct {
			EntryPoint string `json:"entry_point"`
			Config     struct {
				Command string
				Args    []string
			} `json:"mcp_config"`
		}
	}
	if err := json.Unmarshal([]byte(files["manifest.json"]), &manifest); err != nil {
		t.Fatal(err)
	}
	s := manifest.Server
	if files[s.EntryPoint] != "the program" || s.Config.Command != "${__dirname}/"+s.EntryPoint ||
		strings.Join(s.Config.Args, " ") != "bridge company-tools" || manifest.Version != "0.0.0" {
		t.Errorf("%s", files["manifest.json"])
	}
	if err := l.editor.Bundle(io.Discard, "--x", ""); err == nil {
		t.Error("a bundle of no profile")
	}
}
