package clientconfig

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"runtime"
)

var semantic = lazily(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// platforms are the names that bundles have for systems.
var platforms = map[string]string{"windows": "win32"}

// Bundle writes an extension that a person installs in Claude Desktop with a double
// click: an MCP bundle (manifest version 0.2) with this program in it, which runs as the
// bridge of a profile. It is kept apart from the config file.
func (e *Editor) Bundle(w io.Writer, profile, version string) error {
	if err := (Entry{Profile: profile}).check(); err != nil {
		return err
	}
	if !semantic().MatchString(version) {
		version = "0.0.0"
	}
	program := "server/mcpauth-tray"
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	platform := platforms[runtime.GOOS]
	if platform == "" {
		platform = runtime.GOOS
	}
	var args []any
	for _, arg := range e.program.arguments(profile) {
		args = append(args, arg)
	}
	manifest := layout{newline: "\n", unit: "  ", colon: ": "}.json(object{
		{"manifest_version", "0.2"},
		{"name", "mcpauth-tray-" + profile},
		{"display_name", profile},
		{"version", version},
		{"description", "The MCP server of the profile " + profile + ", through mcpauth-tray"},
		{"author", object{{"name", "mcpauth-tray"}}},
		{"server", object{
			{"type", "binary"},
			{"entry_point", program},
			{"mcp_config", object{{"command", "${__dirname}/" + program}, {"args", args}}},
		}},
		{"tools_generated", true},
		{"compatibility", object{{"platforms", []any{platform}}}},
	})
	z := zip.NewWriter(w)
	if err := addFile(z, "manifest.json", 0o644, func(w io.Writer) error {
		_, err := io.WriteString(w, manifest+"\n")
		return err
	}); err != nil {
		return err
	}
	if err := addFile(z, program, 0o755, e.copyProgram); err != nil {
		return err
	}
	return z.Close()
}

func addFile(z *zip.Writer, name string, mode os.FileMode, write func(io.Writer) error) error {
	header := &zip.FileHeader{Name: name, Method: zip.Deflate}
	header.SetMode(mode)
	w, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	return write(w)
}

func (e *Editor) copyProgram(w io.Writer) error {
	f, err := os.Open(e.program.exe)
	if err != nil {
		return fmt.Errorf("cannot read this program for the bundle: %w", err)
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
