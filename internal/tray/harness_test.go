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

	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

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

// item is the icon of the program under test.
type item struct {
	*seat.Icon
	t *testing.T
}

func itemOn(t *testing.T, p *seat.Panel) *item { t.Helper(); return &item{p.Icon(), t} }

// lines writes the visible lines of a menu.
func lines(menu *seat.Line, indent string) string {
	var b strings.Builder
	for i := range menu.Children {
		c := &menu.Children[i]
		switch {
		case !c.Is("visible"):
			continue
		case c.Props["type"].Value() == "separator":
			b.WriteString(indent + "--------\n")
		case !c.Is("enabled"):
			b.WriteString(indent + "(" + c.Label() + ")\n")
		default:
			b.WriteString(indent + c.Label() + "\n")
		}
		b.WriteString(lines(c, indent+"    "))
	}
	return b.String()
}

// line waits for a line that can be seen.
func (it *item) line(path string) *seat.Line {
	it.t.Helper()
	var menu, found *seat.Line
	eventually(it.t, func() string { return fmt.Sprintf("the menu never had %q:\n%s", path, lines(menu, "  ")) }, func() bool {
		menu = it.Menu()
		found = menu.Find(path)
		return found != nil
	})
	return found
}

// gone waits until a line cannot be seen.
func (it *item) gone(path string) {
	it.t.Helper()
	eventually(it.t, func() string { return fmt.Sprintf("the menu keeps %q", path) }, func() bool {
		return it.Menu().Find(path) == nil
	})
}

func (it *item) click(path string) { it.t.Helper(); it.clickID(it.line(path).ID) }

func (it *item) clickID(id int32) {
	it.t.Helper()
	if err := it.Click(soon.Context(it.t), id); err != nil {
		it.t.Fatal(err)
	}
}
