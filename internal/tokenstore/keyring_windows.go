package tokenstore

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// codes are Windows error numbers with a meaning of their own here.
var codes = map[int]*failure{
	int(windows.ERROR_NO_SUCH_LOGON_SESSION): {kind: ErrAbsent, detail: "this session has no credentials"}, // as over ssh
	int(windows.ERROR_CANCELLED):             errDeclined,
}

func code(err error) int {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return int(errno)
	}
	return 0
}
