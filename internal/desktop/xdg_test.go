//go:build linux || freebsd || openbsd || netbsd

package desktop

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// kill ends a program and checks that it was reaped, so that none piles up.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	soon.Until(t, "the program is reaped", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
}

func headless(t *testing.T) {
	for _, name := range []string{"DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER"} {
		t.Setenv(name, "")
	}
}

func TestDesktopOpener(t *testing.T) {
	for _, c := range []struct {
		display string
		has     []string
		args    []string
		says    string
	}{
		{":0", []string{"xdg-open", "gio"}, []string{"https://a.example/"}, ""},
		{":0", []string{"gio"}, []string{"open", "https://a.example/"}, ""},
		{"", []string{"xdg-open", "wslview"}, []string{"https://a.example/"}, ""},
		{":0", nil, nil, "xdg-utils"},
		{"", []string{"xdg-open"}, nil, "no display"},
	} {
		t.Run(strings.Join(append(c.has, c.display), " "), func(t *testing.T) {
			headless(t)
			_, read := program(t, "", c.has...)
			t.Setenv("DISPLAY", c.display)
			err := OpenURL("https://a.example/")
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "BROWSER") {
					t.Errorf("got %v, want something about %q and BROWSER", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := read().Args; !slices.Equal(got, c.args) {
				t.Errorf("started with %q, want %q", got, c.args)
			}
		})
	}
}

func TestOpenFile(t *testing.T) {
	headless(t)
	dir, read := program(t, "", "xdg-open")
	t.Setenv("DISPLAY", ":0")
	t.Setenv("BROWSER", "nobody-has-this") // is for pages only
	t.Chdir(dir)
	if err := OpenFile("--missing"); err == nil {
		t.Error("a missing file was opened")
	}
	if err := os.WriteFile("-profiles.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := OpenFile("-profiles.yaml"); err != nil {
		t.Fatal(err)
	}
	if got := read().Args; len(got) != 1 || !filepath.IsAbs(got[0]) || filepath.Base(got[0]) != "-profiles.yaml" {
		t.Errorf("started with %q", got)
	}
}

func TestCopy(t *testing.T) {
	for _, c := range []struct {
		name, session string
		has, args     []string
		says          string
	}{
		{"wayland", "WAYLAND_DISPLAY", []string{"wl-copy", "xclip"}, []string{}, ""},
		{"x11", "DISPLAY", []string{"wl-copy", "xclip"}, []string{"-selection", "clipboard", "-in"}, ""},
		{"xsel", "DISPLAY", []string{"xsel"}, []string{"--clipboard", "--input"}, ""},
		{"nothing", "DISPLAY", nil, nil, "install"},
		{"no session", "", []string{"xclip", "wl-copy"}, nil, "install"},
	} {
		t.Run(c.name, func(t *testing.T) {
			headless(t)
			_, read := program(t, "read", c.has...)
			if c.session != "" {
				t.Setenv(c.session, "x")
			}
			const text = "http://127.0.0.1:7801/mcp $(id) \"'\n"
			err := Copy(text)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want something about %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := read(); got.Stdin != text || !slices.Equal(got.Args, c.args) {
				t.Errorf("copied %q with %q, want %q with %q", got.Stdin, got.Args, text, c.args)
			}
		})
	}
}

func TestHangingClipboardDoesNotBlock(t *testing.T) {
	headless(t)
	dir, read := program(t, "hang", "xclip")
	t.Setenv("DISPLAY", ":0")
	start := time.Now()
	if err := Copy("x"); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > soon.Limit {
		t.Errorf("Copy took %s", took)
	}
	if _, err := os.Stat(dir + "/report"); err != nil {
		return // it was ended before it said who it is
	}
	if err := syscall.Kill(read().PID, 0); !errors.Is(err, syscall.ESRCH) {
		t.Error("the program still runs")
	}
}

func TestLocate(t *testing.T) {
	home := t.TempDir()
	runtime := t.TempDir()
	usual := Folders{
		Profiles: home + "/.config/mcpauth-tray/profiles.yaml",
		State:    home + "/.local/state/mcpauth-tray",
		Logs:     home + "/.local/state/mcpauth-tray/logs",
		Runtime:  runtime,
	}
	if err := os.MkdirAll(usual.State, 0o700); err != nil {
		t.Fatal(err)
	}
	link := home + "/link"
	if err := os.Symlink(usual.State, link); err != nil {
		t.Fatal(err)
	}
	own := func(state string) Folders {
		return Folders{Profiles: usual.Profiles, State: state, Logs: state + "/logs"}
	}
	noSocketFolder := usual
	noSocketFolder.Runtime = ""
	base := map[string]string{"HOME": home, "XDG_RUNTIME_DIR": runtime}
	for _, c := range []struct {
		name            string
		env             map[string]string
		profiles, state string
		want            Folders
		says            string
	}{
		{name: "usual", want: usual},
		{name: "no runtime folder", env: map[string]string{"XDG_RUNTIME_DIR": ""}, want: noSocketFolder},
		{name: "runtime folder is gone", env: map[string]string{"XDG_RUNTIME_DIR": home + "/gone"}, want: noSocketFolder},
		{name: "relative XDG is ignored", env: map[string]string{"XDG_CONFIG_HOME": "x", "XDG_STATE_HOME": "y", "XDG_RUNTIME_DIR": "."}, want: noSocketFolder},
		{name: "XDG without HOME", env: map[string]string{"HOME": "", "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"},
			want: Folders{"/c/mcpauth-tray/profiles.yaml", "/s/mcpauth-tray", "/s/mcpauth-tray/logs", runtime}},
		{name: "flag", state: "/srv/state", want: own("/srv/state")},
		{name: "variable", env: map[string]string{EnvStateDir: "/srv/state/"}, want: own("/srv/state")},
		{name: "flag before variable", state: "/a", env: map[string]string{EnvStateDir: "/b"}, want: own("/a")},
		{name: "flag names the usual one", state: usual.State + "/../mcpauth-tray/", want: usual},
		{name: "flag names it by a link", state: link, want: usual},
		{name: "profiles", profiles: "/p.yaml", want: Folders{"/p.yaml", usual.State, usual.Logs, runtime}},
		{name: "no HOME", env: map[string]string{"HOME": ""}, says: "HOME is not set; set it, or give --profiles"},
		{name: "no HOME but flags", env: map[string]string{"HOME": ""}, profiles: "/p", state: "/s", want: Folders{"/p", "/s", "/s/logs", ""}},
		{name: "no HOME, one flag", env: map[string]string{"HOME": ""}, profiles: "/p", says: "--state-dir"},
	} {
		t.Run(c.name, func(t *testing.T) {
			getenv := func(name string) string {
				if v, ok := c.env[name]; ok {
					return v
				}
				return base[name]
			}
			got, err := Locate(getenv, c.profiles, c.state)
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if (err != nil) != (c.says != "") || (err != nil && !strings.Contains(err.Error(), c.says)) {
				t.Errorf("error %v, want %q", err, c.says)
			}
		})
	}
	rel, err := Locate(func(n string) string { return base[n] }, "p.yaml", "s")
	if err != nil || !filepath.IsAbs(rel.Profiles) || !filepath.IsAbs(rel.State) || !filepath.IsAbs(rel.Logs) {
		t.Errorf("relative flags: %+v, %v", rel, err)
	}
}
