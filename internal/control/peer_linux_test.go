package control

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// openDir is a directory that every user can enter, unlike those of t.TempDir.
func openDir(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be another user for a while")
	}
	dir, err := os.MkdirTemp("", "mcpauth")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// asNobody runs f on a thread of its own that is another user's.
func asNobody(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			done <- errno
			return
		}
		done <- f()
	}()
	return <-done
}

func TestForeignClientIsRefused(t *testing.T) {
	path := filepath.Join(openDir(t), "state", "control.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		if conn, err := l.Accept(); err == nil {
			accepted <- conn
		}
	}()
	connect := func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			return err
		}
		n, err := unix.Read(fd, make([]byte, 1))
		if n == 0 && err == nil {
			return errClosedOnUs
		}
		return err
	}
	if err := asNobody(connect); !errors.Is(err, unix.EACCES) {
		t.Errorf("the directory and the mode did not keep another user out: %v", err)
	}
	// Even with both gone wrong, the process itself refuses.
	if err := errors.Join(os.Chmod(filepath.Dir(path), 0o755), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	if err := asNobody(connect); !errors.Is(err, errClosedOnUs) && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("another user's connection: %v", err)
	}
	select {
	case <-accepted:
		t.Error("it was accepted")
	default:
	}
	conn, err := dial(soon.Context(t), path)
	if err != nil {
		t.Fatalf("our own connection after it: %v", err)
	}
	_ = conn.Close()
	_ = soon.Receive(t, accepted, "our own connection").Close()
}

var errClosedOnUs = errors.New("closed")

func TestForeignServerIsRefused(t *testing.T) {
	path := filepath.Join(openDir(t), "control.sock")
	var fd int
	listen := func() (err error) {
		if fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			return err
		}
		return unix.Listen(fd, 1)
	}
	if err := asNobody(listen); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := Dial(path).Snapshot(soon.Context(t)); !errors.Is(err, ErrForeign) {
		t.Errorf("Snapshot = %v", err)
	}
}
