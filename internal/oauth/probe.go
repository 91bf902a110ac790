package oauth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mcpauth-tray/mcpauth-tray/internal/profile"
	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// protocolVersion goes with requests of our own to MCP servers.
const protocolVersion = "2025-11-25"

// ping is a request every server may answer and that changes nothing.
const ping = `{"jsonrpc":"2.0","id":"mcpauth-tray","method":"ping"}`

// probed is how a target answers without a token.
type probed struct {
	status    int
	challenge bearerChallenge
	wait      time.Duration
}

// wantsToken reports whether the target asked for one.
func (a *probed) wantsToken() bool {
	return a.status == http.StatusUnauthorized || a.challenge.present && a.status >= 400 && a.status < 500
}

// cannotTell reports whether somebody before the server answered in its place.
func (a *probed) cannotTell() bool {
	switch a.status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// probe sends the target a ping without a token.
func (w *web) probe(ctx context.Context, target *url.URL) (*probed, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(ping))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Mcp-Protocol-Version", protocolVersion)
	reply, err := w.head(r)
	if err != nil {
		return nil, unreachable(target.Host, status.UpstreamUnreachable, err)
	}
	return &probed{
		status:    reply.status,
		challenge: readBearer(reply.header.Values("WWW-Authenticate")),
		wait:      retryAfter(reply.header),
	}, nil
}

// probe asks an unknown target whether it wants a sign-in.
func (g *grant) probe(ctx context.Context) error {
	err := g.findOut(ctx)
	g.mu.Lock()
	if err != nil {
		g.trouble.note(patient(asError(err)), wallNow())
	} else {
		g.trouble = trouble{}
	}
	g.mu.Unlock()
	g.changed()
	return err
}

func (g *grant) findOut(ctx context.Context) error {
	p, w := g.present(), g.way()
	target, err := targetURL(p)
	if err != nil {
		return err
	}
	answer, err := w.probe(ctx, target)
	if err != nil {
		return err
	}
	if answer.cannotTell() {
		return &Error{Code: status.UpstreamUnreachable, Summary: target.Host + " cannot answer now",
			Detail: fmt.Sprintf("it answered %d", answer.status), RetryAfter: answer.wait}
	}
	state, offer := targetClosed, ""
	if !answer.wantsToken() {
		state = targetOpen
		if found, err := w.findResource(ctx, target, ""); err == nil && found != nil {
			offer = "the server answers without a sign-in, and offers one"
			if answer.status == http.StatusForbidden {
				state = targetClosed
			}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.target == targetUnknown {
		g.target, g.offer = state, offer
	}
	return nil
}

// targetURL is where p's requests go.
func targetURL(p profile.Profile) (*url.URL, error) {
	u, err := url.Parse(p.Target)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, profileError("target is not an http or https URL", "Write it like https://mcp.example.com/mcp")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}
