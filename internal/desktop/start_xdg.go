//go:build !darwin && !windows

package desktop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// unit is the app as a service of the person, installed or made up for one time.
const unit = app + ".service"

func startApp(exe string) error {
	for _, program := range []string{"systemctl", "systemd-run"} {
		if _, err := exec.LookPath(program); err != nil {
			return errors.New("there is no systemd here to start it with")
		}
	}
	if manage("systemctl", "cat", unit) == nil {
		return manage("systemctl", "start", unit)
	}
	err := manage("systemd-run", "--collect", "--unit="+unit, "--", exe, "run")
	if err != nil && manage("systemctl", "is-active", unit) == nil {
		return nil // somebody else was quicker
	}
	return err
}

// manage talks to the person's service manager, also from an environment that does not say
// where it is.
func manage(name string, args ...string) error {
	env := childEnv()
	if os.Getenv("XDG_RUNTIME_DIR") == "" {
		env = append(env, fmt.Sprintf("XDG_RUNTIME_DIR=/run/user/%d", os.Getuid()))
	}
	return await(env, "", name, append([]string{"--user", "--quiet"}, args...)...)
}
