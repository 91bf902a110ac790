package proxy

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/mcpauth-tray/mcpauth-tray/internal/oauth"
)

// maxRedirects are followed within the target's origin for one request.
const maxRedirects = 5

// discardable is how much of an answer that is not passed on is read to keep its
// connection.
const discardable = 64 << 10

// sent is an answer of the target and the token it was asked with.
type sent struct {
	*http.Response
	token string
}

// send gets the target's answer: token attached, one other token and one replay when
// the first is refused.
func (h *Handler) send(out *http.Request, body []byte) (sent, *failure) {
	ctx := out.Context()
	token, err := h.tokens.Token(ctx)
	token, failed := h.orWait(ctx, token, err)
	if failed != nil {
		return sent{}, failed
	}
	h.authorize(out, token)
	for replayed := false; ; replayed = true {
		answer, failed := h.follow(out, body)
		if failed == nil && answer.StatusCode == http.StatusForbidden {
			h.noteMissingRights(ctx, token, answer.Header["Www-Authenticate"])
		}
		if failed == nil && answer.StatusCode < http.StatusBadRequest {
			h.tokens.Accepted(token)
		}
		if failed != nil || answer.StatusCode != http.StatusUnauthorized {
			return sent{answer, token.Value}, failed
		}
		challenges := answer.Header["Www-Authenticate"]
		discard(answer)
		token, err = h.tokens.Refused(ctx, token, challenges)
		token, failed = h.orWait(ctx, token, err)
		if failed != nil {
			return sent{}, failed
		}
		if replayed {
			return sent{}, tokensRefused
		}
		out = again(out, body)
		h.authorize(out, token)
	}
}

// noteMissingRights lets the account know that the target wants more scopes than were
// granted (RFC 6750 section 3.1). A person may then sign in again; the request is over.
func (h *Handler) noteMissingRights(ctx context.Context, token oauth.Token, challenges []string) {
	for _, c := range challenges {
		if strings.Contains(c, "insufficient_scope") {
			_, _ = h.tokens.Refused(ctx, token, challenges)
			return
		}
	}
}

// bearer is the Authorization header of a token, made once.
type bearer struct {
	token  oauth.Token
	header []string
}

// authorize attaches token, unless headers.set names an Authorization of its own.
func (h *Handler) authorize(out *http.Request, token oauth.Token) {
	if token.Value == "" || h.headers.set["Authorization"] != nil {
		return
	}
	b := h.bearer.Load()
	if b == nil || b.token.Value != token.Value || b.token.Type != token.Type {
		kind := token.Type
		if kind == "" || strings.EqualFold(kind, "bearer") {
			kind = "Bearer"
		}
		b = &bearer{token, []string{kind + " " + token.Value}}
		h.bearer.Store(b)
	}
	out.Header["Authorization"] = b.header
}

// follow sends the request and follows redirects within the target's origin, method
// and body kept. Another origin gets nothing.
func (h *Handler) follow(out *http.Request, body []byte) (*http.Response, *failure) {
	for hops := 0; ; hops++ {
		answer, err := h.transport.RoundTrip(out)
		if err != nil {
			return nil, unreachable(out.Context(), err)
		}
		to := answer.Header.Get("Location")
		if !isRedirect(answer.StatusCode) || to == "" {
			return answer, nil
		}
		discard(answer)
		next, err := out.URL.Parse(to)
		if err != nil {
			return nil, badAnswer("it redirected to something that is no URL")
		}
		if !sameOrigin(next, h.route.target) {
			return nil, redirectedAway(next)
		}
		if hops == maxRedirects {
			return nil, badAnswer("it redirects in a circle")
		}
		next.User, next.Fragment, next.RawFragment = nil, "", ""
		out = again(out, body)
		out.URL = next
	}
}

func isRedirect(code int) bool {
	switch code {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// sameOrigin compares scheme, host and port (RFC 6454 section 5).
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// discard ends an answer that is not passed on, keeping its connection if that is cheap.
func discard(answer *http.Response) {
	io.CopyN(io.Discard, answer.Body, discardable)
	answer.Body.Close()
}
