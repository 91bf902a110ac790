package tokenstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zalando/go-keyring"
)

// children are what this test binary does instead of testing when it starts itself.
var children = map[string]func(dir string){}

func TestMain(m *testing.M) {
	if child := os.Getenv("TOKENSTORE_TEST_CHILD"); child != "" {
		children[child](os.Getenv("TOKENSTORE_TEST_DIR"))
		os.Exit(0)
	}
	code := m.Run()
	if left := leaked(20 * time.Second); left != "" && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines left over:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leaked returns the stacks of goroutines of ours, or of D-Bus, that do not end.
func leaked(patience time.Duration) string {
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		buf := make([]byte, 1<<20)
		var left []string
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "TestMain") || strings.Contains(g, "m.Run") {
				continue
			}
			if strings.Contains(g, "/tokenstore.") || strings.Contains(g, "godbus") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return ""
		}
		if time.Now().After(end) {
			return strings.Join(left, "\n\n")
		}
	}
}

// fakeKeyring is a keyring in memory with the limits of Windows, and with faults.
type fakeKeyring struct {
	mu     sync.Mutex
	items  map[string]string
	open   error         // what Open fails with
	answer chan error    // what the person answers to the prompt; nil for yes at once
	get    error         // what Get fails with
	set    error         // what Set fails with
	forget bool          // Set says nil and stores nothing
	block  chan struct{} // Get comes back when it is closed
	opens  int
	gets   int
	sets   int
	asked  int
}

func newFake() *fakeKeyring { return &fakeKeyring{items: map[string]string{}} }

func (f *fakeKeyring) Open(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opens++
	return f.open
}

func (f *fakeKeyring) Unlock() error {
	f.mu.Lock()
	answer := f.answer
	f.asked++
	f.mu.Unlock()
	var err error
	if answer != nil {
		err = <-answer
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.open = nil
	}
	return err
}

func (f *fakeKeyring) Get(service, user string) (string, error) {
	f.mu.Lock()
	f.gets++
	block := f.block
	f.mu.Unlock()
	if block != nil {
		<-block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.get != nil {
		return "", f.get
	}
	v, ok := f.items[service+"/"+user]
	if !ok {
		return "", fail(ErrNotFound, "", nil)
	}
	return v, nil
}

func (f *fakeKeyring) Set(service, user, value string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sets++
	switch {
	case f.set != nil:
		return f.set
	case len(value) > 2560:
		return fail(ErrAbsent, "it refused", keyring.ErrSetDataTooBig)
	case !f.forget:
		f.items[service+"/"+user] = value
	}
	return nil
}

// with changes the fake while it may be in use.
func (f *fakeKeyring) with(change func(*fakeKeyring)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeKeyring) count(n *int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *n
}

// keyItem returns the name of the one item that holds a key.
func (f *fakeKeyring) keyItem(t testing.TB) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name := range f.items {
		if strings.HasPrefix(name, service+"/storage-key-") {
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		t.Fatalf("key items: %q, want exactly one", names)
	}
	return names[0]
}

func phrase(p string) func() (string, error) { return func() (string, error) { return p, nil } }

func mustNew(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Keyring == nil && o.Kind != KindKeyring {
		o.Keyring = newFake()
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSave(t testing.TB, s *Store, account string, blob []byte) {
	t.Helper()
	if err := s.Save(context.Background(), account, blob); err != nil {
		t.Fatalf("Save: %v", err)
	}
}

func wantBlob(t testing.TB, s *Store, account string, want []byte) {
	t.Helper()
	got, err := s.Load(context.Background(), account)
	if err != nil {
		t.Fatalf("Load(%q): %v", account, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("Load(%q) returned %d bytes that differ from the %d saved", account, len(got), len(want))
	}
}

// wantErr also holds every error to its form: one line, ending in what to do next.
func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
	wantHint(t, err)
}

func wantHint(t testing.TB, err error) {
	t.Helper()
	if i := strings.LastIndex(err.Error(), "; "); i < 0 || len(err.Error()[i+2:]) < 5 || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q does not end in what to do next", err)
	}
}

// canary is a blob that is easy to find again.
func canary(n int) []byte {
	raw := make([]byte, n)
	rand.Read(raw)
	return []byte("canary-" + hex.EncodeToString(raw))
}

// snapshot returns every file below dir.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir)] = string(data)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return files
}

func sealedPath(dir, account string) string {
	return filepath.Join(dir, "tokens", fileName(account)+sealedSuffix)
}

// record is a log handler that keeps what was logged.
type record struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

func (r *record) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
