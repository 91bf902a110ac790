package seat

import (
	"context"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// Icon is an icon as its panel sees it.
type Icon struct {
	t          testing.TB
	item, menu dbus.BusObject
}

// Property reads a property of the icon.
func (i *Icon) Property(name string) any {
	i.t.Helper()
	var v dbus.Variant
	call := i.item.CallWithContext(soon.Context(i.t), "org.freedesktop.DBus.Properties.Get", 0, "org.kde.StatusNotifierItem", name)
	if err := call.Store(&v); err != nil {
		i.t.Fatalf("%s: %v", name, err)
	}
	return v.Value()
}

// Click reports a click on a line of the menu. It is for any goroutine.
func (i *Icon) Click(ctx context.Context, id int32) error {
	return i.menu.CallWithContext(ctx, "com.canonical.dbusmenu.Event", 0, id, "clicked", dbus.MakeVariant(""), uint32(0)).Err
}

// Line is a line of a menu, or all of the menu.
type Line struct {
	ID       int32
	Props    map[string]dbus.Variant
	Children []Line
}

// Menu reads the menu once.
func (i *Icon) Menu() *Line {
	i.t.Helper()
	type raw struct {
		ID       int32
		Props    map[string]dbus.Variant
		Children []dbus.Variant
	}
	var convert func(r raw) Line
	convert = func(r raw) Line {
		l := Line{ID: r.ID, Props: r.Props}
		for _, v := range r.Children {
			var c raw
			if err := dbus.Store([]any{v.Value()}, &c); err != nil {
				i.t.Fatal(err)
			}
			l.Children = append(l.Children, convert(c))
		}
		return l
	}
	var revision uint32
	var r raw
	call := i.menu.CallWithContext(soon.Context(i.t), "com.canonical.dbusmenu.GetLayout", 0, int32(0), int32(-1), []string{})
	if err := call.Store(&revision, &r); err != nil {
		i.t.Fatal(err)
	}
	all := convert(r)
	return &all
}

// Label is what the line says.
func (l *Line) Label() string {
	s, _ := l.Props["label"].Value().(string)
	return s
}

// Is reports a property that lines have unless it is taken from them: enabled, visible.
func (l *Line) Is(property string) bool {
	b, ok := l.Props[property].Value().(bool)
	return !ok || b
}

// Find returns the visible line with a label, given as "row" or "row/line of its submenu".
// A label may be cut short with a star.
func (l *Line) Find(path string) *Line {
	label, rest, deeper := strings.Cut(path, "/")
	for i := range l.Children {
		c := &l.Children[i]
		start, cut := strings.CutSuffix(label, "*")
		if c.Label() != label && !(cut && strings.HasPrefix(c.Label(), start)) || !c.Is("visible") {
			continue
		}
		if deeper {
			return c.Find(rest)
		}
		return c
	}
	return nil
}
