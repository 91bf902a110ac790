//go:build linux

package tray

import (
	"image"
	"image/color"
	"image/png"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

func init() { xgb.Logger = log.New(io.Discard, "", 0) } // it misses an .Xauthority file

// display is an X server without a screen to look at, its pointer and its keyboard.
type display struct {
	t    *testing.T
	name string
	conn *xgb.Conn
	root *xproto.ScreenInfo
}

func startDisplay(t *testing.T) *display {
	t.Helper()
	name := seat.Display(t)
	conn, err := xgb.NewConnDisplay(name)
	if err == nil {
		err = xtest.Init(conn)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return &display{t, name, conn, xproto.Setup(conn).DefaultScreen(conn)}
}

func (d *display) shot() *image.RGBA {
	d.t.Helper()
	w, h := d.root.WidthInPixels, d.root.HeightInPixels
	reply, err := xproto.GetImage(d.conn, xproto.ImageFormatZPixmap, xproto.Drawable(d.root.Root), 0, 0, w, h, 0xffffffff).Reply()
	if err != nil {
		d.t.Fatal(err)
	}
	img := image.NewRGBA(image.Rect(0, 0, int(w), int(h)))
	for i := 0; i+3 < len(reply.Data); i += 4 {
		copy(img.Pix[i:], []byte{reply.Data[i+2], reply.Data[i+1], reply.Data[i], 255})
	}
	return img
}

// keep writes a screenshot into the directory TEST_ARTIFACTS.
func (d *display) keep(name string) {
	d.t.Helper()
	dir := os.Getenv("TEST_ARTIFACTS")
	if dir == "" {
		return
	}
	f, err := os.Create(filepath.Join(dir, name+".png"))
	if err == nil {
		err = png.Encode(f, d.shot())
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// find waits for something of a colour on the screen, of the size of one icon, and
// returns its middle.
func (d *display) find(want color.RGBA) (at image.Point) {
	d.t.Helper()
	d.until("the icon is not on the screen", func(img *image.RGBA) bool {
		box, n := spot(img, want)
		at = box.Min.Add(box.Size().Div(2))
		return n > 60 && box.Dx() < 40 && box.Dy() < 40
	})
	return at
}

// bare waits until nothing is on the screen below the given height.
func (d *display) bare(height int) {
	d.t.Helper()
	d.until("something stays on the screen", func(img *image.RGBA) bool {
		below := img.Rect
		below.Min.Y = height
		_, n := spot(img.SubImage(below).(*image.RGBA), color.RGBA{A: 255})
		return n == below.Dx()*below.Dy()
	})
}

func (d *display) until(what string, ok func(*image.RGBA) bool) {
	d.t.Helper()
	eventually(d.t, func() string { d.keep("failed"); return what }, func() bool { return ok(d.shot()) })
}

// spot is where a colour is, and how many pixels have it.
func spot(img *image.RGBA, want color.RGBA) (box image.Rectangle, n int) {
	for y := img.Rect.Min.Y; y < img.Rect.Max.Y; y++ {
		for x := img.Rect.Min.X; x < img.Rect.Max.X; x++ {
			if near(img.RGBAAt(x, y), want) {
				box, n = box.Union(image.Rect(x, y, x+1, y+1)), n+1
			}
		}
	}
	return box, n
}

func near(a, b color.RGBA) bool {
	close := func(a, b uint8) bool { return max(a, b)-min(a, b) < 12 }
	return close(a.R, b.R) && close(a.G, b.G) && close(a.B, b.B)
}

func (d *display) input(kind, detail byte, at image.Point) {
	d.t.Helper()
	if err := xtest.FakeInputChecked(d.conn, kind, detail, 0, d.root.Root, int16(at.X), int16(at.Y), 0).Check(); err != nil {
		d.t.Fatal(err)
	}
}

// reach opens the menu of the icon of that colour and types keys that each change what is on
// the screen. A busy panel may show a menu before it has all of it, and one that is slow to
// ask for the lines of a new menu loses submenus for good: that menu is closed, built anew,
// and opened once more.
func (d *display) reach(anew func(), icon color.RGBA, menu string, codes ...byte) {
	d.t.Helper()
	for range 4 {
		at := d.find(icon)
		if d.changes(5000, func() {
			d.input(xproto.MotionNotify, 0, at)
			d.input(xproto.ButtonPress, 1, image.Point{})
			d.input(xproto.ButtonRelease, 1, image.Point{})
		}) && d.walk(menu, codes) {
			return
		}
		for range 3 {
			d.key(keyEscape)
		}
		d.bare(40)
		anew()
	}
	d.keep("failed")
	d.t.Fatal("the screen did not change")
}

func (d *display) walk(menu string, codes []byte) bool {
	d.keep(menu)
	for _, code := range codes {
		if !d.changes(20, func() { d.key(code) }) {
			return false
		}
	}
	return true
}

// changes reports whether more than some pixels change and then stand still.
func (d *display) changes(pixels int, do func()) bool {
	d.t.Helper()
	before := d.shot()
	last := before
	do()
	for end := time.Now().Add(soon.Limit / 3); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		now := d.shot()
		if differing(last, now) == 0 && differing(before, now) > pixels {
			return true
		}
		last = now
	}
	return false
}

func differing(a, b *image.RGBA) (n int) {
	for i := 0; i < len(a.Pix); i += 4 {
		if !slices.Equal(a.Pix[i:i+4], b.Pix[i:i+4]) {
			n++
		}
	}
	return n
}

// Keys of an Xvfb keyboard.
const (
	keyDown, keyRight, keyReturn, keyEscape = 116, 114, 36, 9
)

func (d *display) key(code byte) {
	d.t.Helper()
	d.input(xproto.KeyPress, code, image.Point{})
	d.input(xproto.KeyRelease, code, image.Point{})
}

// startXfce runs a real panel with nothing but a tray.
func (d *display) startXfce(s *seat.Seat, dark bool) (stop func()) {
	d.t.Helper()
	conf, err := os.ReadFile("testdata/xfce4-panel.xml")
	if err != nil {
		d.t.Fatal(err)
	}
	home := d.t.TempDir()
	dir := filepath.Join(home, ".config/xfce4/xfconf/xfce-perchannel-xml")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		d.t.Fatal(err)
	}
	text := strings.ReplaceAll(string(conf), "DARK", strconv.FormatBool(dark))
	if err := os.WriteFile(filepath.Join(dir, "xfce4-panel.xml"), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "DISPLAY=" + d.name, "NO_AT_BRIDGE=1",
		"DBUS_SESSION_BUS_ADDRESS=" + s.Address, "LANG=C.UTF-8", "XDG_RUNTIME_DIR=" + home}
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Env = env
		seat.Start(d.t, cmd)
		return cmd
	}
	// The bus starts no services, so the panel's settings daemon is started here.
	daemon := "xfconfd"
	for _, pattern := range []string{"/usr/lib/*/xfce4/xfconf/xfconfd", "/usr/lib*/xfce4/xfconf/xfconfd", "/usr/libexec/xfconfd"} {
		if found, _ := filepath.Glob(pattern); found != nil {
			daemon = found[0]
		}
	}
	run(daemon)
	panel := run("xfce4-panel", "--disable-wm-check")
	s.Owned(watcher, true) // an app that is there first builds its menu anew when the panel comes
	return func() { seat.End(panel) }
}

// The colours of icon.svg.
var (
	amber = color.RGBA{0xd9, 0x80, 0x00, 255}
	blue  = color.RGBA{0x3b, 0x82, 0xe0, 255}
	green = color.RGBA{0x24, 0xa1, 0x48, 255}
	red   = color.RGBA{0xdc, 0x3b, 0x3b, 255}
)

func TestOnARealPanel(t *testing.T) {
	for _, dark := range []bool{false, true} {
		theme := map[bool]string{false: "light", true: "dark"}[dark]
		t.Run(theme, func(t *testing.T) {
			t.Parallel()
			desk := seat.New(t)
			d := startDisplay(t)
			stopPanel := d.startXfce(desk, dark)
			c := startChild(t, desk.Address)
			var shown *status.Snapshot
			show := func(s *status.Snapshot) { shown = s; c.publish(s) }
			// Nothing tells from outside that the panel has all of the menu.
			complete := func() { time.Sleep(settle + nestAfter + time.Second) }
			anew := func() {
				more := *shown
				more.Profiles = append(slices.Clone(more.Profiles), signedIn("another"))
				c.publish(&more)
				complete()
				c.publish(shown)
				complete()
			}
			show(snapshot(signedOut("github"), signedIn("linear"), down("jira")))
			d.find(red)
			d.keep("tray-error-" + theme)
			show(snapshot(signedOut("github"), signedIn("linear"), signedIn("jira")))
			d.reach(anew, amber, "tray-menu-"+theme, keyDown)
			d.key(keyReturn)
			c.expect("do sign-in github")

			show(snapshot(signingIn("github", link), signedIn("linear"), signedIn("jira")))
			c.expect("open " + link)
			d.reach(anew, blue, "tray-signing-in-"+theme, keyDown, keyRight)
			d.keep("tray-submenu-" + theme)
			d.key(keyEscape) // closes the submenu, and with some versions the menu too
			d.key(keyEscape)
			d.bare(40)
			show(snapshot(signedIn("github"), signedIn("linear"), signedIn("jira")))
			d.find(green)
			d.keep("tray-ok-" + theme)

			// Another menu is built while no panel is there to see it.
			stopPanel()
			d.bare(0)
			show(withClients(snapshot(signedOut("github")), client("zed", "Zed", entry("github", status.ClientForeign)),
				client("cursor", "Cursor"), client("vscode", "VS Code", entry("github", status.ClientCurrent))))
			d.startXfce(desk, dark)
			d.find(amber)
			complete()
			d.reach(anew, amber, "tray-again-"+theme, keyDown, keyDown, keyRight, keyDown, keyDown, keyRight, keyDown)
			d.keep("tray-clients-" + theme)
			d.key(keyReturn)
			c.expect("edit cursor github remove=false force=false")
			c.quit()
		})
	}
}
