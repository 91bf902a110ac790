package profile

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestRootsAreReadFromFilesOfCertificatesAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("text.pem"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in("large.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(in("large.pem"), maxRoots+1); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		in("none.pem"):  "does not exist",
		in("text.pem"):  "holds no PEM certificate",
		in("large.pem"): "is too large",
		dir:             "is not a regular file",
	}
	if runtime.GOOS != "windows" {
		cases["/dev/zero"] = "is not a regular file" // it never ends
	}
	for file, want := range cases {
		roots, err := TLS{CAFile: file}.Roots()
		if roots != nil || err == nil || !strings.HasPrefix(err.Error(), "tls.ca_file "+file+" "+want) {
			t.Errorf("%s: %v, %v", file, roots, err)
		}
	}
	if roots, err := (TLS{}).Roots(); roots != nil || err != nil {
		t.Errorf("without a ca_file: %v, %v", roots, err)
	}
}
