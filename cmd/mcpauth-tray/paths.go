package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mcpauth-tray/mcpauth-tray/internal/control"
	"github.com/mcpauth-tray/mcpauth-tray/internal/desktop"
)

// Flags of every command.
const (
	flagStateDir = "state-dir"
	flagProfiles = "profiles"
)

// paths says where the files of one invocation are. None need exist.
type paths struct {
	desktop.Folders
	Socket string // the control socket
	Lock   string // held by the running app
}

// locate reads --state-dir, --profiles and the environment.
func locate(c *cobra.Command) (paths, error) {
	state, err := c.Flags().GetString(flagStateDir)
	if err != nil {
		return paths{}, err
	}
	profiles, err := c.Flags().GetString(flagProfiles)
	if err != nil {
		return paths{}, err
	}
	return pathsIn(profiles, state)
}

// pathsIn is locate with the two places given; empty ones are the usual ones.
func pathsIn(profiles, state string) (paths, error) {
	folders, err := desktop.Locate(os.Getenv, profiles, state)
	if err != nil {
		return paths{}, err
	}
	socket, err := control.Path(folders.State, folders.Runtime)
	if err != nil {
		return paths{}, err
	}
	return paths{Folders: folders, Socket: socket, Lock: filepath.Join(folders.State, "lock")}, nil
}
