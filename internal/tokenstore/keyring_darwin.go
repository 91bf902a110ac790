package tokenstore

import "errors"

// codes are exit codes of /usr/bin/security: the low byte of an OSStatus.
var codes = map[int]*failure{
	36:  {kind: ErrLocked, detail: "it cannot ask in this session"}, // errSecInteractionNotAllowed, as over ssh
	51:  errDeclined,                                                // errSecAuthFailed
	128: errDeclined,                                                // userCanceledErr
}

func code(err error) int {
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}
