package sandbox

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// Person plays somebody with a browser who is sent to a sign-in: it follows
// redirects, keeps cookies and presses Approve.
type Person struct {
	Deny   bool                // presses Deny instead
	Client *http.Client        // default: one of its own; its Jar and CheckRedirect are replaced
	Stop   func(*url.URL) bool // stop before visiting such an address
	Header http.Header         // sent with each request
}

// Visited is where a Person ended up.
type Visited struct {
	URL    *url.URL
	Status int // 0 when Stop stopped it
	Header http.Header
	Body   string
}

const maxPage = 1 << 20

// Visit goes to address and on until there is nothing left to press.
func (p *Person) Visit(ctx context.Context, address string) (*Visited, error) {
	b := p.browser()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	for range 10 {
		if err != nil {
			return nil, fmt.Errorf("sandbox: visit: %w", err)
		}
		if p.Stop != nil && p.Stop(req.URL) {
			return &Visited{URL: req.URL}, nil
		}
		for k, vs := range p.Header {
			req.Header[k] = vs
		}
		at, failed := b.fetch(req)
		if failed != nil || at.Status == 0 {
			return at, failed
		}
		form, ok := p.press(at)
		if !ok {
			return at, nil
		}
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, form.action, strings.NewReader(form.values.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	return nil, errors.New("sandbox: visit: page after page and no end")
}

// browser is one visit's cookies and where Stop stopped it.
type browser struct {
	client  http.Client
	stopped *url.URL
}

func (p *Person) browser() *browser {
	b := &browser{}
	if p.Client != nil {
		b.client = *p.Client
	}
	b.client.Jar, _ = cookiejar.New(nil)
	b.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if p.Stop != nil && p.Stop(r.URL) {
			b.stopped = r.URL
			return http.ErrUseLastResponse
		}
		if len(via) > 10 {
			return errors.New("too many redirects")
		}
		return nil
	}
	return b
}

func (b *browser) fetch(req *http.Request) (*Visited, error) {
	resp, err := b.client.Do(req)
	if err != nil {
		// The address may hold a code; the error must not.
		var where *url.Error
		if errors.As(err, &where) {
			err = where.Err
		}
		return nil, fmt.Errorf("sandbox: visit: %w", err)
	}
	defer resp.Body.Close()
	if b.stopped != nil {
		return &Visited{URL: b.stopped}, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return nil, fmt.Errorf("sandbox: visit: %w", err)
	}
	return &Visited{URL: resp.Request.URL, Status: resp.StatusCode, Header: resp.Header, Body: string(body)}, nil
}

var (
	formPattern  = lazily(`(?s)<form method="post" action="([^"]*)">(.*?)</form>`)
	inputPattern = lazily(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

type filledForm struct {
	action string
	values url.Values
}

// press fills in the sandbox's own sign-in page; other pages have nothing to press.
func (p *Person) press(at *Visited) (filledForm, bool) {
	found := formPattern().FindStringSubmatch(at.Body)
	if found == nil || !strings.Contains(found[2], `value="approve"`) {
		return filledForm{}, false
	}
	action, err := at.URL.Parse(html.UnescapeString(found[1]))
	if err != nil {
		return filledForm{}, false
	}
	values := url.Values{"decision": {"approve"}}
	if p.Deny {
		values.Set("decision", "deny")
	}
	for _, input := range inputPattern().FindAllStringSubmatch(found[2], -1) {
		values.Set(html.UnescapeString(input[1]), html.UnescapeString(input[2]))
	}
	return filledForm{action.String(), values}, true
}
