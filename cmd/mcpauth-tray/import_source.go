package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// maxSource is the largest configuration that is read, in bytes.
const maxSource = 8 << 20

// readSource finds out what the person gave us.
func readSource(c *cobra.Command, args []string, from string) ([]*translation, []leftOut, error) {
	if c.ArgsLenAtDash() == 0 {
		t, err := translateCommand(args, nil, true)
		return []*translation{t}, nil, err
	}
	if len(args) == 0 || args[0] == "-" {
		return readText(c.InOrStdin(), from)
	}
	switch info, err := os.Stat(args[0]); {
	case err != nil && !errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(args[0], " \n"):
		return nil, nil, errors.New("the file cannot be read; check its permissions")
	case err != nil:
		if !strings.ContainsAny(strings.TrimSpace(args[0]), " \n=") {
			return nil, nil, errors.New("there is no such file, and it is no command line either; see mcpauth-tray import --help")
		}
		return parseSource(args[0], from)
	case !info.Mode().IsRegular():
		return nil, nil, errors.New("that is not a regular file")
	}
	if ext := filepath.Ext(args[0]); ext == ".toml" || ext == ".yaml" || ext == ".yml" {
		return nil, nil, errors.New("such a file is read as the config of a client alone; name that with --client, as in mcpauth-tray import --client codex")
	}
	file, err := os.Open(args[0])
	if err != nil {
		return nil, nil, errors.New("the file cannot be read; check its permissions")
	}
	defer file.Close()
	return readText(file, from)
}

func readText(r io.Reader, from string) ([]*translation, []leftOut, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSource+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(data) > maxSource:
		return nil, nil, errors.New("it is too large to be a configuration")
	}
	return parseSource(string(data), from)
}

// interactive reports whether a person would have to type.
func interactive(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// textFile reads a file that a configuration names. Its error says why without naming it,
// as what a configuration holds may be a secret in the wrong place.
func textFile(name string) (string, error) {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", errors.New("the home folder it is in is not known")
		}
		name = filepath.Join(home, rest)
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", errors.New("its file is not there")
	case err != nil || !info.Mode().IsRegular() || info.Size() > maxSource:
		return "", errors.New("its file cannot be read")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return "", errors.New("its file cannot be read")
	}
	return strings.TrimPrefix(string(data), "\ufeff"), nil
}
