package profile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// WatchOptions are the times of a Watcher. Zero is the default of each. The sum of
// the defaults keeps an edit from taking longer than two seconds.
type WatchOptions struct {
	Settle time.Duration // quiet after the last event until the file is read; 300 ms
	Max    time.Duration // the longest that events can put that off; 1.5 s
	Gone   time.Duration // how long the file may be missing or empty while an editor saves; 400 ms
	Poll   time.Duration // reading without events, for folders that send none; 10 s

	Logger *slog.Logger // nil: nothing is logged
}

// blindPoll replaces a longer Poll while folders cannot be watched.
const blindPoll = time.Second

// Watcher follows one profiles file through edits in place, replacements, links that
// are pointed elsewhere, and absence. It hands on every new content once, read and
// judged as Load does; what is the same as before is not handed on.
type Watcher struct {
	file  string
	o     WatchOptions
	apply func(*Config, error)
	open  func() (*fsnotify.Watcher, error)

	mu  sync.Mutex // one reading at a time, so that apply sees them in order
	was bool       // there was a reading
	sum [sha256.Size]byte
}

// NewWatcher prepares to follow file. apply gets what Load would return. It is not
// called twice at once, and must not call Reload.
func NewWatcher(file string, o WatchOptions, apply func(*Config, error)) *Watcher {
	o.Settle = cmp.Or(o.Settle, 300*time.Millisecond)
	o.Max = cmp.Or(o.Max, 1500*time.Millisecond)
	o.Gone = cmp.Or(o.Gone, 400*time.Millisecond)
	o.Poll = cmp.Or(o.Poll, 10*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Watcher{file: file, o: o, apply: apply, open: fsnotify.NewWatcher}
}

// Reload reads the file now, hands the result to apply even when it is the same as
// before, and returns it. It may be called whether Run runs or not, also as the first reading.
func (w *Watcher) Reload() (*Config, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hand(read(w.file))
}

// hand passes a reading on. w.mu is held.
func (w *Watcher) hand(r reading) (*Config, error) {
	w.was, w.sum = true, r.sum()
	c, err := r.parse(w.file)
	w.apply(c, err)
	return c, err
}

// look reads the file and passes it on if it is new. An absent or empty file is only
// passed on when patience has ended; until then look reports that it is worth waiting.
func (w *Watcher) look(patient bool) (wait bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := read(w.file)
	switch {
	case w.was && r.sum() == w.sum:
		return false
	case w.was && patient && r.missing():
		return true
	}
	w.hand(r)
	return false
}

// Run watches until ctx ends, and returns nil then. A file that was not read before is
// read and handed on at once.
func (w *Watcher) Run(ctx context.Context) error {
	eyes := w.eyes()
	defer eyes.close()
	poll, settle, gone := time.NewTicker(w.o.Poll), stopped(), stopped()
	defer poll.Stop()
	defer settle.Stop()
	defer gone.Stop()

	var since time.Time // the first event that no reading has followed
	seen, waiting := true, false
	look := func(again, patient bool) {
		since = time.Time{}
		settle.Stop()
		if now := eyes.follow(again); now != seen { // before the file is read, so that nothing is missed in between
			seen = now
			poll.Reset(w.every(seen))
		}
		switch wait := w.look(patient); {
		case !wait:
			gone.Stop()
			waiting = false
		case !waiting:
			gone.Reset(w.o.Gone)
			waiting = true
		}
	}
	look(false, true)

	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-eyes.events:
			if !ok {
				eyes.shut(errors.New("the system ended them"))
				continue
			}
			if since.IsZero() {
				since = time.Now()
			}
			settle.Reset(min(w.o.Settle, time.Until(since.Add(w.o.Max))))
		case err := <-eyes.errors: // such as lost events
			w.o.Logger.Debug("watching profiles.yaml", "error", err)
			look(true, true)
		case <-settle.C:
			look(false, true)
		case <-gone.C:
			waiting = false
			look(false, false)
		case <-poll.C:
			look(true, true)
		}
	}
}

// every is the time between two polls.
func (w *Watcher) every(watched bool) time.Duration {
	if watched {
		return w.o.Poll
	}
	return min(w.o.Poll, blindPoll)
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// eyes are the events of all folders in which a change can change the file.
type eyes struct {
	file    string
	watcher *fsnotify.Watcher // nil: there are no events here
	events  <-chan fsnotify.Event
	errors  <-chan error
	log     *slog.Logger
	blind   bool // said that some folder cannot be watched
}

// eyes opens eyes, which see nothing yet.
func (w *Watcher) eyes() *eyes {
	e := &eyes{file: w.file, log: w.o.Logger}
	if whole, err := filepath.Abs(w.file); err == nil {
		e.file = whole
	}
	watcher, err := w.open()
	if err != nil {
		e.unseen(err)
		return e
	}
	e.watcher, e.events, e.errors = watcher, watcher.Events, watcher.Errors
	return e
}

// shut goes on without events.
func (e *eyes) shut(why error) {
	e.unseen(why)
	e.close()
	e.watcher, e.events, e.errors = nil, nil, nil
}

func (e *eyes) close() {
	if e.watcher != nil {
		_ = e.watcher.Close()
	}
}

// follow watches the folders that decide now, and no others. It reports whether
// it sees them all. again also looks at folders that are watched already: one of
// the same name may have taken their place.
func (e *eyes) follow(again bool) bool {
	if e.watcher == nil {
		return false
	}
	var err error
	for range 5 { // a folder may come or go meanwhile
		wanted := folders(e.file)
		err = e.watch(wanted, again)
		if err == nil && slices.Equal(wanted, folders(e.file)) {
			return true
		}
	}
	if err != nil {
		e.unseen(err)
	}
	return false
}

func (e *eyes) watch(wanted []string, again bool) (err error) {
	watched := e.watcher.WatchList()
	for _, folder := range watched {
		if !slices.Contains(wanted, folder) {
			_ = e.watcher.Remove(folder) // it may be gone
		}
	}
	for _, folder := range wanted {
		if again || !slices.Contains(watched, folder) {
			err = errors.Join(err, e.watcher.Add(folder))
		}
	}
	return err
}

func (e *eyes) unseen(err error) {
	if !e.blind {
		e.blind = true
		e.log.Warn("no events for profiles.yaml; it is read every second instead", "error", err)
	}
}
