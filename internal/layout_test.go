// Package internal_test holds the rules of the house: which package may import which.
// The files are parsed, not built, so every platform's files are seen.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/mcpauth-tray/mcpauth-tray/"

// rooms says which of our packages each package may import.
var rooms = map[string][]string{
	"assets":                {},
	"assets/gen":            {},
	"internal/profile":      {},
	"internal/status":       {},
	"internal/tokenstore":   {},
	"internal/clientconfig": {},
	"internal/desktop":      {},
	"internal/sandbox":      {},
	"internal/soon":         {},
	"internal/seat":         {"internal/soon"},
	"internal/oauth":        {"internal/profile", "internal/status"},
	"internal/guard":        {"internal/profile"},
	"internal/stdio":        {"internal/profile"},
	"internal/proxy":        {"internal/profile", "internal/status", "internal/oauth", "internal/guard", "internal/stdio"},
	"internal/supervisor":   {"internal/profile", "internal/status"},
	"internal/control":      {"internal/status", "internal/supervisor"},
	"internal/tray":         {"internal/status", "internal/supervisor", "assets"},
	"cmd/mcpauth-tray": {"internal/profile", "internal/status", "internal/tokenstore", "internal/clientconfig", "internal/desktop",
		"internal/sandbox", "internal/oauth", "internal/guard", "internal/stdio", "internal/proxy", "internal/supervisor",
		"internal/control", "internal/tray", "assets"},
}

// libraries says which packages may use an outside library; a prefix covers what lies below it.
var libraries = map[string][]string{
	"fyne.io/systray":               {"internal/tray"},
	"github.com/zalando/go-keyring": {"internal/tokenstore"},
	"github.com/fsnotify/fsnotify":  {"internal/profile"},
	"go.yaml.in/yaml":               {"internal/profile", "internal/clientconfig"},
	"golang.org/x/oauth2":           {"internal/oauth"},
	"github.com/coreos/go-oidc":     {"internal/oauth", "internal/guard"},
	"mvdan.cc/sh":                   {"cmd/mcpauth-tray"},
	"os/exec":                       {"internal/stdio", "internal/desktop", "internal/seat"},
	"github.com/godbus/dbus":        {"internal/tokenstore", "internal/tray", "internal/desktop", "internal/seat"},
}

// forbidden are imports a package must do without.
var forbidden = map[string][]string{
	"internal/supervisor": {"net", "net/http", "os"},
	"internal/profile":    {"net/http"},
	"internal/status":     {"net", "net/http", "os", "io"},
	"internal/tray":       {"net/http"},
}

type file struct {
	path, dir string
	test      bool
	imports   []string
	doc       string
}

func TestRooms(t *testing.T) {
	for _, f := range sources(t) {
		allowed, listed := rooms[f.dir]
		if !listed {
			t.Errorf("%s: package %s is not in the table of rooms", f.path, f.dir)
			continue
		}
		for _, imported := range f.imports {
			checkImport(t, f, imported, allowed)
		}
	}
}

func checkImport(t *testing.T, f file, imported string, allowed []string) {
	if ours, ok := strings.CutPrefix(imported, module); ok {
		beside := []string{"internal/sandbox", "internal/soon", "internal/seat"}
		if ours != f.dir && !slices.Contains(allowed, ours) && !(f.test && slices.Contains(beside, ours)) {
			t.Errorf("%s: %s may not import %s", f.path, f.dir, ours)
		}
		return
	}
	if f.test {
		return
	}
	for library, users := range libraries {
		if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(users, f.dir) {
			t.Errorf("%s: %s belongs to %v", f.path, imported, users)
		}
	}
	if slices.Contains(forbidden[f.dir], imported) {
		t.Errorf("%s: %s must not use %s", f.path, f.dir, imported)
	}
}

func TestEveryPackageIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range sources(t) {
		if f.doc != "" && !f.test {
			documented[f.dir] = true
		}
	}
	for room := range rooms {
		if !documented[room] {
			t.Errorf("%s has no package comment", room)
		}
	}
}

func TestNoPathIsLongerThanFourPackages(t *testing.T) {
	graph := map[string][]string{}
	for _, f := range sources(t) {
		if f.test || !strings.HasPrefix(f.dir, "internal/") {
			continue
		}
		for _, imported := range f.imports {
			if ours, ok := strings.CutPrefix(imported, module); ok {
				graph[f.dir] = append(graph[f.dir], ours)
			}
		}
	}
	var longest func(string) int
	longest = func(p string) int {
		n := 0
		for _, q := range graph[p] {
			n = max(n, longest(q))
		}
		return n + 1
	}
	for p := range graph {
		if n := longest(p); n > 4 {
			t.Errorf("an import path of %d packages starts at %s", n, p)
		}
	}
}

func TestNames(t *testing.T) {
	for room := range rooms {
		switch path.Base(room) {
		case "auth", "util", "common", "types", "helpers", "manager":
			t.Errorf("%s: that name says nothing", room)
		}
	}
}

// sources parses every Go file of the repository.
func sources(t *testing.T) []file {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	var files []file
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || (strings.HasPrefix(d.Name(), ".") && p != root)):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(p, ".go"):
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil || filepath.Dir(rel) == "internal" {
			return err
		}
		files = append(files, parse(t, p, filepath.ToSlash(rel)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go files were found")
	}
	return files
}

func parse(t *testing.T, full, rel string) file {
	t.Helper()
	src, err := os.ReadFile(full)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := parser.ParseFile(token.NewFileSet(), rel, src, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	f := file{path: rel, dir: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"), doc: tree.Doc.Text()}
	for _, spec := range tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		f.imports = append(f.imports, imported)
	}
	return f
}
