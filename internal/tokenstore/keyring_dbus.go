//go:build unix && !darwin

package tokenstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/godbus/dbus/v5"
	"github.com/zalando/go-keyring"
)

// Names of the Secret Service API, freedesktop.org draft 0.2.
const (
	busName    = "org.freedesktop.secrets"
	rootPath   = dbus.ObjectPath("/org/freedesktop/secrets")
	loginPath  = rootPath + "/collection/login"
	noPath     = dbus.ObjectPath("/")
	serviceAPI = "org.freedesktop.Secret.Service"
	collection = "org.freedesktop.Secret.Collection"
	promptAPI  = "org.freedesktop.Secret.Prompt"
	properties = "org.freedesktop.DBus.Properties"
)

// osKeyring is the Secret Service: GNOME Keyring, KWallet, KeePassXC.
type osKeyring struct {
	tried atomic.Bool // to open, without a person, the collection that is locked
}

// Open looks, on a connection of its own, at the collection that go-keyring uses.
// go-keyring would prompt on the connection that the tray shares, without an end,
// and its signals would break the tray's; once the collection is open it never does.
func (k *osKeyring) Open(ctx context.Context) error {
	return visit(ctx, func(s secretService) error {
		path, locked, err := s.look(ctx)
		switch {
		case err != nil:
			return err
		case path == noPath:
			return fail(ErrLocked, "it has not been set up yet", nil)
		case !locked:
			k.tried.Store(false)
			return nil
		case k.tried.Swap(true):
			return fail(ErrLocked, "", nil)
		}
		// A keyring without a password opens at once. The prompt of another is never
		// shown, and goes with the connection.
		prompt, err := s.unlock(ctx, path)
		if err == nil && prompt != noPath {
			err = fail(ErrLocked, "", nil)
		}
		return err
	})
}

// Unlock keeps its connection until the prompt was answered, and never dismisses it.
// gnome-keyring aborts when a prompt on the screen is dismissed, and may when its
// client disconnects (seen in 42 and 50): then every keyring of the user is locked.
func (*osKeyring) Unlock() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return visit(ctx, func(s secretService) error {
		path, locked, err := s.look(ctx)
		if err != nil || path != noPath && !locked {
			return err
		}
		prompt, err := s.unlock(ctx, path)
		if err != nil || prompt == noPath {
			return err
		}
		return s.show(ctx, prompt)
	})
}

func visit(ctx context.Context, do func(secretService) error) error {
	conn, err := connect(ctx)
	if err != nil {
		return classify(err)
	}
	defer conn.Close()
	return classify(do(secretService{conn}))
}

// connect never launches a bus. ctx bounds the handshake, which has no deadline of
// its own; the connection outlives ctx.
func connect(ctx context.Context) (*dbus.Conn, error) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, end)()
	conn, err := dbus.SessionBusPrivateNoAutoStartup(dbus.WithContext(life))
	if err != nil {
		end()
		return nil, err
	}
	if err = conn.Auth(nil); err == nil {
		err = conn.Hello()
	}
	if err != nil {
		conn.Close()
		end()
		return nil, cmp.Or(ctx.Err(), err)
	}
	return conn, nil
}

// secretService is one visit to the keyring daemon.
type secretService struct {
	conn *dbus.Conn
}

// look returns the collection that go-keyring uses, login or else the default, and
// whether it is locked; noPath for a user who has none yet.
func (s secretService) look(ctx context.Context) (path dbus.ObjectPath, locked bool, err error) {
	var all, flag dbus.Variant
	if err := s.call(ctx, rootPath, properties+".Get", serviceAPI, "Collections").Store(&all); err != nil {
		return noPath, false, err
	}
	if paths, _ := all.Value().([]dbus.ObjectPath); slices.Contains(paths, loginPath) {
		path = loginPath
	} else if err := s.call(ctx, rootPath, serviceAPI+".ReadAlias", "default").Store(&path); err != nil || path == noPath {
		return noPath, false, err
	}
	err = s.call(ctx, path, properties+".Get", collection, "Locked").Store(&flag)
	return path, flag.Value() != false, err
}

// unlock opens the collection, or makes the default one when path is noPath, and
// returns the prompt that this takes, noPath for none.
func (s secretService) unlock(ctx context.Context, path dbus.ObjectPath) (prompt dbus.ObjectPath, err error) {
	if path == noPath {
		label := map[string]dbus.Variant{collection + ".Label": dbus.MakeVariant("Default keyring")}
		err = s.call(ctx, rootPath, serviceAPI+".CreateCollection", label, "default").Store(&path, &prompt)
		return prompt, err
	}
	var unlocked []dbus.ObjectPath
	err = s.call(ctx, rootPath, serviceAPI+".Unlock", []dbus.ObjectPath{path}).Store(&unlocked, &prompt)
	if err == nil && prompt == noPath && len(unlocked) == 0 {
		err = fail(ErrLocked, "", nil)
	}
	return prompt, err
}

// show puts a prompt on the screen, within ctx, and waits for its end.
func (s secretService) show(ctx context.Context, prompt dbus.ObjectPath) error {
	signals := make(chan *dbus.Signal, 16)
	s.conn.Signal(signals)
	completed := []dbus.MatchOption{dbus.WithMatchObjectPath(prompt), dbus.WithMatchInterface(promptAPI)}
	if err := s.conn.AddMatchSignalContext(ctx, completed...); err != nil {
		return err
	}
	owner := []dbus.MatchOption{dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, busName)}
	if err := s.conn.AddMatchSignalContext(ctx, owner...); err != nil {
		return err
	}
	if err := s.call(ctx, prompt, promptAPI+".Prompt", "").Err; err != nil {
		return err
	}
	for sig := range signals { // closed with the connection
		if sig.Name == "org.freedesktop.DBus.NameOwnerChanged" {
			break
		}
		if sig.Name == promptAPI+".Completed" && sig.Path == prompt {
			return answered(sig)
		}
	}
	return fail(ErrAbsent, "it went away during its prompt", nil)
}

func answered(completed *dbus.Signal) error {
	if len(completed.Body) > 0 && completed.Body[0] == false {
		return nil
	}
	return fail(ErrLocked, "its prompt was dismissed", nil)
}

func (s secretService) call(ctx context.Context, path dbus.ObjectPath, method string, args ...any) *dbus.Call {
	return s.conn.Object(busName, path).CallWithContext(ctx, method, 0, args...)
}

// classify sorts the errors of D-Bus and of go-keyring, which has one text and no
// type for every way of staying locked.
func classify(err error) error {
	var known *failure
	var bus dbus.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, keyring.ErrNotFound):
		return fail(ErrNotFound, "", err)
	case errors.Is(err, keyring.ErrUnsupportedPlatform):
		return fail(ErrAbsent, "this build cannot reach one", err)
	case errors.Is(err, context.Canceled):
		return abandoned(err)
	case errors.Is(err, context.DeadlineExceeded):
		return fail(ErrTimeout, "", err)
	case strings.HasPrefix(err.Error(), "failed to unlock"):
		return fail(ErrLocked, "", err)
	case errors.As(err, &bus) && strings.HasSuffix(bus.Name, ".IsLocked"):
		return fail(ErrLocked, "", err)
	case errors.As(err, &bus):
		return fail(ErrAbsent, bus.Name, err)
	default:
		return fail(ErrAbsent, "no D-Bus session to reach one", err)
	}
}
