package profile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// quick are times for tests that events alone must pass. A file that a test writes is
// empty for as long as the machine likes, so its absence is told of late.
var quick = WatchOptions{Settle: 40 * time.Millisecond, Max: 400 * time.Millisecond, Gone: 3 * time.Second, Poll: time.Hour}

type applied struct {
	names string // of the profiles
	err   error
}

// follower is a Watcher on real files and what it handed on.
type follower struct {
	t     *testing.T
	w     *Watcher
	calls chan applied
}

// follow watches file until the test ends. The first reading is asked for here: from
// then on folders are watched.
func follow(t *testing.T, file string, o WatchOptions, first string) *follower {
	t.Helper()
	f := &follower{t: t, calls: make(chan applied, 1000)}
	f.w = NewWatcher(file, o, f.apply)
	f.run()
	f.want(first)
	return f
}

func (f *follower) apply(c *Config, err error) {
	a := applied{err: err}
	if err == nil {
		for _, p := range c.Profiles {
			a.names += p.Name
		}
	}
	f.calls <- a
}

func (f *follower) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.w.Run(ctx) }()
	f.t.Cleanup(func() {
		cancel()
		if err := soon.Receive(f.t, done, "the end of Run"); err != nil {
			f.t.Error(err)
		}
	})
}

func (f *follower) next() applied {
	f.t.Helper()
	return soon.Receive(f.t, f.calls, "something is handed on")
}

// want waits for the next call and compares: the names of the profiles, or, in
// brackets, a part of the error.
func (f *follower) want(what string) {
	f.t.Helper()
	a := f.next()
	if part, bad := strings.CutPrefix(what, "["); bad {
		if a.err == nil || !strings.Contains(a.err.Error(), strings.TrimSuffix(part, "]")) {
			f.t.Fatalf("got %q and %v, want an error with %s", a.names, a.err, what)
		}
		return
	}
	if a.err != nil || a.names != what {
		f.t.Fatalf("got %q and %v, want %q", a.names, a.err, what)
	}
}

// file text with one profile.
func with(name string) string {
	return fmt.Sprintf("version: 1\nprofiles:\n  %s: {target: https://a.example/mcp}\n", name)
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func swap(t *testing.T, file, text string) {
	t.Helper()
	put(t, file+".tmp", text)
	rename(t, file+".tmp", file)
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func folder(t *testing.T, path ...string) string {
	t.Helper()
	dir := filepath.Join(path...)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// linkTo points a link at to, replacing one that is there, as ln -sfn does.
func linkTo(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at+".new"); err != nil {
		t.Skip("no links here: ", err)
	}
	rename(t, at+".new", at)
}

func TestWatchEdits(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "profiles.yaml")
	put(t, file, with("a"))
	f := follow(t, file, quick, "a")

	put(t, file, with("b"))
	f.want("b")
	swap(t, file, with("c"))
	f.want("c")
	swap(t, file, with("d"))
	f.want("d")

	// What says the same is not handed on: the next call is the one after it.
	put(t, file, with("d"))
	swap(t, file, with("d"))
	put(t, filepath.Join(filepath.Dir(file), "other"), "x")
	waitFor(t, quick.Settle*4)
	swap(t, file, with("e"))
	f.want("e")

	swap(t, file, with("E"))
	f.want("[profiles.yaml:3:3: a profile's name]")
	swap(t, file, with("E"))
	waitFor(t, quick.Settle*4)
	swap(t, file, with("f"))
	f.want("f")
}

// waitFor lets time pass in which nothing may happen.
func waitFor(t *testing.T, d time.Duration) {
	t.Helper()
	<-time.After(d)
}

func TestWatchDefaults(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "profiles.yaml")
	put(t, file, with("a"))
	f := follow(t, file, WatchOptions{Poll: time.Hour}, "a")
	if most := f.w.o.Max + f.w.o.Gone; most > 2*time.Second {
		t.Errorf("an edit may take %s", most)
	}
	swap(t, file, with("b"))
	f.want("b")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f.want("[there is no such file]")
}

func TestWatchLinkedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(folder(t, dir, "config"), "profiles.yaml")
	one, two := filepath.Join(folder(t, dir, "one"), "x"), filepath.Join(folder(t, dir, "two"), "y")
	put(t, one, with("a"))
	put(t, two, with("b"))
	linkTo(t, one, file)
	f := follow(t, file, quick, "a")

	put(t, one, with("c"))
	f.want("c")
	swap(t, one, with("d"))
	f.want("d")
	linkTo(t, two, file)
	f.want("b")
	swap(t, two, with("e"))
	f.want("e")
	linkTo(t, filepath.Join("..", "one", "x"), file)
	f.want("d")
	swap(t, one, with("f"))
	f.want("f")
}

func TestWatchLinkedFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(folder(t, dir, "one"), "profiles.yaml"), with("a"))
	put(t, filepath.Join(folder(t, dir, "two"), "profiles.yaml"), with("b"))
	linkTo(t, "one", filepath.Join(dir, "config"))
	f := follow(t, filepath.Join(dir, "config", "profiles.yaml"), quick, "a")
	swap(t, filepath.Join(dir, "one", "profiles.yaml"), with("c"))
	f.want("c")
	linkTo(t, "two", filepath.Join(dir, "config"))
	f.want("b")
	put(t, filepath.Join(dir, "two", "profiles.yaml"), with("d"))
	f.want("d")
}

// TestWatchMount does what Kubernetes does to a mounted file: no event names it.
func TestWatchMount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(folder(t, dir, "..1"), "profiles.yaml"), with("a"))
	put(t, filepath.Join(folder(t, dir, "..2"), "profiles.yaml"), with("b"))
	linkTo(t, "..1", filepath.Join(dir, "..data"))
	linkTo(t, filepath.Join("..data", "profiles.yaml"), filepath.Join(dir, "profiles.yaml"))
	f := follow(t, filepath.Join(dir, "profiles.yaml"), quick, "a")
	linkTo(t, "..2", filepath.Join(dir, "..data"))
	f.want("b")
}

func TestWatchAbsence(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "profiles.yaml")
	put(t, file, with("a"))
	f := follow(t, file, quick, "a")

	// Editors move a file away for a moment, or leave it empty.
	rename(t, file, file+"~")
	waitFor(t, 3*quick.Settle)
	put(t, file, with("b"))
	f.want("b")
	put(t, file, "")
	waitFor(t, 3*quick.Settle)
	put(t, file, with("c"))
	f.want("c")

	rename(t, file, file+"~")
	a := f.next()
	if !errors.Is(a.err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", a.err)
	}
	rename(t, file+"~", file)
	f.want("c")
	put(t, file, "")
	f.want("[the file is empty]")
	put(t, file, with("c"))
	f.want("c")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	f.want("[this is a folder]")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f.want("[there is no such file]")
}

func TestWatchFolderGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "deep", "config", "profiles.yaml")
	f := follow(t, file, quick, "[there is no such file]")
	put(t, filepath.Join(folder(t, filepath.Dir(file)), "profiles.yaml"), with("a"))
	f.want("a")
	if err := os.RemoveAll(filepath.Join(dir, "deep")); err != nil {
		t.Fatal(err)
	}
	f.want("[there is no such file]")
	folder(t, filepath.Dir(file))
	put(t, file, with("b"))
	f.want("b")
	rename(t, filepath.Dir(file), filepath.Join(dir, "deep", "old"))
	folder(t, filepath.Dir(file))
	put(t, file, with("c"))
	f.want("c")
	put(t, file, with("d"))
	f.want("d")
}

func TestWatchHalfWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "profiles.yaml")
	put(t, file, with("a"))
	o := quick
	o.Settle, o.Max = 3*time.Second, time.Minute
	f := follow(t, file, o, "a")
	whole := with("b")
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{whole[:20], whole[20:40], whole[40:]} {
		if _, err := out.WriteString(part); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 20*time.Millisecond)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	f.want("b")
}

func TestWatchBurst(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "profiles.yaml")
	put(t, file, with("a"))
	o := quick
	o.Settle = 200 * time.Millisecond
	f := follow(t, file, o, "a")
	start := time.Now()
	for i := range 1000 {
		swap(t, file, with(fmt.Sprintf("p%d", i)))
	}
	most := 2 + int(time.Since(start)/o.Settle) // each follows a pause of that length, or of Max
	for calls := 1; ; calls++ {
		if a := f.next(); a.names == "p999" {
			break
		}
		if calls > most {
			t.Fatalf("more than %d calls in %s", most, time.Since(start))
		}
	}
}

// TestWatchNoise edits a file beside one that is written all the time.
func TestWatchNoise(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "profiles.yaml")
	put(t, file, with("a"))
	o := quick
	o.Settle, o.Max = 10*time.Second, 300*time.Millisecond
	f := follow(t, file, o, "a")
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				_ = os.WriteFile(filepath.Join(dir, "noise"), fmt.Append(nil, i), 0o600)
			}
		}
	}()
	swap(t, file, with("b"))
	f.want("b")
	close(stop)
	<-done
}

// TestWatchPoll makes changes that no event tells of.
func TestWatchPoll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(folder(t, dir, "a", "b", "config"), "profiles.yaml")
	put(t, file, with("a"))
	o := quick
	o.Poll = 50 * time.Millisecond
	f := follow(t, file, o, "a")

	other := filepath.Join(folder(t, dir, "other"), "same")
	if err := os.Link(file, other); err != nil {
		t.Skip("no hard links here: ", err)
	}
	put(t, other, with("b"))
	f.want("b")

	rename(t, filepath.Join(dir, "a"), filepath.Join(dir, "old"))
	folder(t, filepath.Dir(file))
	put(t, file, with("c"))
	for a := f.next(); a.names != "c"; a = f.next() { // perhaps missing for a moment
		if !errors.Is(a.err, fs.ErrNotExist) {
			t.Fatalf("%+v", a)
		}
	}
}

func TestWatchWithoutEvents(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "profiles.yaml")
	put(t, file, with("a"))
	f := &follower{t: t, calls: make(chan applied, 1000)}
	f.w = NewWatcher(file, WatchOptions{Poll: time.Hour}, f.apply) // longer than blindPoll
	f.w.open = func() (*fsnotify.Watcher, error) { return nil, errors.New("too many watches") }
	f.run()
	f.want("a")
	swap(t, file, with("b"))
	f.want("b")
}

func TestReload(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "profiles.yaml")
	f := &follower{t: t, calls: make(chan applied, 1000)}
	f.w = NewWatcher(file, quick, f.apply)
	if _, err := f.w.Reload(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	f.want("[there is no such file]")
	put(t, file, with("a"))
	c, err := f.w.Reload()
	if err != nil || len(c.Profiles) != 1 {
		t.Error(c, err)
	}
	f.want("a")
	f.run() // finds nothing new
	for range 2 {
		if _, err := f.w.Reload(); err != nil {
			t.Error(err)
		}
		f.want("a")
	}
	put(t, file, with("b"))
	f.want("b")
}

func TestWatchLeavesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "profiles.yaml")
	put(t, file, with("a"))
	before := runtime.NumGoroutine()
	for range 5 {
		ctx, cancel := context.WithCancel(context.Background())
		w := NewWatcher(file, quick, func(*Config, error) { cancel() })
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	}
	soon.Until(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

func TestFolders(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	folder(t, in("real", "deep"))
	folder(t, in("other"))
	put(t, in("real", "deep", "file"), "x")
	put(t, in("other", "file"), "x")
	linkTo(t, in("real"), in("absolute"))
	linkTo(t, filepath.Join("..", "real", ".", "deep", "file"), in("other", "relative"))
	linkTo(t, in("other", "relative"), in("chain"))
	linkTo(t, "nowhere", in("dangling"))
	linkTo(t, "loop", in("loop"))
	for path, want := range map[string][]string{
		in("real", "deep", "file"):           {in("real", "deep")},
		in("real", "deep", "none"):           {in("real", "deep")},
		in("real", "none", "file"):           {in("real")},
		in("absolute", "deep", "file"):       {dir, in("real", "deep")},
		in("other", "relative"):              {in("other"), in("real", "deep")},
		in("chain"):                          {dir, in("other"), in("real", "deep")},
		in("dangling"):                       {dir},
		in("loop"):                           {dir},
		in("real", "deep", "file", "beyond"): {in("real", "deep")},
	} {
		if diff := cmp.Diff(want, folders(path)); diff != "" {
			t.Errorf("%s: %s", strings.TrimPrefix(path, dir), diff)
		}
	}
}
