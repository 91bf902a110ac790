//go:build darwin || freebsd

package control

import "golang.org/x/sys/unix"

// peerUID is the user who connected, or who called listen (unix(4), LOCAL_PEERCRED).
func peerUID(fd int) (int, error) {
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}
