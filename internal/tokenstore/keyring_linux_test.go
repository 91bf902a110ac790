package tokenstore

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/zalando/go-keyring"

	"github.com/mcpauth-tray/mcpauth-tray/internal/seat"
	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func listenUnix(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// real opens a store over the keyring of the session.
func real(t *testing.T, dir string) *Store {
	t.Helper()
	return mustNew(t, Options{Kind: KindKeyring, Dir: dir})
}

// quick is what waits for nobody, on a machine that is busy with other things. That it is
// no wait for the keyring either, the errors say: those of one are ErrTimeout.
const quick = 20 * time.Second

// within fails when f takes longer than d.
func within(t *testing.T, d time.Duration, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if took := time.Since(begin); took > d {
		t.Errorf("took %v, want at most %v", took, d)
	}
}

func TestGnomeKeyring(t *testing.T) {
	s, dir, blob := newSession(t), t.TempDir(), canary(24<<10)
	s.StartKeyring(true)
	store := real(t, dir)
	_, err := store.Load(ctx, "a")
	wantErr(t, err, ErrNotFound)
	mustSave(t, store, "a", blob)
	wantBlob(t, real(t, dir), "a", blob)

	t.Run("two state directories", func(t *testing.T) {
		other := t.TempDir()
		mustSave(t, real(t, other), "a", canary(9))
		wantBlob(t, real(t, dir), "a", blob)
	})
	t.Run("go-keyring reads the item", func(t *testing.T) {
		value, err := keyring.Get(service, itemName(store.keeper.key().id))
		if err != nil || len(value) != 44 {
			t.Errorf("%d characters, %v", len(value), err)
		}
	})
	t.Run("the user's own items", func(t *testing.T) {
		if err := keyring.Set("my service", "me", "my secret"); err != nil {
			t.Fatal(err)
		}
		if got, err := store.Secret(ctx, "my service/me"); err != nil || got != "my secret" {
			t.Errorf("%q, %v", got, err)
		}
		_, err := store.Secret(ctx, "my service/nobody")
		wantErr(t, err, ErrNotFound)
	})
	t.Run("daemon restarted", func(t *testing.T) {
		s.StopKeyring()
		fresh := real(t, dir)
		within(t, quick, func() {
			_, err := fresh.Load(ctx, "a")
			wantErr(t, err, ErrAbsent)
		})
		wantBlob(t, store, "a", blob) // it has the key
		mustSave(t, store, "b", blob)
		s.StartKeyring(true)
		if err := fresh.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		wantBlob(t, fresh, "b", blob)
	})
	t.Run("bus restarted", func(t *testing.T) {
		seat.End(s.Bus)
		fresh := real(t, dir)
		within(t, quick, func() {
			_, err := fresh.Load(ctx, "a")
			wantErr(t, err, ErrAbsent)
		})
		s.StartBus()
		s.StartKeyring(true)
		if err := fresh.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		wantBlob(t, fresh, "a", blob)
	})
	t.Run("item deleted", func(t *testing.T) {
		if err := keyring.Delete(service, itemName(store.keeper.key().id)); err != nil {
			t.Fatal(err)
		}
		fresh := real(t, dir)
		_, err := fresh.Load(ctx, "a")
		wantErr(t, err, ErrKeyGone)
		wantErr(t, fresh.Save(ctx, "a", blob), ErrKeyGone)
		wantBlob(t, store, "a", blob)
	})
}

// F14, with nobody to prompt: every answer is quick, and no restart is needed.
func TestGnomeKeyringLocked(t *testing.T) {
	s, dir, blob := newSession(t), t.TempDir(), canary(9)
	s.StartKeyring(true)
	mustSave(t, real(t, dir), "a", blob)
	for _, how := range []string{"locked by somebody", "locked since login"} {
		t.Run(how, func(t *testing.T) {
			s.lock()
			if how == "locked since login" {
				s.StopKeyring()
				s.StartKeyring(false)
			}
			prompts := s.watchPrompts()
			store := real(t, dir)
			within(t, quick, func() {
				_, err := store.Load(ctx, "a")
				wantErr(t, err, ErrLocked)
				_, err = store.Secret(ctx, "my/own")
				wantErr(t, err, ErrLocked)
				wantErr(t, store.Save(ctx, "b", blob), ErrLocked)
			})
			if n := prompts(); n != 0 {
				t.Errorf("%d prompts shown", n)
			}
			wantErr(t, store.Unlock(ctx), ErrLocked) // no prompter on this bus
			if n := prompts(); n != 1 {
				t.Errorf("%d prompts asked for by Unlock, want 1", n)
			}
			s.Unlock()
			within(t, quick, func() {
				if err := store.Wait(ctx); err != nil {
					t.Error(err)
				}
			})
			wantBlob(t, store, "a", blob)
		})
	}
}

// watchPrompts counts the Prompt calls on the bus. The monitor lags behind them, so each
// count ends with a call of its own.
func (s *session) watchPrompts() func() int {
	s.t.Helper()
	monitor, caller := s.Connect(), s.Connect()
	rule := "type='method_call',interface='" + promptAPI + "',member='Prompt'"
	if err := monitor.BusObject().Call("org.freedesktop.DBus.Monitoring.BecomeMonitor", 0, []string{rule}, uint32(0)).Err; err != nil {
		s.t.Fatal(err)
	}
	calls := make(chan *dbus.Message, 100)
	monitor.Eavesdrop(calls)
	const last = dbus.ObjectPath("/last")
	n := 0
	return func() int {
		s.t.Helper()
		if caller.Object(busName, last).Call(promptAPI+".Prompt", 0, "").Err == nil {
			s.t.Fatal("a prompt that is none was shown")
		}
		for {
			m := soon.Receive(s.t, calls, "the call that ends the count")
			switch {
			case m == nil:
				s.t.Fatal("the monitor's connection ended")
			case m.Headers[dbus.FieldMember].Value() != "Prompt":
			case m.Headers[dbus.FieldPath].Value() == last:
				return n
			default:
				n++
			}
		}
	}
}

func TestFreshUserHasNoKeyring(t *testing.T) {
	s := newSession(t)
	s.StartKeyring(false)
	store := real(t, t.TempDir())
	_, err := store.Load(ctx, "a")
	wantErr(t, err, ErrLocked)
	if !strings.Contains(err.Error(), "not been set up") {
		t.Error(err)
	}
	wantErr(t, store.Unlock(ctx), ErrLocked)
}

// A keyring without a password is locked at login too, and opens for whoever asks.
func TestKeyringWithoutPassword(t *testing.T) {
	s := newSession(t)
	if err := os.Mkdir(s.Home+"/keyrings", 0o700); err != nil {
		t.Fatal(err)
	}
	plain := "[keyring]\ndisplay-name=Login\nctime=0\nmtime=0\nlock-on-idle=false\nlock-after=false\n"
	if err := os.WriteFile(s.Home+"/keyrings/login.keyring", []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	s.StartKeyring(false)
	mustSave(t, real(t, t.TempDir()), "a", canary(9))
}

// F15, F16: a stopped daemon costs five seconds and leaves nothing behind.
func TestGnomeKeyringStopped(t *testing.T) {
	s, dir, blob := newSession(t), t.TempDir(), canary(9)
	s.StartKeyring(true)
	mustSave(t, real(t, dir), "a", blob)
	store := real(t, dir)
	signal(t, s, syscall.SIGSTOP)
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	within(t, patience+quick, func() {
		for range 20 {
			wg.Go(func() {
				_, err := store.Load(ctx, "a")
				wantErr(t, err, ErrTimeout)
			})
		}
		wg.Wait()
	})
	soon.Until(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	within(t, quick, func() { wantErr(t, store.Ready(ctx), ErrTimeout) })
	signal(t, s, syscall.SIGCONT)
	within(t, quick, func() {
		if err := store.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
	wantBlob(t, store, "a", blob)
}

func signal(t *testing.T, s *session, sig syscall.Signal) {
	t.Helper()
	if err := s.Keyring.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func TestSilentBus(t *testing.T) {
	silentBus(t)
	store := real(t, t.TempDir())
	before := runtime.NumGoroutine()
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	within(t, quick, func() {
		_, err := store.Load(short, "a")
		wantErr(t, err, ErrTimeout)
	})
	within(t, patience+quick, func() {
		_, err := store.Load(ctx, "a")
		wantErr(t, err, ErrTimeout)
	})
	soon.Until(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

// F13: every way of having no bus is told at once, and nothing is launched.
func TestNoBus(t *testing.T) {
	_, err := os.Stat("/run/user/" + strconv.Itoa(os.Getuid()) + "/bus")
	hasBus := err == nil
	launched := filepath.Join(t.TempDir(), "launched")
	bin := t.TempDir()
	script := "#!/bin/sh\ntouch " + launched + "\n"
	if err := os.WriteFile(filepath.Join(bin, "dbus-launch"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	stale := filepath.Join(t.TempDir(), "bus")
	l := listenUnix(t, stale)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	for _, addr := range []string{"", "autolaunch:", "autolaunch:scope=*user", "unix:path=/nonexistent/bus", "unix:path=" + stale, "garbage", "disabled:"} {
		t.Run(addr, func(t *testing.T) {
			if hasBus && (addr == "" || addr == "autolaunch:") {
				t.Skip("this user has a session bus that is found without its address")
			}
			t.Setenv("DBUS_SESSION_BUS_ADDRESS", addr)
			dir := t.TempDir()
			store := real(t, dir)
			within(t, quick, func() {
				_, err := store.Load(ctx, "a")
				wantErr(t, err, ErrAbsent)
				wantErr(t, store.Save(ctx, "a", canary(9)), ErrAbsent)
				wantErr(t, store.Unlock(ctx), ErrAbsent)
				_, err = store.Secret(ctx, "my/own")
				wantErr(t, err, ErrAbsent)
			})
			for name, data := range snapshot(t, dir) {
				if strings.Contains(data, "canary") {
					t.Errorf("%s has the record in the clear", name)
				}
			}
		})
	}
	if _, err := os.Stat(launched); err == nil {
		t.Error("a bus was launched")
	}
}
