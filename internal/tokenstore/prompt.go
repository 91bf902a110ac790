package tokenstore

import (
	"context"
	"sync"
)

// prompt is the one prompt that may be on the screen. Callers join it and leave it;
// it goes on until the person answers. The zero prompt is ready to use.
type prompt struct {
	mu   sync.Mutex
	open *answer
}

type answer struct {
	done chan struct{} // closed when err is set
	err  error
}

// join waits for the answer to the open prompt, or to a new one that show puts up.
func (p *prompt) join(ctx context.Context, show func() error) error {
	a := p.answer(show)
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return &failure{kind: ErrLocked, detail: "its prompt is still open", cause: ctx.Err(), hint: "answer the prompt"}
	}
}

func (p *prompt) answer(show func() error) *answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open != nil {
		return p.open
	}
	a := &answer{done: make(chan struct{})}
	p.open = a
	go func() {
		a.err = show()
		p.mu.Lock()
		p.open = nil
		p.mu.Unlock()
		close(a.done)
	}()
	return a
}
