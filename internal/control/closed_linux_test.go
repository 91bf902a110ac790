package control

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func TestAFolderThatIsClosedToUsIsNamed(t *testing.T) {
	t.Parallel()
	as := func(f func() error) error { return f() }
	if os.Geteuid() == 0 { // whom no mode keeps out
		as = asNobody
	}
	for _, name := range []string{"state", strings.Repeat("long", 50)} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "control.sock")
		err := as(func() error {
			_, err := dial(soon.Context(t), path)
			return err
		})
		if err == nil || errors.Is(err, ErrNotRunning) || err.Error() != "you may not open "+path+"; use a --state-dir of your own" {
			t.Errorf("dial = %v", err)
		}
	}
}

func TestAFileInPlaceOfTheFolderIsNoApp(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"state", strings.Repeat("long", 50)} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := dial(soon.Context(t), filepath.Join(file, "control.sock")); !errors.Is(err, ErrNotRunning) {
			t.Errorf("dial = %v", err)
		}
	}
}
