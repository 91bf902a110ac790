package main

import (
	"bytes"
	"image/png"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/assets"
	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// newTrayApp prepares an app that shows a tray on s. The tray's library races within
// itself, so that it never runs with the race detector.
func newTrayApp(t *testing.T, s *seat.Seat, yaml string, env ...string) *app {
	t.Helper()
	a := newApp(t, yaml, append([]string{"DBUS_SESSION_BUS_ADDRESS=" + s.Address}, env...)...)
	a.build()
	return a
}

// trayIcon is the icon of an app on a panel.
type trayIcon struct {
	*seat.Icon
	a *app
}

// iconOf waits for the icon of the app.
func iconOf(a *app, p *seat.Panel) *trayIcon { return &trayIcon{p.Icon(), a} }

// line waits for a line that can be seen.
func (i *trayIcon) line(path string) (found *seat.Line) {
	i.a.t.Helper()
	i.a.eventually("the line "+path, func() bool {
		found = i.Menu().Find(path)
		return found != nil
	})
	return found
}

func (i *trayIcon) click(path string) {
	i.a.t.Helper()
	line := i.line(path)
	if err := i.Click(soon.Context(i.a.t), line.ID); err != nil {
		i.a.t.Fatal(err)
	}
}

// shows waits until the icon is opaque where the picture of that state is: the pictures
// differ in shape.
func (i *trayIcon) shows(state string) {
	i.a.t.Helper()
	picture, err := png.Decode(bytes.NewReader(assets.Icon(state)))
	if err != nil {
		i.a.t.Fatal(err)
	}
	var shape []byte
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			_, _, _, alpha := picture.At(x, y).RGBA()
			shape = append(shape, byte(alpha>>8))
		}
	}
	i.a.eventually("the icon of "+state, func() bool {
		argb := i.Property("IconPixmap").([][]any)[0][2].([]byte)
		var shown []byte
		for at := 0; at < len(argb); at += 4 {
			shown = append(shown, argb[at])
		}
		return bytes.Equal(shown, shape)
	})
}

func TestASignInFromTheTray(t *testing.T) {
	t.Parallel()
	s, box, person := seat.New(t), newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	panel := s.StartPanel()
	a := newTrayApp(t, s, inMemory+profileFor("one", box, ""), person.env())
	a.launch()
	icon := iconOf(a, panel)
	icon.line("mcpauth-tray — 0 of 1 ready")
	icon.line("one — Sign-in needed")
	icon.shows("sign-in")
	person.opened(0)

	icon.click("Sign in to one…")
	icon.line("one — Ready (until *")
	icon.line("mcpauth-tray — 1 of 1 ready")
	icon.shows("ok")
	if icon.Menu().Find("Sign in to one…") != nil {
		t.Error("the menu still offers the sign-in")
	}
	person.opened(1)
	echoes(t, a.waitPhase("one", status.Ready).URL)

	icon.click("one*/Sign out")
	icon.line("one — Sign-in needed")
	icon.shows("sign-in")
	if n := box.Count(sandbox.KindConsent); n != 1 {
		t.Errorf("%d sign-ins", n)
	}

	// Somebody who starts it twice is told where it is.
	out, err := a.command("run").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "running already") {
		t.Errorf("a second start: %v, %q", err, out)
	}
	a.fails(exitOtherInstance, "run", "--no-tray")

	icon.click("Quit (stops all proxies)")
	a.ends()
	a.cmd = nil
}

// The sign-in page opens for the face that asked, and only there.
func TestASignInBesideTheTray(t *testing.T) {
	t.Parallel()
	s, box, person := seat.New(t), newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	panel := s.StartPanel()
	a := newTrayApp(t, s, inMemory+profileFor("one", box, ""), person.env())
	a.launch()
	icon := iconOf(a, panel)
	icon.line("Sign in to one…")
	a.signIn("one")
	icon.line("one — Ready (until *")
	person.opened(1)

	a.refused(4, func() { a.edit(inMemory + "  one: {targett: x}\n") })
	icon.line("profiles.yaml not applied: 4:9 *")
	icon.shows("error")
	a.applied(func() { a.edit(inMemory + profileFor("one", box, "") + profileFor("two", box, "")) })
	icon.line("two — *")
	a.run("quit")
	a.ends()
	a.cmd = nil
}

func TestADesktopWithoutATray(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]string{"no panel": "", "no bus": "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent/bus"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := newBox(t, sandbox.Options{Open: true})
			a := newTrayApp(t, seat.New(t), inMemory+openProfile("one", box, ""), env)
			a.launch()
			a.eventually("a word about the tray", func() bool { return strings.Contains(a.log.String(), "mcpauth-tray status") })
			echoes(t, a.waitPhase("one", status.Ready).URL)
			a.run("quit")
			a.ends()
			a.cmd = nil
			if n := strings.Count(a.log.String(), "mcpauth-tray status"); n != 1 {
				t.Errorf("it was said %d times:\n%s", n, a.log)
			}
		})
	}
}
