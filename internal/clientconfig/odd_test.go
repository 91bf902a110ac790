//go:build linux

package clientconfig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLinkedFolders: a home folder behind a link, as some systems have it, and links to
// links. The client's lock is one and the same by both names.
func TestLinkedFolders(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"claude-code", "cline"} {
		l := newLab(t)
		file := l.file(id)
		l.write(file, others)
		for from, to := range map[string]string{"a": l.home, "b": "a", "c": "b"} {
			if err := os.Symlink(to, filepath.Join(filepath.Dir(l.home), from)); err != nil {
				t.Fatal(err)
			}
		}
		l.env["HOME"] = filepath.Join(filepath.Dir(l.home), "c")
		l.must(id, Task{Set: []Entry{tools}})
		l.debrisOf(file)
		l.must(id, Task{Drop: []Entry{tools}})
		l.want(file, others)
	}
}

func TestAChainOfLinks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.write(l.path("d/real.json"), others)
	l.mkdir(filepath.Dir(file))
	for from, to := range map[string]string{".cursor/mcp.json": "../one", "one": "two", "two": l.path("d/link"), "d/link": "real.json"} {
		if err := os.Symlink(to, l.path(from)); err != nil {
			t.Fatal(err)
		}
	}
	home := l.tree(l.home)
	l.must("cursor", Task{Set: []Entry{tools}})
	if !strings.Contains(l.read(l.path("d/real.json")), "7801") {
		t.Error(l.read(l.path("d/real.json")))
	}
	if err := l.undo("cursor"); err != nil {
		t.Fatal(err)
	}
	l.same(home)

	plans, err := l.editor.Plan("cursor", Task{Set: []Entry{tools}})
	if err != nil {
		t.Fatal(err)
	}
	l.write(l.path("other.json"), others)
	if err := errors.Join(os.Remove(l.path("two")), os.Symlink("other.json", l.path("two"))); err != nil {
		t.Fatal(err)
	}
	if err := l.editor.Apply(t.Context(), plans[0]); !errors.Is(err, ErrChanged) {
		t.Errorf("error %v", err)
	}
	l.want(l.path("d/real.json"), others)
}

func TestAFolderThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if err := os.Symlink("nowhere", l.path(".cline")); err != nil {
		t.Fatal(err)
	}
	l.refused("cline", Task{Set: []Entry{tools}}, ".cline is a link that leads nowhere")
}

// A126
func TestAFileInPlaceOfAFolder(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write(l.path(".cursor"), "")
	l.refused("cursor", Task{Set: []Entry{tools}}, "cannot be read")
}

// asPerson skips when nothing is forbidden to this process.
func asPerson(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may do anything")
	}
}

func TestAReadOnlyFolder(t *testing.T) {
	t.Parallel()
	asPerson(t)
	for _, id := range []string{"cursor", "cline"} {
		for _, there := range []bool{true, false} {
			l := newLab(t)
			file := l.file(id)
			l.mkdir(filepath.Dir(file))
			if there {
				l.write(file, others)
			}
			if err := os.Chmod(filepath.Dir(file), 0o555); err != nil {
				t.Fatal(err)
			}
			home := l.tree(l.home)
			l.refused(id, Task{Set: []Entry{tools}}, "permission denied")
			l.same(home)
			l.tidy()
			if got := l.stateOf(id, tools); got != Missing {
				t.Errorf("state %s", got)
			}
			_ = os.Chmod(filepath.Dir(file), 0o755)
		}
	}
}

// TestStickyFolder: a file of ours where everybody may have files, but only their own.
func TestStickyFolder(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := l.file("cursor")
	l.write(file, others)
	dir := filepath.Dir(file)
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	l.must("cursor", Task{Set: []Entry{tools}})
	l.must("cursor", Task{Drop: []Entry{tools}})
	l.want(file, others)
	l.debrisOf(file)
}

// TestAttributesStay: the access list and the attributes that a person gave a file, and
// none that only its folder would give to a new one.
func TestAttributesStay(t *testing.T) {
	t.Parallel()
	// version 2: user::rw- user:12345:r-- group::r-- mask::r-- other::---
	list := []byte{2, 0, 0, 0}
	for _, e := range [][3]int{{0x01, 6, -1}, {0x02, 4, 12345}, {0x04, 4, -1}, {0x10, 4, -1}, {0x20, 0, -1}} {
		list = append(list, byte(e[0]), 0, byte(e[1]), 0, byte(e[2]), byte(e[2]>>8), byte(e[2]>>16), byte(e[2]>>24))
	}
	l := newLab(t)
	file := l.file("cursor")
	l.write(file, others)
	if err := unix.Setxattr(filepath.Dir(file), "system.posix_acl_default", list, 0); err != nil {
		t.Skip("no access lists here:", err)
	}
	l.must("cursor", Task{Set: []Entry{tools}})
	if value, err := attribute(file, accessList); err == nil {
		t.Errorf("it got the list %v", value)
	}
	l.must("cursor", Task{Drop: []Entry{tools}})
	for name, value := range map[string][]byte{accessList: list, "user.note": []byte("mine")} {
		if err := unix.Setxattr(file, name, value, 0); err != nil {
			t.Skip("no attributes here:", err)
		}
	}
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	l.must("cursor", Task{Set: []Entry{tools}})
	for name, value := range map[string][]byte{accessList: list, "user.note": []byte("mine")} {
		if got, err := attribute(file, name); err != nil || !bytes.Equal(got, value) {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	if after, err := os.Stat(file); err != nil || after.Mode() != before.Mode() {
		t.Errorf("mode %v became %v, %v", before.Mode(), after.Mode(), err)
	}
}

// TestNoMask: a process whose new files everybody could write.
func TestNoMask(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, id := range []string{"cursor", "cline"} {
		if out, err := l.alone("set", id, "CLIENTCONFIG_UMASK=0").CombinedOutput(); err != nil || string(out) != "done\n" {
			t.Fatalf("%s, %v", out, err)
		}
	}
	for _, dir := range []string{l.state, l.path(".cursor"), l.path(".cline")} {
		for line := range strings.Lines(l.tree(dir)) {
			if strings.Contains(line, " -") || strings.Contains(line, " d") {
				if !strings.HasSuffix(line, "------\n") {
					t.Errorf("others may: %s", line)
				}
			}
		}
	}
}

// TestNoRoomAnywhere has files not grow beyond every size in turn: that of the backup,
// of what is ours, of the new config.
func TestNoRoomAnywhere(t *testing.T) {
	t.Parallel()
	for size := 0; ; size += 131 {
		l := newQuickLab(t)
		file := l.file("cursor")
		l.write(file, others)
		home := l.tree(l.home)
		out, err := l.alone("set", "cursor", envLimit+"="+strconv.Itoa(size)).CombinedOutput()
		if err != nil {
			t.Fatalf("%s, %v", out, err)
		}
		if string(out) == "done\n" {
			if size < 500 {
				t.Errorf("there is room in %d bytes", size)
			}
			return
		}
		if !strings.Contains(string(out), "file too large") {
			t.Errorf("with %d bytes: %s", size, out)
		}
		if l.read(file) == others {
			l.same(home)
		} else if got := l.stateOf("cursor", tools); got != Current { // written, and what is ours then not
			t.Errorf("with %d bytes the entry is %s", size, got)
		}
		l.tidy()
		l.must("cursor", Task{Set: []Entry{tools}})
		if err := l.undo("cursor"); err != nil {
			t.Error(err)
		}
		l.same(home)
	}
}

// TestTwoProcesses write the same config at the same time.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write(l.file("cursor"), others)
	var outs [6]bytes.Buffer
	var waits []func() error
	for i := range outs {
		c := l.alone("set", "cursor", fmt.Sprintf("CLIENTCONFIG_PROFILE=p%d", i))
		c.Stdout, c.Stderr = &outs[i], &outs[i]
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		waits = append(waits, c.Wait)
	}
	written := 0
	for i, wait := range waits {
		if err := wait(); err != nil {
			t.Error(err)
		}
		switch out := outs[i].String(); {
		case out == "done\n":
			written++
			if !strings.Contains(l.read(l.file("cursor")), fmt.Sprintf(`"p%d"`, i)) {
				t.Errorf("p%d is lost", i)
			}
		case !strings.Contains(out, "changed by another program"):
			t.Error(out)
		}
	}
	if written == 0 {
		t.Error("nobody wrote")
	}
	l.must("cursor", Task{Gone: func(string) bool { return true }})
	l.want(l.file("cursor"), others)
	l.tidy()
}

// A131: nothing but the table, the home folder and the variables that a client itself
// goes by leads to a file, and these only to a file of this person's.
func TestNoOtherPlaces(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write(l.path("elsewhere/config.toml"), "")
	for _, value := range []string{"elsewhere", "~/elsewhere", "./elsewhere", "$HOME/elsewhere"} {
		l.env["CODEX_HOME"] = value
		if got := l.file("codex"); got != l.path(".codex/config.toml") {
			t.Errorf("CODEX_HOME=%s leads to %s", value, got)
		}
	}
	l.env["CODEX_HOME"] = l.path("elsewhere")
	if err := errors.Join(os.Remove(l.path("elsewhere/config.toml")), syscall.Mkfifo(l.path("elsewhere/config.toml"), 0o600)); err != nil {
		t.Fatal(err)
	}
	l.refused("codex", Task{Set: []Entry{tools}}, "a device or a pipe")
}

// A126: a large file is edited, one that is meant to cost time
// is refused.
func TestLargeFiles(t *testing.T) {
	t.Parallel()
	pad := func(line string) string { return strings.Repeat(line, 1<<19/len(line)) }
	for _, c := range []struct{ id, text string }{
		{"claude-code", "{\n  \"projects\": [\n" + pad("    {\"path\": \"/a/b\", \"n\": 1.50, \"on\": true},\n") + "    null\n  ]\n}\n"},
		{"codex", "[a]\nb = [\n" + pad("  \"some text\", # and more\n") + "]\n"},
	} {
		l := newLab(t)
		l.write(l.file(c.id), c.text)
		l.must(c.id, Task{Set: []Entry{tools}})
		l.must(c.id, Task{Drop: []Entry{tools}})
		l.want(l.file(c.id), c.text)
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'l'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 9))
	}
	for id, text := range map[string]string{"goose": bomb + "extensions: {}\n", "gemini-cli": strings.Repeat(`{"a":`, 1<<20)} {
		l := newLab(t)
		l.write(l.file(id), text)
		l.refused(id, Task{Set: []Entry{tools}}, l.file(id))
	}
}
