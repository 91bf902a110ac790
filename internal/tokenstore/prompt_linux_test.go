package tokenstore

import (
	"context"
	"errors"
	"io"
	"log"
	"os/exec"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func init() { xgb.Logger = log.New(io.Discard, "", 0) } // it misses .Xauthority

// screen is an X server with the keyring's own prompter and a keyboard.
type screen struct {
	t    *testing.T
	x    *xgb.Conn
	root xproto.Window
}

func (s *session) startScreen() *screen {
	s.t.Helper()
	display := seat.Display(s.t)
	x, err := xgb.NewConnDisplay(display)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(x.Close)
	if err := xtest.Init(x); err != nil {
		s.t.Fatal(err)
	}
	s.startPrompter(display)
	return &screen{s.t, x, xproto.Setup(x).DefaultScreen(x).Root}
}

func (s *session) startPrompter(display string) {
	s.t.Helper()
	path, err := "", error(nil)
	for _, dir := range []string{"/usr/libexec/", "/usr/lib/gcr/", "/usr/lib/gcr4/", "/usr/lib/"} {
		if path, err = exec.LookPath(dir + "gcr-prompter"); err == nil {
			break
		}
	}
	if err != nil {
		seat.Missing(s.t, "gcr-prompter", err)
	}
	prompter := exec.Command(path)
	prompter.Env = s.Env("DISPLAY="+display, "GDK_BACKEND=x11", "LANG=C.UTF-8")
	seat.Start(s.t, prompter)
	s.Owned("org.gnome.keyring.SystemPrompter", true)
}

// waitDialog waits until a dialog is on the screen.
func (s *screen) waitDialog() {
	s.t.Helper()
	soon.Until(s.t, "dialog", s.dialog)
}

// dialog reports whether a dialog is on the screen.
func (s *screen) dialog() bool {
	tree, err := xproto.QueryTree(s.x, s.root).Reply()
	if err != nil {
		return false
	}
	for _, w := range tree.Children {
		a, err := xproto.GetWindowAttributes(s.x, w).Reply()
		g, errG := xproto.GetGeometry(s.x, xproto.Drawable(w)).Reply()
		if err == nil && errG == nil && a.MapState == xproto.MapStateViewable && g.Width > 50 {
			return true
		}
	}
	return false
}

// answer types until the answer has counted: a dialog is on the screen a moment
// before it listens, and asks again after half an answer.
func (s *screen) answer(counted func() bool, symbols ...xproto.Keysym) {
	s.t.Helper()
	next := time.Now()
	soon.Until(s.t, "answer", func() bool {
		if time.Now().After(next) && s.dialog() {
			s.key(symbols...)
			next = time.Now().Add(time.Second)
		}
		return counted()
	})
}

// arrived reports whether Unlock returned.
func arrived(done <-chan error) func() bool { return func() bool { return len(done) > 0 } }

// key presses the keys that give the symbols, which are of Latin-1 or X's own.
func (s *screen) key(symbols ...xproto.Keysym) {
	s.t.Helper()
	setup := xproto.Setup(s.x)
	count := byte(setup.MaxKeycode - setup.MinKeycode + 1)
	keys, err := xproto.GetKeyboardMapping(s.x, setup.MinKeycode, count).Reply()
	if err != nil {
		s.t.Fatal(err)
	}
	per := int(keys.KeysymsPerKeycode)
	for _, symbol := range symbols {
		for i := 0; i < int(count); i++ {
			if keys.Keysyms[i*per] != symbol {
				continue
			}
			code := byte(int(setup.MinKeycode) + i)
			for _, event := range []byte{xproto.KeyPress, xproto.KeyRelease} {
				if err := xtest.FakeInputChecked(s.x, event, code, 0, s.root, 0, 0, 0).Check(); err != nil {
					s.t.Fatal(err)
				}
			}
			break
		}
	}
}

const (
	keyReturn = xproto.Keysym(0xff0d)
	keyEscape = xproto.Keysym(0xff1b)
	keyTab    = xproto.Keysym(0xff09)
)

// The prompt of GNOME, on a screen, with a person who types.
func TestPrompt(t *testing.T) {
	s, dir, blob := newSession(t), t.TempDir(), canary(9)
	screen := s.startScreen()
	s.StartKeyring(true)
	mustSave(t, real(t, dir), "a", blob)
	unlocking := func(ctx context.Context, store *Store) <-chan error {
		done := make(chan error, 1)
		go func() { done <- store.Unlock(ctx) }()
		screen.waitDialog()
		return done
	}
	t.Run("dismissed", func(t *testing.T) {
		s.lock()
		done := unlocking(ctx, real(t, dir))
		screen.answer(arrived(done), keyEscape)
		wantErr(t, soon.Receive(t, done, "the end of Unlock"), ErrLocked)
	})
	// A dialog that is dismissed by its program aborts the daemon, and so would the
	// prompt that an unattended look leaves unseen, were it dismissed meanwhile.
	t.Run("answered after the caller left", func(t *testing.T) {
		store, other := real(t, dir), real(t, dir)
		c, cancel := context.WithCancel(ctx)
		done := unlocking(c, store)
		cancel()
		wantErr(t, soon.Receive(t, done, "the end of Unlock"), ErrLocked)
		for range 20 {
			wantErr(t, new(osKeyring).Open(ctx), ErrLocked)
		}
		wantErr(t, other.Ready(ctx), ErrLocked)
		screen.waitDialog()
		screen.answer(func() bool { return new(osKeyring).Open(ctx) == nil }, 'p', 'w', keyReturn)
		for _, s := range []*Store{store, other} {
			if err := s.Wait(ctx); err != nil {
				t.Fatal(err)
			}
			wantBlob(t, s, "a", blob)
		}
	})
	t.Run("answered", func(t *testing.T) {
		s.lock()
		store := real(t, dir)
		done := unlocking(ctx, store)
		joined := make(chan error, 1)
		go func() { joined <- store.Unlock(ctx) }()
		screen.answer(arrived(done), 'p', 'w', keyReturn)
		if err := errors.Join(soon.Receive(t, done, "the end of Unlock"), soon.Receive(t, joined, "the end of the other Unlock")); err != nil {
			t.Fatal(err)
		}
		wantBlob(t, store, "a", blob)
	})
	t.Run("not needed", func(t *testing.T) {
		s.lock()
		store := real(t, dir)
		s.Unlock()
		if err := store.Unlock(ctx); err != nil {
			t.Fatal(err)
		}
		s.lock()
		if err := store.Unlock(ctx); err != nil { // it has the key
			t.Fatal(err)
		}
	})
	t.Run("daemon dies", func(t *testing.T) {
		done := unlocking(ctx, real(t, dir))
		seat.End(s.Keyring)
		within(t, quick, func() { wantErr(t, soon.Receive(t, done, "the end of Unlock"), ErrAbsent) })
	})
}

// A user who never had a keyring is asked for the password of a new one.
func TestPromptForNewKeyring(t *testing.T) {
	s := newSession(t)
	screen := s.startScreen()
	s.StartKeyring(false)
	store := real(t, t.TempDir())
	wantErr(t, store.Ready(ctx), ErrLocked)
	done := make(chan error, 1)
	go func() { done <- store.Unlock(ctx) }()
	screen.waitDialog()
	screen.answer(arrived(done), 'p', 'w', keyTab, 'p', 'w', keyReturn)
	if err := soon.Receive(t, done, "the end of Unlock"); err != nil {
		t.Fatal(err)
	}
	blob := canary(9)
	mustSave(t, store, "a", blob)
	wantBlob(t, real(t, store.locks.disk.root), "a", blob)
}
