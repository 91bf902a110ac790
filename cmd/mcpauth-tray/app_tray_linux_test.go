package main

import (
	"bytes"
	"image/png"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"

	"github.com/mcpauth-tray/mcpauth-tray/assets"
	"github.com/mcpauth-tray/mcpauth-tray/internal/sandbox"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// newTrayApp prepares an app that shows a tray on s. The tray's library races within
// itself, so that it never runs with the race detector.
func newTrayApp(t *testing.T, s *seat, yaml string, env ...string) *app {
	t.Helper()
	a := newApp(t, yaml, append(s.env(), env...)...)
	a.build()
	return a
}

const (
	panelName = "org.kde.StatusNotifierWatcher"
	panelPath = "/StatusNotifierWatcher"
	iconPath  = "/StatusNotifierItem"
)

// panel is a StatusNotifierWatcher and the host of its icons.
type panel struct {
	conn  *dbus.Conn
	icons chan string // bus names of those that registered
}

func (p *panel) RegisterStatusNotifierItem(_ string, sender dbus.Sender) *dbus.Error {
	p.icons <- string(sender)
	return nil
}

func (p *panel) RegisterStatusNotifierHost(string) *dbus.Error { return nil }

func (s *seat) startPanel() *panel {
	s.t.Helper()
	p := &panel{conn: s.connect(), icons: make(chan string, 64)}
	_, err := prop.Export(p.conn, panelPath, prop.Map{panelName: {
		"IsStatusNotifierHostRegistered": {Value: true, Emit: prop.EmitTrue},
		"ProtocolVersion":                {Value: int32(0), Emit: prop.EmitFalse},
	}})
	if err == nil {
		err = p.conn.Export(p, panelPath, panelName)
	}
	if err == nil {
		_, err = p.conn.RequestName(panelName, dbus.NameFlagDoNotQueue)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// trayIcon is an icon as its panel sees it.
type trayIcon struct {
	a          *app
	icon, menu dbus.BusObject
}

// icon waits for the icon of the app.
func (p *panel) icon(a *app) *trayIcon {
	a.t.Helper()
	name := soon.Receive(a.t, p.icons, "an icon to be registered")
	return &trayIcon{a, p.conn.Object(name, iconPath), p.conn.Object(name, iconPath+"/menu")}
}

// lines are the visible lines of the menu: title → id.
func (i *trayIcon) lines() map[string]int32 {
	i.a.t.Helper()
	type node struct {
		ID       int32
		Props    map[string]dbus.Variant
		Children []dbus.Variant
	}
	lines := map[string]int32{}
	var walk func(n node)
	walk = func(n node) {
		title, _ := n.Props["label"].Value().(string)
		if visible, ok := n.Props["visible"].Value().(bool); ok && !visible {
			return
		}
		lines[title] = n.ID
		for _, v := range n.Children {
			var c node
			if err := dbus.Store([]any{v.Value()}, &c); err != nil {
				i.a.t.Fatal(err)
			}
			walk(c)
		}
	}
	var revision uint32
	var root node
	call := i.menu.CallWithContext(soon.Context(i.a.t), "com.canonical.dbusmenu.GetLayout", 0, int32(0), int32(-1), []string{})
	if err := call.Store(&revision, &root); err != nil {
		i.a.t.Fatal(err)
	}
	walk(root)
	return lines
}

// line waits for a line of the menu that begins with title.
func (i *trayIcon) line(title string) (id int32) {
	i.a.t.Helper()
	i.a.eventually("the line "+title, func() bool {
		for text, at := range i.lines() {
			if strings.HasPrefix(text, title) {
				id = at
				return true
			}
		}
		return false
	})
	return id
}

func (i *trayIcon) click(title string) {
	i.a.t.Helper()
	call := i.menu.CallWithContext(soon.Context(i.a.t), "com.canonical.dbusmenu.Event", 0, i.line(title), "clicked", dbus.MakeVariant(""), uint32(0))
	if call.Err != nil {
		i.a.t.Fatal(call.Err)
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
		var v dbus.Variant
		get := i.icon.CallWithContext(soon.Context(i.a.t), "org.freedesktop.DBus.Properties.Get", 0, "org.kde.StatusNotifierItem", "IconPixmap")
		if err := get.Store(&v); err != nil {
			i.a.t.Fatal(err)
		}
		argb := v.Value().([][]any)[0][2].([]byte)
		var shown []byte
		for at := 0; at < len(argb); at += 4 {
			shown = append(shown, argb[at])
		}
		return bytes.Equal(shown, shape)
	})
}

func TestASignInFromTheTray(t *testing.T) {
	t.Parallel()
	s, box, person := newSeat(t), newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	panel := s.startPanel()
	a := newTrayApp(t, s, inMemory+profileFor("one", box, ""), person.env())
	a.launch()
	icon := panel.icon(a)
	icon.line("mcpauth-tray — 0 of 1 ready")
	icon.line("one — Sign-in needed")
	icon.shows("sign-in")
	person.opened(0)

	icon.click("Sign in to one…")
	icon.line("one — Ready (until ")
	icon.line("mcpauth-tray — 1 of 1 ready")
	icon.shows("ok")
	if _, there := icon.lines()["Sign in to one…"]; there {
		t.Error("the menu still offers the sign-in")
	}
	person.opened(1)
	echoes(t, a.waitPhase("one", status.Ready).URL)

	icon.click("Sign out")
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
	s, box, person := newSeat(t), newBox(t, sandbox.Options{}), newBrowser(t, "visit-and-approve")
	panel := s.startPanel()
	a := newTrayApp(t, s, inMemory+profileFor("one", box, ""), person.env())
	a.launch()
	icon := panel.icon(a)
	icon.line("Sign in to one…")
	a.signIn("one")
	icon.line("one — Ready (until ")
	person.opened(1)

	a.refused(4, func() { a.edit(inMemory + "  one: {targett: x}\n") })
	icon.line("profiles.yaml not applied: 4:9 ")
	icon.shows("error")
	a.applied(func() { a.edit(inMemory + profileFor("one", box, "") + profileFor("two", box, "")) })
	icon.line("two — ")
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
			a := newTrayApp(t, newSeat(t), inMemory+openProfile("one", box, ""), env)
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
