//go:build unix

package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockTimeout = 2 * time.Second
	lockPause   = 10 * time.Millisecond
)

// Path says where the app of a state directory listens: in runtimeDir if one is given
// and it is private, as the XDG Base Directory Specification wants it; else in stateDir.
func Path(stateDir, runtimeDir string) (string, error) {
	if runtimeDir != "" && checkPrivate(runtimeDir) == nil {
		return filepath.Join(runtimeDir, "mcpauth-tray.sock"), nil
	}
	return filepath.Join(stateDir, "control.sock"), nil
}

// Listen opens the socket at path, readable and writable by its owner alone. Its
// directory is created, or must be ours and closed to others. The socket of a dead
// process is replaced, that of a living one is ErrInUse. Connections of other users,
// root apart, are closed before a byte of them is read.
func Listen(path string) (net.Listener, error) {
	l, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return l, nil
}

func listen(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := checkPrivate(dir); err != nil {
		return nil, err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, err
	}
	address, done, err := socketAddress(path)
	if err != nil {
		return nil, err
	}
	defer done()
	config := net.ListenConfig{Control: ownerOnly}
	l, err := config.Listen(context.Background(), "unix", address)
	if err != nil {
		return nil, err
	}
	socket := l.(*net.UnixListener)
	socket.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		_ = socket.Close()
		return nil, err
	}
	made, err := os.Lstat(path)
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	return &listener{UnixListener: socket, path: path, made: made}, nil
}

// ownerOnly closes the moment between bind and chmod where the system lets it: Linux
// takes the new file's mode from the socket. Elsewhere the directory closes it.
func ownerOnly(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), 0o600) })
}

// checkPrivate returns nil for a directory that is ours and closed to everybody else.
func checkPrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; int(owner) != os.Geteuid() {
		return fmt.Errorf("directory %s %w (uid %d); use one of your own", dir, ErrForeign, owner)
	}
	switch mode := info.Mode().Perm(); {
	case mode&0o002 != 0: // a shared one, such as /tmp: nobody should be told to close it
		return fmt.Errorf("directory %s is for everybody (mode %#o); use one of your own", dir, mode)
	case mode&0o077 != 0:
		return fmt.Errorf("directory %s is open to other users (mode %#o); run: chmod 700 '%s'", dir, mode, dir)
	}
	return nil
}

// lockDir keeps two processes from taking the same dead socket's place: the second
// would remove what the first has just made. The lock is held for moments only.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(lockTimeout)
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(deadline) {
			_ = f.Close()
			return nil, fmt.Errorf("cannot lock %s: %w", dir, err)
		}
		time.Sleep(lockPause)
	}
}

// removeStale removes a socket on which nobody answers, and nothing else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("something that is not a socket is in the way; move it away")
	}
	address, done, err := socketAddress(path)
	if err != nil {
		return err
	}
	defer done()
	conn, err := net.Dial("unix", address)
	if err == nil {
		_ = conn.Close()
		return ErrInUse
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("%w, it seems: %w", ErrInUse, err)
	}
	return os.Remove(path)
}

// listener hands out connections of our own user, and removes its file when closed.
type listener struct {
	*net.UnixListener
	path  string
	made  fs.FileInfo
	close sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if checkPeer(conn) == nil {
			return conn, nil
		}
		_ = conn.Close()
	}
}

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: l.path} }

func (l *listener) Close() error {
	l.close.Do(func() {
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.made) {
			_ = os.Remove(l.path)
		}
	})
	return l.UnixListener.Close()
}

// dial connects to the app at path. Nobody there is ErrNotRunning, somebody else's
// process there ErrForeign.
func dial(ctx context.Context, path string) (net.Conn, error) {
	conn, err := connect(ctx, path)
	switch {
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return nil, ErrNotRunning
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("you may not open %s; use a --state-dir of your own", path)
	case err != nil:
		return nil, err
	}
	if err := checkPeer(conn.(*net.UnixConn)); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("the process at %s %w", path, err)
	}
	return conn, nil
}

func connect(ctx context.Context, path string) (net.Conn, error) {
	address, done, err := socketAddress(path)
	if err != nil {
		return nil, err
	}
	defer done()
	var d net.Dialer
	return d.DialContext(ctx, "unix", address)
}

// checkPeer returns nil when the other end is ours or root's.
func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var uid int
	var failed error
	if err := raw.Control(func(fd uintptr) { uid, failed = peerUID(int(fd)) }); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("cannot be told from another user's: %w", failed)
	}
	if uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("%w (uid %d)", ErrForeign, uid)
	}
	return nil
}
