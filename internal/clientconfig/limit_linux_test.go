package clientconfig

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

const envLimit = "CLIENTCONFIG_LIMIT"

// limitFiles keeps files of this process from growing beyond a size, as a full disk does.
func limitFiles() {
	size, err := strconv.ParseUint(os.Getenv(envLimit), 10, 64)
	if err != nil {
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: size}); err != nil {
		panic(err)
	}
}
