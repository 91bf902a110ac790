package desktop

import (
	"errors"
	"path/filepath"
)

func usualFolders(getenv func(string) string) (Folders, error) {
	home := getenv("HOME")
	if !filepath.IsAbs(home) {
		return Folders{}, errors.New("HOME is not set")
	}
	support := filepath.Join(home, "Library", "Application Support", app)
	return Folders{
		Profiles: filepath.Join(support, profilesFile),
		State:    support,
		Logs:     filepath.Join(home, "Library", "Logs", app),
	}, nil
}
