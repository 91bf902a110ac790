package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strings"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"
)

// Path says where the app of a state directory listens: at a pipe named after the
// user and the directory. runtimeDir has no meaning here.
func Path(stateDir, runtimeDir string) (string, error) {
	user, err := currentUser()
	if err != nil {
		return "", err
	}
	dir, err := filepath.Abs(stateDir)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.ToLower(dir)))
	return `\\.\pipe\mcpauth-tray-` + user.String() + "-" + hex.EncodeToString(sum[:8]), nil
}

// Listen opens the pipe at path, which only the current user may open and which
// cannot be reached from another computer. An existing pipe is ErrInUse.
func Listen(path string) (net.Listener, error) {
	user, err := currentUser()
	if err != nil {
		return nil, err
	}
	// Owner and the one entry of a protected access list: the user.
	descriptor := fmt.Sprintf("O:%[1]sD:P(A;;GA;;;%[1]s)", user)
	l, err := winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: descriptor})
	switch {
	case err == nil:
		return l, nil
	// An existing pipe is "access denied" or a name collision, by its state.
	case errors.Is(err, windows.ERROR_ACCESS_DENIED), errors.Is(err, fs.ErrExist), errors.Is(err, windows.ERROR_PIPE_BUSY):
		return nil, fmt.Errorf("control pipe %s: %w", path, ErrInUse)
	}
	return nil, fmt.Errorf("control pipe %s: %w", path, err)
}

// dial connects to the app at path. Nobody there is ErrNotRunning, somebody else's
// process there ErrForeign: any user may take a free pipe name.
func dial(ctx context.Context, path string) (net.Conn, error) {
	conn, err := winio.DialPipeContext(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	if err := checkOwner(conn); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("the process at %s %w", path, err)
	}
	return conn, nil
}

func checkOwner(conn net.Conn) error {
	pipe, ok := conn.(interface{ Fd() uintptr })
	if !ok {
		return errors.New("cannot be told from another user's")
	}
	descriptor, err := windows.GetSecurityInfo(windows.Handle(pipe.Fd()),
		windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("cannot be told from another user's: %w", err)
	}
	owner, _, err := descriptor.Owner()
	if err != nil {
		return fmt.Errorf("cannot be told from another user's: %w", err)
	}
	user, err := currentUser()
	if err != nil {
		return err
	}
	if !owner.Equals(user) {
		return fmt.Errorf("%w (%s)", ErrForeign, owner)
	}
	return nil
}

func currentUser() (*windows.SID, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, fmt.Errorf("cannot tell which user this is: %w", err)
	}
	return user.User.Sid, nil
}
