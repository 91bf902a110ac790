//go:build unix

package tokenstore

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

func init() {
	steps := map[string]func(file string, data []byte){
		"half written": func(file string, data []byte) {
			f, _ := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+tempMark+"*")
			_, _ = f.Write(data[:len(data)/2])
		},
		"not renamed": func(file string, data []byte) { _, _ = writeTemp(file, data) },
		"not flushed": func(file string, data []byte) {
			temp, _ := writeTemp(file, data)
			_ = replace(temp, file)
		},
	}
	for name, step := range steps {
		children[name] = func(dir string) {
			s := child(dir)
			key, _ := s.keeper.get(ctx, true)
			step(sealedPath(dir, "a"), key.seal("a", []byte("new")))
			kill()
		}
	}
	children["saver"] = saver
	children["counter"] = func(dir string) {
		s := child(dir)
		for range 25 {
			if err := count(s, "counter"); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
	}
	children["holder"] = func(dir string) {
		if _, err := child(dir).Lock(ctx, "a"); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		select {}
	}
}

// fixedKeyring has the same key in every process.
type fixedKeyring struct{}

func (fixedKeyring) Open(context.Context) error { return nil }
func (fixedKeyring) Unlock() error              { return nil }
func (fixedKeyring) Get(string, string) (string, error) {
	return base64.StdEncoding.EncodeToString(make([]byte, keySize)), nil
}
func (fixedKeyring) Set(string, string, string) error { return errors.New("not to be called") }

func child(dir string) *Store {
	s, err := New(Options{Kind: KindKeyring, Dir: dir, Keyring: fixedKeyring{}})
	if err != nil {
		panic(err)
	}
	return s
}

func kill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// saver saves growing numbers, as blobs of two sizes, until it is killed, and says
// so before and after each.
func saver(dir string) {
	s := child(dir)
	for i := uint64(1); ; i++ {
		blob := binary.BigEndian.AppendUint64(make([]byte, i%2*4096), i)
		fmt.Println("try", i)
		if err := s.Save(ctx, "a", blob); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("done", i)
	}
}

// start runs this test binary as one of the children.
func start(t *testing.T, child, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "TOKENSTORE_TEST_CHILD="+child, "TOKENSTORE_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

// F4: killed at each step of Save.
func TestKilledWhileSaving(t *testing.T) {
	for step, want := range map[string]string{"half written": "old", "not renamed": "old", "not flushed": "new"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			mustSave(t, child(dir), "a", []byte("old"))
			cmd, _ := start(t, step, dir)
			if err := cmd.Wait(); err == nil {
				t.Fatal("the child was not killed")
			}
			wantBlob(t, child(dir), "a", []byte(want))
			for name := range snapshot(t, dir) {
				if strings.Contains(name, tempMark) {
					t.Errorf("stray file %s", name)
				}
			}
		})
	}
}

// Killed at any moment, many times: the record is the last one that was durable or
// the one being written, never anything else.
func TestKilledAtRandom(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 5
	}
	dir := t.TempDir()
	strays := 0
	for range rounds {
		cmd, out := start(t, "saver", dir)
		time.AfterFunc(time.Duration(20+rand.IntN(60))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		var tried, done uint64
		for out.Scan() {
			if _, err := fmt.Sscanf(out.Text(), "try %d", &tried); err == nil {
				continue
			}
			if _, err := fmt.Sscanf(out.Text(), "done %d", &done); err != nil {
				t.Fatal(out.Text())
			}
		}
		_ = cmd.Wait()
		for name := range snapshot(t, dir) {
			if strings.Contains(name, tempMark) {
				strays++
			}
		}
		if done == 0 {
			continue // killed before its first record; the one of the round before is there
		}
		blob, err := child(dir).Load(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		if got := binary.BigEndian.Uint64(blob[len(blob)-8:]); got != tried && got != done {
			t.Fatalf("record %d, last durable %d, last tried %d", got, done, tried)
		}
	}
	t.Logf("%d of %d kills left a half-written file behind", strays, rounds)
}

// F9: the lock ends with the process that held it.
func TestLockDiesWithItsProcess(t *testing.T) {
	dir := t.TempDir()
	cmd, out := start(t, "holder", dir)
	if !out.Scan() || out.Text() != "held" {
		t.Fatal("the child got no lock: ", out.Text())
	}
	s := child(dir)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := s.Lock(short, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("two processes hold the lock: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	unlock, err := s.Lock(soon.Context(t), "a")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestProcessesShareAnAccount(t *testing.T) {
	dir := t.TempDir()
	mustSave(t, child(dir), "other", []byte("x")) // the key file is there
	var cmds [4]*exec.Cmd
	var outs [4]*bufio.Scanner
	for i := range cmds {
		cmds[i], outs[i] = start(t, "counter", dir)
	}
	for i, cmd := range cmds {
		for outs[i].Scan() {
			t.Error(outs[i].Text())
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	wantBlob(t, child(dir), "counter", binary.BigEndian.AppendUint64(nil, 100))
}
