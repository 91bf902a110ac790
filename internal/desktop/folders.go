package desktop

import (
	"fmt"
	"os"
	"path/filepath"
)

// The variables that name other places than the usual ones.
const (
	EnvProfiles = "MCPAUTH_PROFILES"
	EnvStateDir = "MCPAUTH_STATE_DIR"
)

// profilesFile is the name of the file in the folder for configuration.
const profilesFile = "profiles.yaml"

// Folders says where the app's files are. All paths are absolute; none need exist.
type Folders struct {
	Profiles string // the file profiles.yaml
	State    string // sealed tokens, ports, locks
	Logs     string
	// Runtime is the system's folder for sockets, named only when State is the usual
	// one; empty means that the control socket belongs in State.
	Runtime string
}

// Locate returns where files are. profiles and state replace the usual places; when
// they are empty MCPAUTH_PROFILES and MCPAUTH_STATE_DIR do, and else it is by the
// platform's custom: the XDG base directories, ~/Library, %AppData% and %LocalAppData%.
// It fails when the environment does not say where the person's files are.
func Locate(getenv func(string) string, profiles, state string) (Folders, error) {
	usual, usualErr := usualFolders(getenv)
	chosen := func(flag, env, fallback string) (string, error) {
		for _, path := range []string{flag, getenv(env)} {
			if path != "" {
				return filepath.Abs(path)
			}
		}
		return fallback, usualErr
	}
	var f Folders
	var err error
	if f.Profiles, err = chosen(profiles, EnvProfiles, usual.Profiles); err != nil {
		return Folders{}, fmt.Errorf("no place for %s: %w; set it, or give --profiles", profilesFile, err)
	}
	if f.State, err = chosen(state, EnvStateDir, usual.State); err != nil {
		return Folders{}, fmt.Errorf("no place for the app's state: %w; set it, or give --state-dir", err)
	}
	if usualErr == nil && samePlace(f.State, usual.State) {
		f.State, f.Logs, f.Runtime = usual.State, usual.Logs, usual.Runtime
	} else {
		f.Logs = filepath.Join(f.State, "logs")
	}
	return f, nil
}

// samePlace reports whether two paths name one folder, also by way of a link.
func samePlace(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
