package tray

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

const (
	// settle is how long the menu waits for further changes before it is built anew.
	settle = 300 * time.Millisecond
	// firstWait is how long the first menu waits for the first Snapshot.
	firstWait = 200 * time.Millisecond
	// nestAfter is how long a panel has for a new menu before there are submenus of
	// submenus: GTK panels lose lines that they hear of together with their parents.
	nestAfter = 800 * time.Millisecond
	// redrawAfter is when the icon is set once more: some panels miss the first one.
	redrawAfter = time.Second
	// startWait is how long an accepted sign-in may take to show in a Snapshot.
	startWait = 30 * time.Second
	// again is how soon a second click on "Sign in" is taken for a new one.
	again = 2 * time.Second
)

// screen draws. All calls come from one goroutine.
type screen interface {
	build(items []Item)  // replaces the whole menu; submenus of submenus are left empty
	nest(items []Item)   // fills those; the keys are the same
	update(items []Item) // changes lines of the menu in place; the keys are the same
	icon(icon)
	tooltip(string)
	redraw() // sets icon and texts once more
}

// face is the life of a tray: Snapshots and clicks in, drawing and Actions out. Its
// fields belong to the goroutine of run.
type face struct {
	engine supervisor.Engine
	desk   Desktop
	log    *slog.Logger
	clicks chan string   // keys of items clicked, from the screen
	panels chan struct{} // a panel has come that has to be shown everything, from the screen
	news   *news

	work  sync.WaitGroup // deeds of clicks
	ended chan outcome
	doing map[string]bool // keys of items whose deed goes on

	snapshot *status.Snapshot
	menu     []Item           // what should be on the screen
	built    []Item           // the menu as it was built, for its keys; nil: it is to be built
	flat     bool             // its submenus of submenus are empty
	index    map[string]*Item // key → item of menu
	icon     icon
	tooltip  string
	errands  map[string]*errand // profile → sign-in asked for here
}

// errand is a sign-in, or a fresh link of one under way, that the person at this tray
// asked for. The browser is opened once for it, and never for what others asked for.
type errand struct {
	asked time.Time
	row   stamp  // how the profile was then
	link  string // the link there was then, which is not ours
	copy  bool   // the link is to be copied, not opened
	shown bool   // the sign-in was seen under way
	done  bool
}

// outcome is how the deed of a click ended.
type outcome struct {
	key   string // empty: nobody clicked, the deed followed from another
	click Click
	err   error
}

func newFace(engine supervisor.Engine, d Desktop, log *slog.Logger, now time.Time) *face {
	return &face{
		engine: engine, desk: d, log: log,
		clicks: make(chan string, 64), panels: make(chan struct{}), ended: make(chan outcome),
		doing: map[string]bool{}, errands: map[string]*errand{},
		news: newNews(now),
	}
}

// run draws and acts until ctx ends. It calls drawn when the first menu stands.
func (f *face) run(ctx context.Context, sc screen, drawn func()) {
	snapshots := make(chan *status.Snapshot)
	f.work.Go(func() { f.watch(ctx, snapshots) })
	defer f.work.Wait()

	select {
	case f.snapshot = <-snapshots:
	case <-time.After(firstWait):
	case <-ctx.Done():
	}
	f.see(ctx, sc, f.snapshot)
	drawn()

	var rebuild, nest, tell <-chan time.Time
	redraw, loud := time.After(redrawAfter), time.After(quiet)
	for {
		if rebuild == nil && !sameKeys(f.menu, f.built) {
			rebuild = time.After(settle)
		}
		if nest == nil && f.flat {
			nest = time.After(nestAfter)
		}
		if tell == nil && len(f.news.pending) > 0 {
			tell = time.After(gather)
		}
		select {
		case <-ctx.Done():
			return
		case s := <-snapshots:
			f.see(ctx, sc, s)
		case key := <-f.clicks:
			f.click(ctx, key)
		case o := <-f.ended:
			f.finish(ctx, o)
		case <-rebuild:
			rebuild, nest = nil, nil
			f.build(sc)
		case <-nest:
			nest = nil
			f.nest(sc)
		case <-f.panels:
			f.built, f.flat, nest = nil, false, nil
		case <-tell:
			tell = nil
			if m, ok := f.news.take(); ok {
				f.notify(m)
			}
		case <-redraw:
			sc.redraw()
		case <-loud:
			if f.snapshot != nil {
				f.news.seeClients(f.snapshot, time.Now())
			}
		}
	}
}

func (f *face) watch(ctx context.Context, to chan<- *status.Snapshot) {
	for s := range f.engine.Watch(ctx) {
		select {
		case to <- s:
		case <-ctx.Done():
			return
		}
	}
}

// see draws a Snapshot, nil before the first, and opens the browser if it is time to.
func (f *face) see(ctx context.Context, sc screen, s *status.Snapshot) {
	f.snapshot = s
	f.menu = Menu(s)
	f.index = map[string]*Item{}
	each(f.menu, func(it *Item) { f.index[it.Key] = it })
	switch {
	case f.built == nil:
		f.build(sc)
	case sameKeys(f.menu, f.built):
		sc.update(f.menu)
	}
	if i := worstIcon(s); i != f.icon {
		f.icon = i
		sc.icon(i)
	}
	if t := tooltip(s); t != f.tooltip {
		f.tooltip = t
		sc.tooltip(t)
	}
	if s != nil {
		now := time.Now()
		f.news.see(s, now, func(profile string) bool { return f.errands[profile] != nil })
		f.runErrands(ctx, s, now)
	}
}

func (f *face) build(sc screen) {
	if !sameKeys(f.menu, f.built) {
		f.built, f.flat = f.menu, true
		sc.build(f.menu)
	}
}

func (f *face) nest(sc screen) {
	if sameKeys(f.menu, f.built) { // otherwise it is built anew soon
		f.flat = false
		sc.nest(f.menu)
	}
}

// runErrands opens the browser for sign-ins asked for here, once their link is known.
func (f *face) runErrands(ctx context.Context, s *status.Snapshot, now time.Time) {
	for name, e := range f.errands {
		p := s.Profile(name)
		switch {
		case p == nil:
			delete(f.errands, name)
		case p.Phase == status.SigningIn:
			e.shown = true
			if link := linkOf(p); !e.done && link != "" && link != e.link {
				e.done = true
				f.act(ctx, "", e.deed(p.Prompt))
				if p.Prompt.LinkOnly && !e.copy {
					f.notify(message{"Sign-in link copied", "Open it in a browser to sign in to " + clip(name, maxName)})
				}
			}
		case e.shown || stampOf(p) != e.row || now.Sub(e.asked) > startWait:
			delete(f.errands, name)
		}
	}
}

func (e *errand) deed(p *status.Prompt) Click {
	if e.copy || p.LinkOnly {
		return Click{Copy: p.URL}
	}
	return Click{OpenURL: p.URL}
}

func linkOf(p *status.Profile) string {
	if p.Prompt == nil {
		return ""
	}
	return p.Prompt.URL
}

// click starts the deed of an item, unless it cannot be meant: hosts also report
// clicks on lines that are disabled or hidden, and a deed under way is not begun twice.
func (f *face) click(ctx context.Context, key string) {
	it := f.index[key]
	if it == nil || it.Disabled || it.Hidden || it.Click == (Click{}) || f.doing[key] {
		return
	}
	switch a := it.Click.Action; a.Verb {
	case supervisor.SignIn:
		if !f.startErrand(a.Profile, it.Click.CopyLink, time.Now()) {
			return
		}
	case supervisor.SignOut:
		f.news.signOut(a.Profile)
	}
	f.doing[key] = true
	f.act(ctx, key, it.Click)
}

// startErrand reports whether a click is a new wish and not one of a burst.
func (f *face) startErrand(profile string, copyLink bool, now time.Time) bool {
	if e := f.errands[profile]; e != nil && e.copy == copyLink && now.Sub(e.asked) < again {
		return false
	}
	p := f.snapshot.Profile(profile)
	f.errands[profile] = &errand{asked: now, row: stampOf(p), link: linkOf(p), copy: copyLink}
	f.news.signIn(p)
	return true
}

func (f *face) act(ctx context.Context, key string, c Click) {
	f.work.Go(func() {
		o := outcome{key: key, click: c, err: f.carryOut(ctx, c)}
		select {
		case f.ended <- o:
		case <-ctx.Done():
		}
	})
}

func (f *face) carryOut(ctx context.Context, c Click) error {
	switch {
	case c.OpenURL != "":
		return f.desk.OpenURL(c.OpenURL)
	case c.OpenFile != "":
		return f.desk.OpenFile(c.OpenFile)
	case c.Copy != "":
		return f.desk.Copy(c.Copy)
	case c.Edit != (ClientEdit{}):
		return f.desk.EditClient(c.Edit)
	}
	return f.engine.Do(ctx, c.Action)
}

func (f *face) finish(ctx context.Context, o outcome) {
	delete(f.doing, o.key)
	if o.err == nil {
		return
	}
	if a := o.click.Action; a.Verb == supervisor.SignIn {
		delete(f.errands, a.Profile)
		f.news.refused(a.Profile)
	}
	if ctx.Err() != nil {
		return
	}
	title, body := failureTitle(o.click), o.err.Error()
	f.log.Warn("a click in the tray failed", "what", title, "error", o.err)
	if o.key != "" && o.click.Copy != "" {
		body += "\n" + o.click.Copy // an address can also be read; a sign-in link is not for display
	}
	f.notify(message{title, body})
}

func (f *face) notify(m message) {
	f.work.Go(func() { f.desk.Notify(m.title, m.body) })
}

// failures says what a click asked for and did not get. %s is the profile.
var failures = map[supervisor.Verb]string{
	supervisor.SignIn:  "The sign-in to %s did not start",
	supervisor.Cancel:  "The sign-in to %s was not cancelled",
	supervisor.SignOut: "Signing out of %s failed",
	supervisor.Restart: "%s was not restarted",
	supervisor.Pause:   "Not paused",
	supervisor.Resume:  "Not resumed",
	supervisor.Reload:  "profiles.yaml was not reloaded",
	supervisor.Quit:    app + " does not quit",
}

func failureTitle(c Click) string {
	switch {
	case c.OpenURL != "":
		return "The browser did not open"
	case c.OpenFile != "":
		return "The file did not open"
	case c.Copy != "":
		return "Nothing was copied"
	case c.Edit != (ClientEdit{}):
		return "No window opened"
	}
	title, profile := failures[c.Action.Verb], clip(c.Action.Profile, maxName)
	return strings.ReplaceAll(title, "%s", profile)
}
