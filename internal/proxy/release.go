package proxy

import "context"

// Release gives the address up at once. Requests in flight go on; Close waits for them.
func (l *Listener) Release() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l.close()
	_ = l.server.Shutdown(ctx) // closes the sockets first, and then does not wait
}
