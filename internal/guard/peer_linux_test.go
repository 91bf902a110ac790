package guard

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// TestMain lets the test binary be the client of another user.
func TestMain(m *testing.M) {
	if addr := os.Getenv("GUARD_TEST_DIAL"); addr != "" {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			os.Exit(1)
		}
		c.Read(make([]byte, 1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func listen(t testing.TB, network, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(soon.Limit)); err != nil {
		t.Fatal(err)
	}
	return l
}

func accept(t testing.TB, l net.Listener) net.Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(soon.Limit)); err != nil {
		t.Fatal(err)
	}
	return c
}

// ways are the two places a socket's owner is read from.
var ways = map[string]func(theirs, ours netip.AddrPort) (uint32, error){"sock_diag": diagUID, "proc": procUID}

func TestPeerOfSameUser(t *testing.T) {
	t.Parallel()
	for name, addr := range map[string][2]string{"IPv4": {"tcp4", "127.0.0.1:0"}, "IPv6": {"tcp6", "[::1]:0"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listen(t, addr[0], addr[1])
			client, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			checkPeer(t, accept(t, l), uint32(os.Getuid()))
		})
	}
}

// A client may reach an IPv4 listener from an IPv6 socket.
func TestPeerWithMappedAddress(t *testing.T) {
	t.Parallel()
	l := listen(t, "tcp4", "127.0.0.1:0")
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skip(err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet6{Port: l.Addr().(*net.TCPAddr).Port, Addr: netip.MustParseAddr("::ffff:127.0.0.1").As16()}
	if err := unix.Connect(fd, to); err != nil {
		t.Fatal(err)
	}
	checkPeer(t, accept(t, l), uint32(os.Getuid()))
}

func checkPeer(t *testing.T, c net.Conn, want uint32) {
	t.Helper()
	theirs, _ := addrPort(c.RemoteAddr())
	ours, _ := addrPort(c.LocalAddr())
	for way, uid := range ways {
		if got, err := uid(theirs, ours); err != nil || got != want {
			t.Errorf("%s: uid %d, %v, want %d", way, got, err, want)
		}
		elsewhere := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), ours.Port())
		if got, err := uid(theirs, elsewhere); err == nil {
			t.Errorf("%s: uid %d for a connection that does not exist", way, got)
		}
	}
	refusal := samePeer(WithPeer(context.Background(), c))
	if same := want == uint32(os.Getuid()); (refusal == nil) != same {
		t.Errorf("same user: %v, refusal: %+v", same, refusal)
	}
}

func TestPeerOfOtherUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to start a client as another user")
	}
	self := copySelf(t)
	const other = 65534
	l := listen(t, "tcp4", "127.0.0.1:0")
	cmd := exec.Command(self)
	cmd.Env = []string{"GUARD_TEST_DIAL=" + l.Addr().String()}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: other, Gid: other}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := accept(t, l)
	checkPeer(t, c, other)
	c.Close()
	cmd.Wait()
}

// copySelf puts the test binary where every user can run it.
func copySelf(t *testing.T) string {
	t.Helper()
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "guard")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	syscall.ForkLock.RLock() // a process on its way to exec would hold the open file, which then cannot be run
	defer syscall.ForkLock.RUnlock()
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(dir+"/client", binary, 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir + "/client"
}

// A socket the client has closed belongs to nobody any more, and must not pass
// because the kernel shows it as root's.
func TestPeerThatIsGone(t *testing.T) {
	t.Parallel()
	l := listen(t, "tcp4", "127.0.0.1:0")
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := accept(t, l)
	client.Close()
	c.Read(make([]byte, 1)) // until the end of the stream
	if refusal := samePeer(WithPeer(context.Background(), c)); reason(refusal) != PeerNotAllowed {
		t.Errorf("got %+v", refusal)
	}
}

func TestPeerIsLookedUpOnce(t *testing.T) {
	t.Parallel()
	l := listen(t, "tcp4", "127.0.0.1:0")
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := accept(t, l)
	ctx := WithPeer(context.Background(), c)
	if refusal := samePeer(ctx); refusal != nil {
		t.Fatalf("%+v", refusal)
	}
	client.Close()
	c.Read(make([]byte, 1))
	if refusal := samePeer(ctx); refusal != nil {
		t.Errorf("looked up again: %+v", refusal)
	}
}

func FuzzTable(f *testing.F) {
	f.Add("  1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 1 1")
	f.Add("  1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:D431 01 0 0 0 1000 0")
	f.Fuzz(func(t *testing.T, row string) {
		theirs, ours := netip.MustParseAddrPort("127.0.0.1:8080"), netip.MustParseAddrPort("127.0.0.1:54321")
		uid, found := scanTable(bufio.NewScanner(strings.NewReader(row)), theirs, ours)
		if found && !strings.Contains(row, "01") {
			t.Errorf("uid %d out of %q", uid, row)
		}
	})
}

func BenchmarkPeer(b *testing.B) {
	l := listen(b, "tcp4", "127.0.0.1:0")
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	c := accept(b, l)
	theirs, _ := addrPort(c.RemoteAddr())
	ours, _ := addrPort(c.LocalAddr())
	for way, uid := range ways {
		b.Run(way, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := uid(theirs, ours); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
