package clientconfig

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

const envLimit = "CLIENTCONFIG_LIMIT"

// limitProcess keeps files of this process from growing beyond a size, as a full disk
// does, or takes the mask off its new files.
func limitProcess() {
	if os.Getenv("CLIENTCONFIG_UMASK") != "" {
		syscall.Umask(0)
	}
	size, err := strconv.ParseUint(os.Getenv(envLimit), 10, 64)
	if err != nil {
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: size}); err != nil {
		panic(err)
	}
}
