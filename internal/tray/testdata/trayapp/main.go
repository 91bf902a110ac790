// Command trayapp is the tray under test. Its engine is played by the test: commands
// come as JSON lines on standard input, and everything the tray asks for is printed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
	"github.com/mcpauth-tray/mcpauth-tray/internal/tray"
)

// command is one line of input; what is set is done.
type command struct {
	Snapshot *status.Snapshot
	Fail     map[string]string // action → the error it gets from now on
	Foreign  bool              // use the connection that the library uses
	Quit     bool
}

type engine struct {
	feed status.Feed
	mu   sync.Mutex // guards fail and standard output
	fail map[string]string
}

func (e *engine) Watch(ctx context.Context) iter.Seq[*status.Snapshot] { return e.feed.Watch(ctx) }

func (e *engine) Do(_ context.Context, a supervisor.Action) error { return e.say("do", a.String()) }

// say prints a line and returns the error wanted for it.
func (e *engine) say(what ...string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	line := strings.ReplaceAll(strings.Join(what, " "), "\n", `\n`)
	fmt.Println(line)
	if text, ok := e.fail[line]; ok {
		return errors.New(text)
	}
	return nil
}

func (e *engine) obey(cancel func()) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			panic(err)
		}
		if c.Snapshot != nil {
			e.feed.Publish(c.Snapshot)
		}
		if c.Fail != nil {
			e.mu.Lock()
			e.fail = c.Fail
			e.mu.Unlock()
		}
		if c.Foreign {
			conn, err := dbus.SessionBus()
			if err == nil {
				_, err = conn.RequestName("org.example.foreign", dbus.NameFlagDoNotQueue)
			}
			_ = e.say("foreign", fmt.Sprint(err))
		}
		if c.Quit {
			cancel()
		}
	}
	cancel()
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	e := &engine{}
	go e.obey(cancel)
	err := tray.Run(ctx, e, tray.Desktop{
		OpenURL:  func(url string) error { return e.say("open", url) },
		OpenFile: func(path string) error { return e.say("file", path) },
		Copy:     func(text string) error { return e.say("copy", text) },
		Notify:   func(title, body string) { _ = e.say("notify", title, "|", body) },
		EditClient: func(c tray.ClientEdit) error {
			return e.say("edit", c.Client, c.Profile, fmt.Sprintf("remove=%t force=%t", c.Remove, c.Force))
		},
	}, tray.Options{
		Notice: func(text string) { _ = e.say("notice", text) },
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	_ = e.say("ended", fmt.Sprint(err), fmt.Sprint(errors.Is(err, tray.ErrNoTray)))
}
