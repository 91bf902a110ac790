package main

import (
	"fmt"
	"os"
	"os/user"
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
	folders, err := desktop.Locate(environment, profiles, state)
	if err != nil {
		return paths{}, err
	}
	socket, err := control.Path(folders.State, folders.Runtime)
	if err != nil {
		return paths{}, err
	}
	return paths{Folders: folders, Socket: socket, Lock: filepath.Join(folders.State, "lock")}, nil
}

// environment is os.Getenv for programs that were started with a bare one, as MCP
// clients start theirs: the home folder is in the user database too.
func environment(name string) string {
	value := os.Getenv(name)
	if value == "" && name == "HOME" {
		return home()
	}
	return value
}

// home is the person's folder by the user database.
func home() string {
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return ""
}

// runningSocket is where the app listens. It may have had an XDG_RUNTIME_DIR that we
// were started without.
func runningSocket(p paths) string {
	if _, err := os.Lstat(p.Socket); err == nil || os.Getenv("XDG_RUNTIME_DIR") != "" {
		return p.Socket
	}
	session := func(name string) string {
		switch name {
		case "XDG_RUNTIME_DIR":
			return fmt.Sprintf("/run/user/%d", os.Getuid())
		case desktop.EnvStateDir:
			return ""
		}
		return environment(name)
	}
	usual, err := desktop.Locate(session, "", p.State)
	if err != nil || usual.Runtime == "" {
		return p.Socket
	}
	socket, err := control.Path(usual.State, usual.Runtime)
	if err != nil {
		return p.Socket
	}
	if _, err := os.Lstat(socket); err != nil {
		return p.Socket
	}
	return socket
}
