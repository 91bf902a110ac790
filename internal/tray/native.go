//go:build windows || ((linux || freebsd || openbsd || netbsd) && !android) || (darwin && cgo && !ios)

package tray

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"fyne.io/systray"

	"github.com/mcpauth-tray/mcpauth-tray/assets"
)

// readyWait is how long the system may take to show the icon before we give up.
const readyWait = 10 * time.Second

// show runs the tray on this goroutine.
func show(ctx context.Context, f *face, o Options) (err error) {
	if err := probe(ctx); ctx.Err() != nil {
		return nil
	} else if err != nil {
		return fmt.Errorf("%w: %w", ErrNoTray, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	defer func() {
		// The library panics when it is to close a connection it never had.
		if r := recover(); r != nil && ctx.Err() == nil {
			err = fmt.Errorf("the tray failed: %v", r)
		}
	}()

	sc := &native{log: o.Logger, clicks: f.clicks, panels: f.panels, image: busy}
	sc.announce()
	attend := attendant(ctx, sc, o)
	ready, refused := make(chan struct{}), make(chan struct{})
	started := func() {
		drawn := make(chan struct{})
		work.Go(func() { f.run(ctx, sc, func() { close(drawn) }) })
		work.Go(attend)
		close(ready)
		<-drawn // the panel waits for the menu until this returns
	}
	ended := func() {
		if ctx.Err() == nil { // it was not us who ended it
			o.SessionEnd()
		}
	}
	stop := stopper(ready)
	work.Go(func() {
		select {
		case <-ready:
			<-ctx.Done()
			systray.Quit()
		case <-ctx.Done():
			stop()
		case <-time.After(readyWait):
			close(refused)
			stop()
		}
	})
	systray.Run(started, ended)
	select {
	case <-refused:
		return fmt.Errorf("%w: the system did not take the icon", ErrNoTray)
	default:
		return nil
	}
}

// native is the screen, by way of systray.
type native struct {
	log    *slog.Logger
	clicks chan<- string
	panels chan<- struct{}
	lines  map[string]*line // key → line on the screen
	stop   chan struct{}    // ends the goroutines that wait for clicks on these lines
	image  icon
	text   string
	lost   atomic.Bool // the icon is gone for good: drawing would only fill the log
}

// line is an item as it is on the screen.
type line struct {
	item *systray.MenuItem
	last Item // the title is the one drawn, which a hidden line may lag behind
}

func (n *native) build(items []Item) {
	n.draw(func() {
		n.clear()
		n.stop = make(chan struct{})
		n.lines = map[string]*line{}
		n.add(nil, items, 2)
	})
}

func (n *native) nest(items []Item) {
	n.draw(func() {
		for _, top := range items {
			for _, it := range top.Items {
				if l := n.lines[it.Key]; l != nil {
					n.add(l.item, it.Items, 1)
				}
			}
		}
	})
}

func (n *native) clear() {
	if n.stop == nil {
		return
	}
	close(n.stop)
	for _, l := range n.lines {
		// Removing an item closes its channel, on which a click may be about to be
		// sent; it leaves a nil channel alone.
		l.item.ClickedCh = nil
	}
	systray.ResetMenu()
}

// add adds lines to a menu, and their submenus down to a number of levels.
func (n *native) add(parent *systray.MenuItem, items []Item, levels int) {
	if levels == 0 {
		return
	}
	for _, it := range items {
		var item *systray.MenuItem
		switch {
		case it.Separator:
			systray.AddSeparator()
			continue
		case parent == nil:
			item = systray.AddMenuItem(label(it.Title), "")
		default:
			item = parent.AddSubMenuItem(label(it.Title), "")
		}
		// The line can be clicked from here on, and the library drops a click for which
		// there is neither room nor somebody waiting.
		item.ClickedCh = make(chan struct{}, 1)
		if it.Disabled {
			item.Disable()
		}
		n.add(item, it.Items, levels-1)
		if it.Hidden {
			item.Hide()
		}
		n.lines[it.Key] = &line{item: item, last: it}
		go forward(item.ClickedCh, it.Key, n.clicks, n.stop)
	}
}

// forward passes clicks on.
func forward(clicked <-chan struct{}, key string, to chan<- string, stop <-chan struct{}) {
	for {
		select {
		case <-clicked:
			select {
			case to <- key:
			case <-stop:
				return
			}
		case <-stop:
			return
		}
	}
}

func (n *native) update(items []Item) {
	n.draw(func() {
		each(items, func(it *Item) {
			if l := n.lines[it.Key]; l != nil {
				l.show(*it)
			}
		})
	})
}

// show draws what differs. A hidden line is left as it is, for on Windows any change
// to it would show it.
func (l *line) show(it Item) {
	if it.Hidden {
		if !l.last.Hidden {
			l.item.Hide()
			l.last.Hidden = true
		}
		return
	}
	if it.Title != l.last.Title {
		l.item.SetTitle(label(it.Title))
	}
	switch {
	case it.Disabled && !l.last.Disabled:
		l.item.Disable()
	case !it.Disabled && l.last.Disabled:
		l.item.Enable()
	}
	if l.last.Hidden {
		l.item.Show()
	}
	l.last = it
}

func (n *native) icon(i icon) {
	n.image = i
	n.draw(func() { systray.SetIcon(assets.Icon(string(i))) })
}

func (n *native) tooltip(text string) {
	n.text = text
	n.draw(func() { systray.SetTooltip(text) })
}

func (n *native) redraw() {
	n.announce()
	n.tooltip(n.text)
}

// draw keeps the app alive when the library panics, which it does when the session bus
// has gone away beneath it.
func (n *native) draw(f func()) {
	if n.lost.Load() {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			n.log.Debug("the tray could not be drawn", "error", r)
		}
	}()
	f()
}
