//go:build !darwin && !windows

package desktop

import (
	"errors"
	"os"
	"path/filepath"
)

// usualFolders follows the XDG Base Directory Specification 0.8, which has relative
// paths ignored.
func usualFolders(getenv func(string) string) (Folders, error) {
	config, err := base(getenv, "XDG_CONFIG_HOME", ".config")
	if err != nil {
		return Folders{}, err
	}
	state, err := base(getenv, "XDG_STATE_HOME", ".local/state")
	if err != nil {
		return Folders{}, err
	}
	state = filepath.Join(state, app)
	f := Folders{
		Profiles: filepath.Join(config, app, profilesFile),
		State:    state,
		Logs:     filepath.Join(state, "logs"),
	}
	runtime := getenv("XDG_RUNTIME_DIR")
	if info, err := os.Stat(runtime); filepath.IsAbs(runtime) && err == nil && info.IsDir() {
		f.Runtime = runtime
	}
	return f, nil
}

func base(getenv func(string) string, name, belowHome string) (string, error) {
	if dir := getenv(name); filepath.IsAbs(dir) {
		return dir, nil
	}
	home := getenv("HOME")
	if !filepath.IsAbs(home) {
		return "", errors.New("HOME is not set")
	}
	return filepath.Join(home, belowHome), nil
}
