//go:build linux || freebsd || openbsd || netbsd

package desktop

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestStartApp(t *testing.T) {
	const (
		asks   = "systemctl --user --quiet cat mcpauth-tray.service"
		starts = "systemctl --user --quiet start mcpauth-tray.service"
		makes  = "systemd-run --user --quiet --collect --unit=mcpauth-tray.service -- /opt/app run"
		looks  = "systemctl --user --quiet is-active mcpauth-tray.service"
	)
	for name, c := range map[string]struct {
		fails string
		calls []string
		says  string
	}{
		"installed":            {"", []string{asks, starts}, ""},
		"installed and broken": {"start", []string{asks, starts}, "systemctl failed"},
		"not installed":        {"cat", []string{asks, makes}, ""},
		"two at once":          {"cat systemd-run", []string{asks, makes, looks}, ""},
		"no manager":           {"cat systemd-run is-active", []string{asks, makes, looks}, "systemd-run failed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := program(t, "manager "+c.fails, "systemctl", "systemd-run")
			t.Setenv("XDG_RUNTIME_DIR", "")
			err := StartApp("/opt/app")
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want something about %q", err, c.says)
			}
			want := ""
			for _, call := range c.calls {
				want += fmt.Sprintf("%s /run/user/%d\n", call, os.Getuid())
			}
			if got, err := os.ReadFile(dir + "/report"); err != nil || string(got) != want {
				t.Errorf("%v, called:\n%swant:\n%s", err, got, want)
			}
		})
	}
	program(t, "", "systemctl") // and nothing else
	if err := StartApp("/opt/app"); err == nil || !strings.Contains(err.Error(), "no systemd") {
		t.Errorf("without systemd: %v", err)
	}
}
