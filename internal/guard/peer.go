package guard

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// errOtherUser says that the program at the other end runs as somebody else.
var errOtherUser = errors.New("the calling program runs as another user of this machine")

// errUnknownUser says that the other end's user was not found.
var errUnknownUser = errors.New("the user of the calling program could not be found out")

// peer is the program at the other end of one connection. Its user is looked up
// once, when the first request asks.
type peer struct {
	conn net.Conn
	once sync.Once
	err  error // nil: the same user as ours
}

type peerKey struct{}

// WithPeer remembers the connection that requests of ctx arrive on. It is made for
// http.Server.ConnContext and costs nothing until a request asks.
func WithPeer(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, &peer{conn: c})
}

// PeerNote is empty where the calling program's user can be found out, and
// otherwise one line that says what follows from it.
func PeerNote() string { return peerNote }

func samePeer(ctx context.Context) *Refusal {
	p, ok := ctx.Value(peerKey{}).(*peer)
	if !ok {
		return peerRefused(errUnknownUser)
	}
	p.once.Do(p.look)
	if p.err != nil {
		return peerRefused(p.err)
	}
	return nil
}

func (p *peer) look() {
	theirs, ok1 := addrPort(p.conn.RemoteAddr())
	ours, ok2 := addrPort(p.conn.LocalAddr())
	if !ok1 || !ok2 {
		p.err = errUnknownUser
		return
	}
	p.err = sameUser(theirs, ours)
}

func addrPort(a net.Addr) (netip.AddrPort, bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, false
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), true
}

func peerRefused(err error) *Refusal {
	return &Refusal{Status: http.StatusForbidden, Reason: PeerNotAllowed,
		Message: err.Error(),
		Action:  "Run the client as the user who runs mcpauth-tray, or set guard.local: open for this profile"}
}
