//go:build linux

package tray

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/assets"
	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// up starts a bus, a panel and the tray with a first state.
func up(t *testing.T, first *status.Snapshot) (*child, *item) {
	t.Helper()
	t.Parallel()
	s := seat.New(t)
	p := s.StartPanel()
	c := startChild(t, s.Address)
	c.publish(first)
	return c, itemOn(t, p)
}

const link = "https://auth.example.com/authorize?state=one"

func TestSignInFromTheMenu(t *testing.T) {
	c, it := up(t, snapshot(signedOut("github"), signedIn("linear")))
	if id := it.Property("Id"); id != app {
		t.Errorf("the icon's id is %v", id)
	}
	it.shows(wanting)

	it.click("Sign in to github…")
	c.expect("do sign-in github")
	c.publish(snapshot(signingIn("github", ""), signedIn("linear")))
	it.line("github — Signing in…")
	c.publish(snapshot(signingIn("github", link), signedIn("linear")))
	c.expect("open " + link)
	it.line("github — Waiting for the browser…/Cancel sign-in")
	it.gone("Sign in to github…")
	it.gone("github — Waiting for the browser…/Sign in…")
	it.shows(busy)

	it.click("github — Waiting for the browser…/Copy sign-in link")
	c.publish(snapshot(signingIn("github", link+"-fresh"), signedIn("linear")))
	c.expect("copy " + link + "-fresh")
	it.click("github — Waiting for the browser…/Copy URL")
	c.expect("copy http://127.0.0.1:7801/mcp")

	it.click("github — Waiting for the browser…/Cancel sign-in")
	c.expect("do cancel github")
	c.publish(snapshot(signedOut("github"), signedIn("linear")))
	it.line("Sign in to github…")

	// Somebody else's sign-in: their face opens the browser.
	c.publish(snapshot(signingIn("github", link+"-other"), signedIn("linear")))
	it.line("github — Waiting for the browser…")
	c.publish(snapshot(signedIn("github"), signedIn("linear")))
	it.line("github — Ready (until 14:05)/Sign out")
	it.line("mcpauth-tray — 2 of 2 ready")
	it.shows(ready)
	if n := c.count("open "); n != 1 {
		t.Errorf("the browser was opened %d times", n)
	}

	it.click("github — Ready (until 14:05)/Sign out")
	c.expect("do sign-out github")
	it.click("github — Ready (until 14:05)/Restart")
	c.expect("do restart github")
	for _, click := range [][2]string{{"Open profiles.yaml", "file /home/ada/"}, {"Reload", "do reload"},
		{"Pause", "do pause"}, {"Quit (stops all proxies)", "do quit"}} {
		it.click(click[0])
		c.expect(click[1])
	}
	c.quit()
}

func TestProfilesChange(t *testing.T) {
	c, it := up(t, snapshot(signedOut("github")))
	it.line("github — Sign-in needed/Sign in…")
	c.publish(snapshot(signedIn("linear"), signedOut("github"), signedOut("jira")))
	it.line("jira — Sign-in needed/Sign in…")
	it.click("Sign in to jira…")
	c.expect("do sign-in jira")
	text := lines(it.Menu(), "")
	if a, b := strings.Index(text, "\nlinear"), strings.Index(text, "\ngithub"); a < 0 || b < a {
		t.Errorf("the profiles are not in the order of the file:\n%s", text)
	}
	if n := strings.Count(text, "Quit"); n != 1 {
		t.Errorf("the menu has %d lines to quit:\n%s", n, text)
	}
	c.publish(snapshot())
	it.line("No profiles yet*")
	c.quit()
}

func TestClientsFromTheMenu(t *testing.T) {
	github := func(entries ...status.ClientEntry) *status.Snapshot {
		c := []status.Client{client("cursor", "Cursor"), client("zed", "Zed")}
		for i, e := range entries {
			c[i] = client(c[i].ID, c[i].Name, e)
		}
		return withClients(snapshot(signedIn("github"), signedIn("linear")), c...)
	}
	c, it := up(t, snapshot(signedIn("github"), signedIn("linear")))
	it.line("linear*/Copy URL")
	it.gone("linear*/Add to client")

	c.publish(github())
	it.click("linear*/Add to client/Zed…")
	c.expect("edit zed linear remove=false force=false")
	added := it.line("github*/Add to client/Cursor…")
	it.clickID(added.ID)
	c.expect("edit cursor github remove=false force=false")

	c.publish(github(entry("github", status.ClientCurrent), entry("github", status.ClientForeign)))
	it.click("github*/Add to client/Zed — changed by somebody, replace…")
	c.expect("edit zed github remove=false force=true")
	if row := it.line("github*/Add to client/Cursor — added"); row.Is("enabled") || row.ID != added.ID {
		t.Error("the line was not changed in place")
	}
	it.gone("linear*/Add to client/Remove from Cursor…")
	it.click("github*/Add to client/Remove from Cursor…")
	c.expect("edit cursor github remove=true force=false")
	it.clickID(it.line("github*/Add to client").ID)

	c.publish(github(entry("github", status.ClientUnreadable), entry("github", status.ClientForeign)))
	it.click("github*/Add to client/Cursor — config cannot be read")
	c.expect("file /home/ada/.cursor.json")
	c.publish(withClients(snapshot(signedIn("github")), waiting(client("zed", "Zed", wanted("github")))))
	it.gone("github*/Add to client/Cursor*")
	it.click("github*/Add to client/Zed — will be added when it is quit, add now…")
	eventually(t, func() string { return "the last click came to nothing" }, func() bool { return c.count("edit zed github remove=false force=true") == 2 })
	if n := c.count("edit "); n != 5 {
		t.Errorf("%d edits", n)
	}
	c.quit()
}

// Hosts report clicks on lines that nobody can click.
func TestClicksThatCannotBeMeant(t *testing.T) {
	c, it := up(t, snapshot(signedOut("github")))
	it.line("github — Sign-in needed/Sign in…")
	row := it.line("github — Sign-in needed")
	seen := 0
	for _, line := range row.Children {
		if !line.Is("visible") || !line.Is("enabled") {
			it.clickID(line.ID)
			seen++
		}
	}
	if seen < 4 {
		t.Errorf("only %d lines are hidden or disabled", seen)
	}
	it.clickID(it.line("mcpauth-tray*").ID)
	it.clickID(row.ID)
	it.click("Reload") // is carried out after all of the above
	c.expect("do reload")
	for _, l := range c.lines() {
		if strings.HasPrefix(l, "do ") && l != "do reload" || strings.HasPrefix(l, "copy") || strings.HasPrefix(l, "open") {
			t.Errorf("a click led to %q", l)
		}
	}
}

func TestBurstOfClicks(t *testing.T) {
	c, it := up(t, snapshot(signedOut("github")))
	id := it.line("Sign in to github…").ID
	c.publish(snapshot(signedOut("github")))
	var work sync.WaitGroup
	for range 100 { // a bus holds back the 129th call without an answer
		work.Go(func() { it.clickID(id) })
	}
	work.Wait()
	c.publish(snapshot(signingIn("github", link)))
	c.expect("open ")
	it.click("Reload")
	c.expect("do reload")
	if n := c.count("do sign-in"); n != 1 {
		t.Errorf("%d sign-ins were started", n)
	}
	if n := c.count("open "); n != 1 {
		t.Errorf("the browser was opened %d times", n)
	}
	c.quit()
}

// The menu is built anew again and again while somebody clicks all over it.
func TestRebuildUnderClicks(t *testing.T) {
	c, it := up(t, snapshot(signedIn("p0")))
	it.line("p0*/Copy URL")
	stop, ctx := make(chan struct{}), soon.Context(t)
	var work sync.WaitGroup
	for range 3 {
		work.Go(func() {
			for id := int32(1); ; id++ {
				select {
				case <-stop:
					return
				default:
					_ = it.Click(ctx, id%600)
				}
			}
		})
	}
	for i := range 6 {
		profiles := []status.Profile{signedIn(fmt.Sprintf("p%d", i+1)), signedIn("always")}
		c.publish(snapshot(profiles...))
		it.line(fmt.Sprintf("p%d*/Copy URL", i+1))
	}
	close(stop)
	work.Wait()
	c.quit()
}

func TestFiftyProfiles(t *testing.T) {
	var profiles []status.Profile
	for i := range 50 {
		profiles = append(profiles, signedOut(fmt.Sprintf("profile-%02d", i)))
	}
	c, it := up(t, snapshot(signedOut("one")))
	it.line("one*/Sign in…")
	var clients []status.Client
	for i := range 10 {
		clients = append(clients, client(fmt.Sprintf("client-%d", i), fmt.Sprintf("Client %d", i)))
	}
	c.publish(withClients(snapshot(profiles...), clients...))
	it.line("profile-49 — Sign-in needed/Restart")
	it.click("profile-49 — Sign-in needed/Add to client/Client 9…")
	c.expect("edit client-9 profile-49")
	it.line("45 more below")
	it.line("Sign in to profile-04…")
	it.gone("Sign in to profile-05…")
	for i := range profiles {
		profiles[i] = signedIn(profiles[i].Name)
	}
	c.publish(withClients(snapshot(profiles...), clients...))
	it.line("mcpauth-tray — 50 of 50 ready")
	it.line("profile-49 — Ready (until 14:05)/Sign out")
	it.gone("45 more below")
	c.quit()
}

func TestFailedClickIsTold(t *testing.T) {
	c, it := up(t, snapshot(signedOut("github")))
	c.send(map[string]any{"fail": map[string]string{
		"do sign-in github": "the provider cannot be reached", "do reload": "profiles.yaml is invalid"}})
	c.publish(snapshot(signedOut("github"), signedIn("linear")))
	it.line("linear — Ready (until 14:05)") // so that is known too: what is sent is read in order
	it.click("Sign in to github…")
	c.expect("notify The sign-in to github did not start | the provider cannot be reached")
	it.click("Reload")
	c.expect("notify profiles.yaml was not reloaded | profiles.yaml is invalid")
	// That sign-in never was: a later one is not ours.
	c.publish(snapshot(signingIn("github", link)))
	it.line("github — Waiting for the browser…")
	if c.count("open ") != 0 {
		t.Error("the browser was opened")
	}
	c.quit()
}

func TestTheIconComesBackWithThePanel(t *testing.T) {
	t.Parallel()
	s := seat.New(t)
	p := s.StartPanel()
	c := startChild(t, s.Address)
	c.publish(snapshot(signedOut("github")))
	itemOn(t, p).line("Sign in to github…")
	// Any answer on the connection that the library uses makes it give up.
	c.send(map[string]any{"foreign": true})
	c.expect("foreign <nil>")
	for range 5 {
		p.Close()
		p = s.StartPanel()
		itemOn(t, p).line("Sign in to github…")
	}
	if n := c.count("notice"); n != 0 {
		t.Errorf("%d notices", n)
	}
	c.quit()
}

// A panel that comes later gets all of the menu, however deep.
func TestANewPanelGetsTheWholeMenu(t *testing.T) {
	t.Parallel()
	s := seat.New(t)
	p := s.StartPanel()
	c := startChild(t, s.Address)
	c.publish(withClients(snapshot(signedIn("github")), client("zed", "Zed")))
	old := itemOn(t, p).line("github*/Add to client/Zed…").ID
	p.Close()
	it := itemOn(t, s.StartPanel())
	eventually(t, func() string { return "the menu was not built anew" }, func() bool {
		line := it.Menu().Find("github*/Add to client/Zed…")
		return line != nil && line.ID != old
	})
	it.click("github*/Add to client/Zed…")
	c.expect("edit zed github")
	c.quit()
}

// A panel that takes the place of another just when the icon has registered gets it, too.
func TestThePanelIsReplacedAtTheStart(t *testing.T) {
	t.Parallel()
	s := seat.New(t)
	p := s.StartPanel()
	c := startChild(t, s.Address)
	c.publish(snapshot(signedOut("github")))
	itemOn(t, p)
	p.Close()
	itemOn(t, s.StartPanel()).line("Sign in to github…")
	c.quit()
}

func TestTheAppStartsBeforeThePanel(t *testing.T) {
	t.Parallel()
	s := seat.New(t)
	c := startChild(t, s.Address)
	c.publish(snapshot(signedOut("github")))
	c.expect("notice no panel here")
	p := s.StartPanel()
	it := itemOn(t, p)
	it.click("Sign in to github…")
	c.expect("do sign-in github")
	if n := c.count("notice"); n != 1 {
		t.Errorf("%d notices", n)
	}
	c.quit()
}

func TestTheBusDies(t *testing.T) {
	t.Parallel()
	s := seat.New(t)
	p := s.StartPanel()
	c := startChild(t, s.Address)
	c.publish(snapshot(signedOut("github")))
	itemOn(t, p).line("Sign in to github…")
	seat.End(s.Bus)
	c.expect("notice the tray icon is gone")
	for _, s := range []*status.Snapshot{snapshot(signedIn("github")), snapshot(signedIn("other")), snapshot()} {
		c.publish(s)
		time.Sleep(2 * settle / 3) // nothing tells from outside that a dead menu was drawn
	}
	time.Sleep(2 * settle)
	c.quit()
}

func TestNoBus(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "bus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	silent, err := net.Listen("unix", dir+"/silent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for name, address := range map[string]string{
		"missing": "unix:path=" + dir + "/none", "garbage": "garbage", "disabled": "disabled:",
		"silent": "unix:path=" + dir + "/silent",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startChild(t, address)
			c.expect("ended no tray on this desktop: no D-Bus session bus: ")
			c.ends()
			if c.err != nil || c.count("notice") != 0 || c.count("panic") != 0 {
				t.Errorf("the tray ended with %v", c.err)
			}
		})
	}
}

func TestQuitAtOnce(t *testing.T) {
	t.Parallel()
	startChild(t, seat.New(t).Address).quit()
}

// shows waits until the icon on the panel is the picture of a state.
func (it *item) shows(want icon) {
	it.t.Helper()
	img, err := png.Decode(bytes.NewReader(assets.Icon(string(want))))
	if err != nil {
		it.t.Fatal(err)
	}
	eventually(it.t, func() string { return "the icon is not that for " + string(want) }, func() bool {
		entry := it.Property("IconPixmap").([][]any)[0]
		return samePicture(img, int(entry[0].(int32)), entry[2].([]byte))
	})
}

// samePicture compares with straight alpha, which is what panels take.
func samePicture(img image.Image, width int, argb []byte) bool {
	b := img.Bounds()
	if b.Dx() != width || len(argb) != 4*b.Dx()*b.Dy() {
		return false
	}
	for y := range b.Dy() {
		for x := range b.Dx() {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			got := argb[4*(y*width+x):]
			// Of a pixel that can hardly be seen the colour is not exact.
			if got[0] != c.A || c.A > 64 && !near(color.RGBA{got[1], got[2], got[3], 255}, color.RGBA{c.R, c.G, c.B, 255}) {
				return false
			}
		}
	}
	return true
}
