package guard

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/windows"
)

const peerNote = ""

var errNoSocket = errors.New("no such established connection")

// sameUser reports by nil whether the process that owns the connection from theirs to
// ours runs as our user.
func sameUser(theirs, ours netip.AddrPort) error {
	pid, err := ownerPID(theirs, ours)
	if err != nil {
		return errUnknownUser
	}
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return errUnknownUser
	}
	defer windows.CloseHandle(process)
	var token windows.Token
	if err := windows.OpenProcessToken(process, windows.TOKEN_QUERY, &token); err != nil {
		return errUnknownUser
	}
	defer token.Close()
	them, err := token.GetTokenUser()
	if err != nil {
		return errUnknownUser
	}
	us, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return errUnknownUser
	}
	if !windows.EqualSid(them.User.Sid, us.User.Sid) {
		return errOtherUser
	}
	return nil
}

// Arguments of GetExtendedTcpTable and the state it shows for open connections.
const (
	ownerPIDConnections = 4 // TCP_TABLE_OWNER_PID_CONNECTIONS
	established         = 5 // MIB_TCP_STATE_ESTAB
)

// layout says where the fields of a row of MIB_TCPTABLE_OWNER_PID or
// MIB_TCP6TABLE_OWNER_PID stand. Rows follow a count of four bytes.
type layout struct {
	family                                          uint32
	addr, row                                       int // sizes in bytes
	state, local, localPort, remote, remotePort, id int // offsets
}

var (
	tcp4 = layout{family: windows.AF_INET, addr: 4, row: 24, state: 0, local: 4, localPort: 8, remote: 12, remotePort: 16, id: 20}
	tcp6 = layout{family: windows.AF_INET6, addr: 16, row: 56, local: 0, localPort: 20, remote: 24, remotePort: 44, state: 48, id: 52}
)

// ownerPID finds the process at the other end. A client's IPv6 socket may hold an
// IPv4 connection, which Windows lists among the IPv6 ones.
func ownerPID(theirs, ours netip.AddrPort) (uint32, error) {
	for _, l := range []layout{tcp4, tcp6} {
		table, err := tcpTable(l.family)
		if err != nil {
			return 0, err
		}
		if pid, found := l.find(table, theirs, ours); found {
			return pid, nil
		}
	}
	return 0, errNoSocket
}

func (l layout) find(table []byte, theirs, ours netip.AddrPort) (uint32, bool) {
	if len(table) < 4 {
		return 0, false
	}
	little := binary.LittleEndian
	count := int(little.Uint32(table))
	for rows := table[4:]; count > 0 && len(rows) >= l.row; count, rows = count-1, rows[l.row:] {
		if little.Uint32(rows[l.state:]) == established &&
			l.addrPort(rows, l.local, l.localPort) == theirs && l.addrPort(rows, l.remote, l.remotePort) == ours {
			return little.Uint32(rows[l.id:]), true
		}
	}
	return 0, false
}

func (l layout) addrPort(row []byte, addr, port int) netip.AddrPort {
	a, _ := netip.AddrFromSlice(row[addr : addr+l.addr])
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(row[port:]))
}

var getExtendedTCPTable = windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetExtendedTcpTable")

func tcpTable(family uint32) ([]byte, error) {
	if err := getExtendedTCPTable.Find(); err != nil {
		return nil, err
	}
	size := uint32(16 << 10)
	for {
		table := make([]byte, size)
		status, _, _ := getExtendedTCPTable.Call(uintptr(unsafe.Pointer(&table[0])), uintptr(unsafe.Pointer(&size)),
			0, uintptr(family), ownerPIDConnections, 0)
		switch windows.Errno(status) {
		case windows.NO_ERROR:
			return table, nil
		case windows.ERROR_INSUFFICIENT_BUFFER: // the table grew meanwhile
			size += size / 4
		default:
			return nil, windows.Errno(status)
		}
	}
}
