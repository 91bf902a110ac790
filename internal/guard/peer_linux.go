package guard

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const peerNote = ""

// established is TCP_ESTABLISHED. Sockets in other states are shown with the wrong
// owner (TIME_WAIT: root) or are listeners.
const established = 1

// sameUser reports by nil whether the socket bound to theirs and connected to ours
// belongs to the user we run as.
func sameUser(theirs, ours netip.AddrPort) error {
	uid, err := diagUID(theirs, ours)
	if err != nil {
		// The kernel may lack sock_diag, or a sandbox forbid it.
		uid, err = procUID(theirs, ours)
	}
	switch {
	case err != nil:
		return errUnknownUser
	case uid != uint32(os.Geteuid()):
		return errOtherUser
	}
	return nil
}

var errNoSocket = errors.New("no such established socket")

// Sizes and offsets of struct inet_diag_req_v2 and inet_diag_msg (sock_diag(7)).
const (
	diagHeader  = 16 // struct nlmsghdr
	diagRequest = diagHeader + 56
	diagState   = diagHeader + 1
	diagID      = 4 // in the message; 8 in the request
	diagUIDAt   = diagHeader + 64
	diagAnswer  = diagHeader + 72
)

// diagUID asks the kernel for the owner of exactly one socket.
func diagUID(theirs, ours netip.AddrPort) (uint32, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return 0, err
	}
	request := diagMessage(theirs, ours)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, err
	}
	var buf [512]byte
	n, _, err := unix.Recvfrom(fd, buf[:], 0)
	if err != nil {
		return 0, err
	}
	answer := buf[:n]
	if n < diagAnswer || binary.NativeEndian.Uint16(answer[4:]) != unix.SOCK_DIAG_BY_FAMILY || answer[diagState] != established {
		return 0, errNoSocket
	}
	// A listener bound to the same port must not pass for the connection.
	if !bytes.Equal(answer[diagHeader+diagID:][:4], request[diagHeader+8:][:4]) {
		return 0, errNoSocket
	}
	return binary.NativeEndian.Uint32(answer[diagUIDAt:]), nil
}

func diagMessage(theirs, ours netip.AddrPort) []byte {
	m := make([]byte, diagRequest)
	native, net := binary.NativeEndian, binary.BigEndian
	native.PutUint32(m[0:], diagRequest)
	native.PutUint16(m[4:], unix.SOCK_DIAG_BY_FAMILY)
	native.PutUint16(m[6:], unix.NLM_F_REQUEST)
	m[16] = unix.AF_INET6
	if theirs.Addr().Is4() {
		m[16] = unix.AF_INET
	}
	m[17] = unix.IPPROTO_TCP
	native.PutUint32(m[20:], 1<<established)
	net.PutUint16(m[24:], theirs.Port())
	net.PutUint16(m[26:], ours.Port())
	copy(m[28:44], theirs.Addr().AsSlice())
	copy(m[44:60], ours.Addr().AsSlice())
	for i := 64; i < 72; i++ { // INET_DIAG_NOCOOKIE
		m[i] = 0xff
	}
	return m
}

// procUID finds the owner in the kernel's socket tables. A client's IPv6 socket may
// hold an IPv4 connection, so both tables are read.
func procUID(theirs, ours netip.AddrPort) (uint32, error) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		uid, found := scanTable(bufio.NewScanner(f), theirs, ours)
		f.Close()
		if found {
			return uid, nil
		}
	}
	return 0, errNoSocket
}

func scanTable(rows *bufio.Scanner, theirs, ours netip.AddrPort) (uint32, bool) {
	for rows.Scan() {
		// sl local_address rem_address st tx:rx tr:tm retrnsmt uid …
		f := bytes.Fields(rows.Bytes())
		if len(f) < 8 || string(f[3]) != "01" || tableAddr(f[1]) != theirs || tableAddr(f[2]) != ours {
			continue
		}
		uid, err := strconv.ParseUint(string(f[7]), 10, 32)
		return uint32(uid), err == nil
	}
	return 0, false
}

// tableAddr reads "0100007F:1F90": words of four bytes in host order, then the port.
func tableAddr(text []byte) netip.AddrPort {
	host, port, found := bytes.Cut(text, []byte(":"))
	var raw [16]byte
	if !found || len(host) > 2*len(raw) || len(host)%8 != 0 {
		return netip.AddrPort{}
	}
	n, err := hex.Decode(raw[:], host)
	if err != nil {
		return netip.AddrPort{}
	}
	for i := 0; i < n; i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw[:n])
	p, err := strconv.ParseUint(string(port), 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(p))
}
