package clientconfig

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestManyAtOnce requires that entries which are written in one go stand in the file as
// those do that are written one after the other, whatever happens to each, and that the
// file becomes what it was when they are taken out again.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"claude-code", "codex", "goose"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			c, err := ClientByID(id)
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range shapes[c.Format] {
				atOnce(t, c, name, strings.ReplaceAll(text, "servers", c.Servers[0]))
			}
		})
	}
}

func atOnce(t *testing.T, c *Client, name, text string) {
	together, apart := newQuickLab(t), newQuickLab(t)
	file := together.file(c.ID)
	entries := many(4)
	next := slices.Delete(slices.Clone(entries), 2, 3) // 2 goes, 3 is new
	next[1].URL = "http://127.0.0.1:6999/other"
	reversed := slices.Clone(next) // what was there before us is remembered with the first
	slices.Reverse(reversed)
	together.write(file, text)
	apart.write(apart.file(c.ID), text)
	for _, step := range []Task{
		{Set: entries[:3]},
		{Drop: entries[2:3], Set: next},
		{Drop: reversed},
	} {
		together.must(c.ID, step)
		for _, e := range step.Drop {
			apart.must(c.ID, Task{Drop: []Entry{e}})
		}
		for _, e := range step.Set {
			apart.must(c.ID, Task{Set: []Entry{e}})
		}
		if got, want := together.read(file), apart.read(apart.file(c.ID)); got != want {
			t.Fatalf("%s: at once it is\n%s\none after the other\n%s", name, got, want)
		}
	}
	together.want(file, text)
	for range 3 {
		if err := together.undo(c.ID); err != nil {
			t.Fatal(err)
		}
	}
	together.want(file, text)
	together.debrisOf(file)
}

// TestManyCostLittleMore: a large config is read as often for many entries as for one.
func TestManyCostLittleMore(t *testing.T) {
	l := newQuickLab(t)
	l.write(l.file("claude-code"), largeConfig(256<<10))
	cost := func(n int) float64 {
		return testing.AllocsPerRun(1, func() {
			if _, err := l.editor.Plan("claude-code", Task{Set: many(n)}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if one, twenty := cost(1), cost(20); twenty > 1.5*one {
		t.Errorf("20 entries cost %.0f allocations, and one %.0f", twenty, one)
	}
}

// many are entries of so many profiles.
func many(n int) []Entry {
	entries := make([]Entry, n)
	for i := range entries {
		entries[i] = Entry{Profile: fmt.Sprintf("profile-%d", i), URL: fmt.Sprintf("http://127.0.0.1:%d/mcp", 7000+i)}
	}
	return entries
}
