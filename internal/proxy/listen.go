package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/guard"
)

// Bounds of a listener.
const (
	maxConns      = 4096
	maxHeader     = 64 << 10
	headerTimeout = 5 * time.Second
	keepAlive     = 120 * time.Second
)

// ListenOptions are the optional settings of a Listener.
type ListenOptions struct {
	Logger   *slog.Logger
	MaxConns int // open connections; zero: 4096
}

// Listener is an open loopback socket with an HTTP server on it. What it serves can be
// exchanged while it stays open.
type Listener struct {
	addr    string
	server  *http.Server
	handler atomic.Pointer[Handler]
	last    atomic.Pointer[Handler] // the one mounted last, even if it is not any more
	open    atomic.Int64            // connections
	most    int64

	serving sync.WaitGroup
	closing context.Context // ends when Close begins
	close   context.CancelFunc
}

// Listen opens addr, host:port with a loopback address or localhost, and answers there
// until Close. Port 0 is any free one. With 127.0.0.1 or ::1 the same port of the other
// is opened too, so that no other program answers there for us. A busy port is an error
// that names its owner where that can be found out.
func Listen(addr string, o ListenOptions) (*Listener, error) {
	sockets, err := openLoopback(addr)
	if err != nil {
		return nil, err
	}
	l := &Listener{addr: sockets[0].Addr().String(), most: int64(o.MaxConns)}
	if l.most == 0 {
		l.most = maxConns
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l.closing, l.close = context.WithCancel(context.Background())
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	l.server = &http.Server{
		Handler:           http.HandlerFunc(l.serveHTTP),
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyPause, // of a body's first piece; none once the body has ended
		IdleTimeout:       keepAlive,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), closingKey{}, l.closing)
		},
		ConnContext: guard.WithPeer,
	}
	for _, socket := range sockets {
		l.serving.Go(func() { l.server.Serve(&bounded{Listener: socket, l: l}) })
	}
	return l, nil
}

// Addr is the host:port that clients are pointed at.
func (l *Listener) Addr() string { return l.addr }

// Mount serves h from now on. Requests in flight finish where they began. The function
// returned stops serving h, unless another Handler is mounted by then.
func (l *Listener) Mount(h *Handler) (unmount func()) {
	old := l.last.Swap(h)
	if old != nil {
		h.follows(old)
	}
	l.handler.Store(h)
	if old != nil {
		old.retire()
	}
	return func() {
		if l.handler.CompareAndSwap(h, nil) {
			h.retire()
		}
	}
}

// Release gives the address up at once and ends streams that were opened by GET. All
// other requests go on; Close waits for them.
func (l *Listener) Release() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l.close()
	_ = l.server.Shutdown(ctx) // closes the sockets first, and then does not wait
	l.serving.Wait()           // a socket not served yet is closed now
}

// Close does what Release does and waits for all other requests until ctx ends, which
// cuts them off and is then its error.
func (l *Listener) Close(ctx context.Context) error {
	l.close()
	err := l.server.Shutdown(ctx)
	if err != nil {
		l.server.Close()
	}
	l.serving.Wait()
	if h := l.handler.Swap(nil); h != nil {
		h.retire()
	}
	return err
}

func (l *Listener) serveHTTP(w http.ResponseWriter, r *http.Request) {
	h := l.handler.Load()
	if h == nil {
		nothingServed.write(w, nil, source, "", reference())
		return
	}
	h.ServeHTTP(w, r)
}

// retire is for a Handler that gets no new requests.
func (h *Handler) retire() {
	h.counters.silent.Store(true)
	h.transport.CloseIdleConnections()
}

// bounded closes connections beyond the limit at once.
type bounded struct {
	net.Listener
	l *Listener
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.l.open.Add(1) <= b.l.most {
			return &counted{TCPConn: c.(*net.TCPConn), open: &b.l.open}, nil
		}
		b.l.open.Add(-1)
		c.Close()
	}
}

// counted is one connection among the open ones.
type counted struct {
	*net.TCPConn
	open   *atomic.Int64
	closed atomic.Bool
}

func (c *counted) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}
	return c.TCPConn.Close()
}

// openLoopback opens addr and, for the two usual loopback addresses, its twin.
func openLoopback(addr string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: it must be host:port", addr)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listen address %q: only loopback addresses are served, such as 127.0.0.1:%s", addr, port)
	}
	twin, twins := map[string]string{"127.0.0.1": "::1", "::1": "127.0.0.1"}[host]
	for tries := 0; ; tries++ {
		first, err := openSocket(host, port)
		if err != nil {
			return nil, err
		}
		if !twins {
			return []net.Listener{first}, nil
		}
		chosen := strconv.Itoa(first.Addr().(*net.TCPAddr).Port)
		second, err := openSocket(twin, chosen)
		var busy *BusyError
		switch {
		case err == nil:
			return []net.Listener{first, second}, nil
		case !errors.As(err, &busy): // such as a system without IPv6
			return []net.Listener{first}, nil
		}
		first.Close()
		if port != "0" || tries == 10 {
			return nil, err
		}
	}
}

// BusyError says that another program has an address.
type BusyError struct {
	Addr  string
	Owner string // such as "nginx (pid 123)"; empty if unknown
}

func (e *BusyError) Error() string {
	owner := e.Owner
	if owner == "" {
		owner = "another program"
	}
	return "address " + e.Addr + " is already used by " + owner + "; stop it or choose another port under listen"
}

func openSocket(host, port string) (net.Listener, error) {
	addr := net.JoinHostPort(host, port)
	config := net.ListenConfig{Control: exclusive, KeepAlive: -1} // loopback peers do not vanish
	socket, err := config.Listen(context.Background(), "tcp", addr)
	switch {
	case err == nil:
		return socket, nil
	case isBusy(err):
		return nil, &BusyError{Addr: addr, Owner: Owner(host, port)}
	}
	return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
}
