// Package tray is the face in the notification area: a Snapshot becomes an icon and a
// menu, and a click becomes an Action. Menu is a pure function; everything that touches
// the screen lies behind it.
//
// It must not know control, proxy or oauth, and it keeps no state of its own beyond
// what is on the screen and which sign-ins were asked for here.
package tray

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// app is the name people see, and the constant identity of the icon: panels key
// their own settings by it.
const app = "mcpauth-tray"

// ErrNoTray says that nothing here can show a tray icon. It wraps the reason.
var ErrNoTray = errors.New("no tray on this desktop")

// Desktop is what a click may do besides an Action. None may be nil, and each returns
// within a few seconds.
type Desktop struct {
	OpenURL  func(url string) error
	OpenFile func(path string) error
	Copy     func(text string) error
	Notify   func(title, body string)
	// EditClient shows the person a change of a client's config and has them confirm it.
	// It does not wait for what they say.
	EditClient func(ClientEdit) error
}

// Options are the rest of what Run needs.
type Options struct {
	// Notice is told, once each, that no panel shows the icon for now and that the icon
	// is gone for good, in one line for a person, from another goroutine. May be nil.
	Notice func(string)
	// SessionEnd is called when the desktop ends the session (Windows and macOS): the
	// process is killed soon after it returns. Nil: the engine is asked to quit.
	SessionEnd func()
	Logger     *slog.Logger // nil: discard
}

// Run shows the tray until ctx ends, and returns when all it started has ended. It must
// be called on the main goroutine and at most once in a process.
//
// An ErrNoTray comes within seconds and means that nothing is left running. A desktop
// without a panel is none: the icon appears when a panel does. Losing the panel or the session
// bus later ends nothing either.
//
// The library below writes its complaints to the standard logger of package log.
func Run(ctx context.Context, engine supervisor.Engine, d Desktop, o Options) error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	if o.SessionEnd == nil {
		o.SessionEnd = func() { _ = engine.Do(ctx, supervisor.Action{Verb: supervisor.Quit}) }
	}
	return show(ctx, newFace(engine, d, o.Logger, time.Now()), o)
}
