package desktop

import (
	"errors"
	"path/filepath"
)

func usualFolders(getenv func(string) string) (Folders, error) {
	roaming, local := getenv("AppData"), getenv("LocalAppData")
	switch {
	case !filepath.IsAbs(roaming):
		return Folders{}, errors.New("%AppData% is not set")
	case !filepath.IsAbs(local):
		return Folders{}, errors.New("%LocalAppData% is not set")
	}
	state := filepath.Join(local, app)
	return Folders{
		Profiles: filepath.Join(roaming, app, profilesFile),
		State:    state,
		Logs:     filepath.Join(state, "logs"),
	}, nil
}
