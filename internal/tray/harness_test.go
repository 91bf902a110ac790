//go:build linux

package tray

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// missing skips a test whose outside part is not installed, except where all must be.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// eventually waits until ok says yes; what is shown when it never does.
func eventually(t *testing.T, what func() string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(soon.Limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what())
		}
	}
}

// trayApp builds the program under test: the library runs once in a process, and races
// within itself, so it is never built with the race detector.
var trayApp = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "trayapp")
	if err != nil {
		return "", err
	}
	cleanups = append(cleanups, func() { os.RemoveAll(dir) })
	cmd := exec.Command("go", "build", "-o", dir, "./testdata/trayapp")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%w: %s", err, out)
	}
	return dir, nil
})

const busConf = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`

// startBus runs a message bus of the test's own, which starts no services by itself.
func startBus(t *testing.T) (address string, kill func()) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "bus") // the path of a socket has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, busConf, dir), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dbus-daemon", "--config-file="+conf, "--nofork", "--nopidfile", "--nosyslog", "--print-address=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		missing(t, err)
	}
	kill = sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); os.RemoveAll(dir) })
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), kill
}

func connect(t *testing.T, address string) *dbus.Conn {
	t.Helper()
	c, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// panel is a StatusNotifierWatcher and the host of its items.
type panel struct {
	conn  *dbus.Conn
	items chan string // bus names of items that registered
}

func (p *panel) RegisterStatusNotifierItem(service string, sender dbus.Sender) *dbus.Error {
	if service != "/StatusNotifierItem" {
		return dbus.MakeFailedError(fmt.Errorf("an item registered as %q", service))
	}
	p.items <- string(sender)
	return nil
}

func (p *panel) RegisterStatusNotifierHost(string) *dbus.Error { return nil }

func startPanel(t *testing.T, address string) *panel {
	t.Helper()
	p := &panel{conn: connect(t, address), items: make(chan string, 64)}
	_, err := prop.Export(p.conn, watcherPath, prop.Map{watcher: {
		"IsStatusNotifierHostRegistered": {Value: true, Emit: prop.EmitTrue},
		"ProtocolVersion":                {Value: int32(0), Emit: prop.EmitFalse},
	}})
	if err == nil {
		err = p.conn.Export(p, watcherPath, watcher)
	}
	if err == nil {
		_, err = p.conn.RequestName(watcher, dbus.NameFlagDoNotQueue)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// item waits for the icon to register.
func (p *panel) item(t *testing.T) *item {
	t.Helper()
	name := soon.Receive(t, p.items, "an icon is registered")
	return &item{t: t, icon: p.conn.Object(name, itemPath), menu: p.conn.Object(name, itemPath+"/menu")}
}

// child is the program under test.
type child struct {
	t    *testing.T
	in   io.WriteCloser
	cmd  *exec.Cmd
	done chan struct{}
	err  error

	mu  sync.Mutex
	log []string
}

func startChild(t *testing.T, address string) *child {
	t.Helper()
	dir, err := trayApp()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(filepath.Join(dir, "trayapp")), done: make(chan struct{})}
	c.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TZ=UTC", "HOME=" + t.TempDir(), "DBUS_SESSION_BUS_ADDRESS=" + address}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	c.cmd.Stdout, c.cmd.Stderr = w, w
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			c.mu.Lock()
			c.log = append(c.log, lines.Text())
			c.mu.Unlock()
		}
	}()
	go func() { c.err = c.cmd.Wait(); w.Close(); <-read; close(c.done) }()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.done
		if t.Failed() {
			t.Logf("the tray said:\n  %s", strings.Join(c.lines(), "\n  "))
		}
	})
	return c
}

func (c *child) lines() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.log...)
}

func (c *child) send(v map[string]any) {
	c.t.Helper()
	line, err := json.Marshal(v)
	if err == nil {
		_, err = c.in.Write(append(line, '\n'))
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *child) publish(s *status.Snapshot) { c.t.Helper(); c.send(map[string]any{"snapshot": s}) }

// count is how many lines start with a text.
func (c *child) count(start string) (n int) {
	for _, l := range c.lines() {
		if strings.HasPrefix(l, start) {
			n++
		}
	}
	return n
}

// expect waits for a line that starts with a text, and returns it.
func (c *child) expect(start string) (found string) {
	c.t.Helper()
	eventually(c.t, func() string { return "the tray never said " + start }, func() bool {
		for _, l := range c.lines() {
			if strings.HasPrefix(l, start) {
				found = l
				return true
			}
		}
		return false
	})
	return found
}

// quit ends the program and checks that it ends well.
func (c *child) quit() {
	c.t.Helper()
	c.send(map[string]any{"quit": true})
	c.ends()
	if c.err != nil || c.count("ended <nil>") != 1 {
		c.t.Errorf("the tray ended with %v", c.err)
	}
}

func (c *child) ends() {
	c.t.Helper()
	soon.Receive(c.t, c.done, "the tray ends")
}

// item is an icon as its panel sees it.
type item struct {
	t          *testing.T
	icon, menu dbus.BusObject
}

func (it *item) property(name string) any {
	it.t.Helper()
	var v dbus.Variant
	call := it.icon.CallWithContext(soon.Context(it.t), "org.freedesktop.DBus.Properties.Get", 0, "org.kde.StatusNotifierItem", name)
	if err := call.Store(&v); err != nil {
		it.t.Fatalf("%s: %v", name, err)
	}
	return v.Value()
}

// node is a line of a menu as its panel sees it.
type node struct {
	ID       int32
	Props    map[string]dbus.Variant
	Children []node
}

func (n *node) label() string {
	s, _ := n.Props["label"].Value().(string)
	return s
}

func (n *node) is(property string) bool {
	b, ok := n.Props[property].Value().(bool)
	return !ok || b
}

func (n *node) separator() bool { return n.Props["type"].Value() == "separator" }

// layout reads the menu once.
func (it *item) layout() node {
	it.t.Helper()
	type raw struct {
		ID       int32
		Props    map[string]dbus.Variant
		Children []dbus.Variant
	}
	var convert func(r raw) node
	convert = func(r raw) node {
		n := node{ID: r.ID, Props: r.Props}
		for _, v := range r.Children {
			var c raw
			if err := dbus.Store([]any{v.Value()}, &c); err != nil {
				it.t.Fatal(err)
			}
			n.Children = append(n.Children, convert(c))
		}
		return n
	}
	var revision uint32
	var r raw
	call := it.menu.CallWithContext(soon.Context(it.t), "com.canonical.dbusmenu.GetLayout", 0, int32(0), int32(-1), []string{})
	if err := call.Store(&revision, &r); err != nil {
		it.t.Fatal(err)
	}
	return convert(r)
}

// find returns the line with a label, given as "row" or "row/line of its submenu".
// A label may be cut short with a star.
func (n *node) find(path string) *node {
	label, rest, deeper := strings.Cut(path, "/")
	for i := range n.Children {
		c := &n.Children[i]
		start, cut := strings.CutSuffix(label, "*")
		if c.label() != label && !(cut && strings.HasPrefix(c.label(), start)) || !c.is("visible") {
			continue
		}
		if deeper {
			return c.find(rest)
		}
		return c
	}
	return nil
}

// text writes the visible lines of a menu.
func (n *node) text(indent string) string {
	var b strings.Builder
	for i := range n.Children {
		c := &n.Children[i]
		switch {
		case !c.is("visible"):
			continue
		case c.separator():
			b.WriteString(indent + "--------\n")
		case !c.is("enabled"):
			b.WriteString(indent + "(" + c.label() + ")\n")
		default:
			b.WriteString(indent + c.label() + "\n")
		}
		b.WriteString(c.text(indent + "    "))
	}
	return b.String()
}

// line waits for a line that can be seen.
func (it *item) line(path string) *node {
	it.t.Helper()
	var root node
	var found *node
	eventually(it.t, func() string { return fmt.Sprintf("the menu never had %q:\n%s", path, root.text("  ")) }, func() bool {
		root = it.layout()
		found = root.find(path)
		return found != nil
	})
	return found
}

// gone waits until a line cannot be seen.
func (it *item) gone(path string) {
	it.t.Helper()
	eventually(it.t, func() string { return fmt.Sprintf("the menu keeps %q", path) }, func() bool {
		root := it.layout()
		return root.find(path) == nil
	})
}

func (it *item) click(path string) { it.t.Helper(); it.clickID(it.line(path).ID) }

func (it *item) clickID(id int32) {
	it.t.Helper()
	call := it.menu.CallWithContext(soon.Context(it.t), "com.canonical.dbusmenu.Event", 0, id, "clicked", dbus.MakeVariant(""), uint32(0))
	if call.Err != nil {
		it.t.Fatal(call.Err)
	}
}
