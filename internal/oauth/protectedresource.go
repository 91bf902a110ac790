package oauth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/mcpauth-tray/mcpauth-tray/internal/status"
)

// protectedResource is what a target says of itself (RFC 9728 §2).
type protectedResource struct {
	resource string // byte for byte
	servers  []string
	scopes   []string
	note     string // something a person may want to know of it
}

const wellKnownResource = "/.well-known/oauth-protected-resource"

// resourceForms are the places to look, best first: where the challenge points, the form
// with the target's path, the root (RFC 9728 §3.1, §5.1; MCP authorization).
func resourceForms(target *url.URL, named string) []string {
	origin := originOf(target)
	suffix := strings.TrimSuffix(target.EscapedPath(), "/")
	forms := []string{named}
	if target.RawQuery != "" {
		forms = append(forms, origin+wellKnownResource+suffix+"?"+target.RawQuery)
	}
	if suffix != "" {
		forms = append(forms, origin+wellKnownResource+suffix)
	}
	forms = append(forms, origin+wellKnownResource)
	if named == "" {
		forms = forms[1:]
	}
	return forms
}

// findResource returns the target's metadata, nil when there is none.
func (w *web) findResource(ctx context.Context, target *url.URL, named string) (*protectedResource, error) {
	if _, err := w.fence.url("resource_metadata", named); err != nil {
		named = "" // not asked; the well-known places still count
	}
	for _, form := range resourceForms(target, named) {
		r, err := w.getJSON(ctx, "resource_metadata", form)
		if err != nil {
			return nil, unaskable(hostOf(form), status.UpstreamUnreachable, err)
		}
		if r.status >= http.StatusInternalServerError || r.status == http.StatusTooManyRequests {
			e := &Error{Code: status.UpstreamBadResponse, Summary: r.host + " cannot answer now", Detail: r.odd(), RetryAfter: retryAfter(r.header)}
			return nil, e
		}
		if r.status != http.StatusOK {
			continue
		}
		d, err := parseDocument(r)
		if err != nil {
			continue // a web page for every path, most likely
		}
		return readResource(d, target)
	}
	return nil, nil
}

func readResource(d document, target *url.URL) (*protectedResource, error) {
	p := &protectedResource{
		resource: d.text("resource"),
		servers:  d.list("authorization_servers"),
		scopes:   validScopes(d.list("scopes_supported")),
	}
	note, err := matchResource(p.resource, target)
	if err != nil {
		return nil, refusedBy(err.Error(), "Tell the operator of the server, or set sign_in.issuer of the profile")
	}
	p.note = note
	if len(p.servers) == 0 {
		return nil, refusedBy(target.Host+" names no authorization server in its metadata",
			"Tell the operator of the server, or set sign_in.issuer of the profile")
	}
	return p, nil
}

// matchResource accepts a resource that is the target or, on the same origin, a path above
// it; a note says so when it is neither the target nor the whole origin (RFC 9728 §3.3).
func matchResource(resource string, target *url.URL) (note string, err error) {
	u, err := url.Parse(resource)
	if err != nil || u.Host == "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("the metadata of %s names no valid resource", target.Host)
	}
	if originOf(u) != originOf(target) {
		return "", fmt.Errorf("the metadata of %s is for another server, %s", target.Host, clean(u.Host, 100))
	}
	if u.RawQuery != "" && u.RawQuery != target.RawQuery {
		return "", fmt.Errorf("the metadata of %s is for another address there", target.Host)
	}
	have, want := strings.TrimSuffix(u.EscapedPath(), "/"), strings.TrimSuffix(target.EscapedPath(), "/")
	switch {
	case have == want:
		return "", nil
	case strings.HasPrefix(want, have+"/"):
		return "the sign-in is for all of " + clean(u.Host+have, 100), nil
	}
	return "", fmt.Errorf("the metadata of %s is for another path there", target.Host)
}
