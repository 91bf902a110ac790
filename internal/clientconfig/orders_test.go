package clientconfig

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestOrders(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const id = "claude-desktop"
	l.mkdir(filepath.Dir(l.file(id)))
	a, b := Order{Client: id, Profile: tools.Profile}, Order{Client: id, Profile: "b", Asked: true}
	want := func(what string, orders ...Order) {
		t.Helper()
		l.restart()
		if got, err := l.editor.Orders(); err != nil || !slices.Equal(got, orders) {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	order := func(orders ...Order) {
		t.Helper()
		if err := l.editor.Order(t.Context(), orders...); err != nil {
			t.Fatal(err)
		}
	}
	want("none")
	order(a, b)
	order(a)
	want("each once", a, b)
	if e := l.entry(id, tools); e.State != Missing || !e.Waits || !strings.Contains(e.Detail, "is quit") {
		t.Errorf("%+v", e)
	}
	if ids, err := l.editor.Written(); err != nil || !slices.Equal(ids, []string{id}) {
		t.Errorf("%v, %v", ids, err)
	}
	l.must(id, Task{Keep: []Entry{tools}, Auto: true, Gone: func(string) bool { return false }})
	want("the app looked at it", a, b)
	l.must(id, Task{Drop: []Entry{tools}})
	want("taken out, where no file is", b)
	l.debris(filepath.Dir(l.file(id)))
	order(a)
	l.must(id, Task{Set: []Entry{tools}})
	want("written by a person", b)
	if e := l.entry(id, tools); e.State != Current || e.Waits {
		t.Errorf("%+v", e)
	}
	if err := l.editor.Cancel(t.Context(), id, "b"); err != nil {
		t.Fatal(err)
	}
	want("cancelled")
	info, err := os.Stat(filepath.Join(l.state, "clients", "owned.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.editor.Cancel(t.Context(), id, "b"); err != nil {
		t.Fatal(err)
	}
	if now, err := os.Stat(filepath.Join(l.state, "clients", "owned.json")); err != nil || !os.SameFile(info, now) {
		t.Error("nothing was cancelled, and it was written")
	}
}
