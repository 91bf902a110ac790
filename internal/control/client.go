package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
	"github.com/mcpauth-tray/mcpauth-tray/internal/supervisor"
)

// Client is the engine of an app that runs in another process.
type Client struct {
	http *http.Client
}

var _ supervisor.Engine = (*Client)(nil)

// Dial returns a Client of the app that listens at path. It connects with each call
// and holds nothing open between calls.
func Dial(path string) *Client {
	return &Client{http: &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives:  true,
			DisableCompression: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dial(ctx, path)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Snapshot returns the state of this moment.
func (c *Client) Snapshot(ctx context.Context) (*status.Snapshot, error) {
	body, err := c.send(ctx, http.MethodGet, pathSnapshot, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	s := new(status.Snapshot)
	if err := json.NewDecoder(body).Decode(s); err != nil {
		return nil, unreadable(err)
	}
	return s, nil
}

// Do is Engine.Do in the running app. Errors keep their supervisor sentinel;
// ErrNotRunning when nobody listens.
func (c *Client) Do(ctx context.Context, a supervisor.Action) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	body, err := c.send(ctx, http.MethodPost, pathDo, data)
	if err != nil {
		return err
	}
	return body.Close()
}

// Watch is Engine.Watch of the running app. It also ends when the app goes away or
// cannot be reached; Stream says which.
func (c *Client) Watch(ctx context.Context) iter.Seq[*status.Snapshot] {
	return func(yield func(*status.Snapshot) bool) {
		for s, err := range c.Stream(ctx) {
			if err != nil || !yield(s) {
				return
			}
		}
	}
}

// Stream is Watch with the reason of its end as the last pair: ErrNotRunning when the
// app is not there or has stopped, or ctx's error.
func (c *Client) Stream(ctx context.Context) iter.Seq2[*status.Snapshot, error] {
	return func(yield func(*status.Snapshot, error) bool) {
		body, err := c.send(ctx, http.MethodGet, pathWatch, nil)
		if err != nil {
			yield(nil, err)
			return
		}
		defer body.Close()
		for lines := json.NewDecoder(body); ; {
			s := new(status.Snapshot)
			if err := lines.Decode(s); err != nil {
				yield(nil, ended(ctx, err))
				return
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

// ended says why a stream of Snapshots ended.
func ended(ctx context.Context, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &syntax), errors.As(err, &kind):
		return unreadable(err)
	}
	return fmt.Errorf("%w any more: it stopped just now", ErrNotRunning)
}

func unreadable(err error) error {
	return fmt.Errorf("the running app's answer cannot be read (restart it after an update): %w", err)
}

// send returns the body of a 2xx answer; any other answer is an error.
func (c *Client) send(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+host+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	e := new(Error)
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(e); err != nil || e.Message == "" {
		return nil, unreadable(fmt.Errorf("HTTP status %d", resp.StatusCode))
	}
	return nil, e
}

// unreachable strips what net/http adds to an error: the made-up URL helps nobody.
func unreachable(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrNotRunning):
		return ErrNotRunning
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w any more: it stopped before it answered", ErrNotRunning)
	}
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	return fmt.Errorf("cannot ask the running app: %w", err)
}
