package guard

import (
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// Bounds of a query string. Longer ones are no MCP traffic.
const (
	maxQuery  = 8 << 10 // bytes
	maxParams = 256
)

// Methods of the Streamable HTTP transport in all its revisions.
const allow = "GET, POST, DELETE"

var (
	pathRefused = &Refusal{Status: http.StatusNotFound, Reason: NotFound,
		Message: "there is nothing at this path",
		Action:  "Use the URL shown for this profile, with its path"}
	methodRefused = &Refusal{Status: http.StatusMethodNotAllowed, Reason: MethodNotAllowed, Allow: allow,
		Message: "this method is not part of MCP",
		Action:  "Use POST, GET or DELETE"}
	typeRefused = &Refusal{Status: http.StatusUnsupportedMediaType, Reason: BadContentType,
		Message: "a POST must carry Content-Type: application/json",
		Action:  "Set the header Content-Type to application/json"}
	encodingRefused = &Refusal{Status: http.StatusUnsupportedMediaType, Reason: BadContentType,
		Message: "compressed request bodies are not taken",
		Action:  "Send the body without Content-Encoding"}
	queryRefused = &Refusal{Status: http.StatusBadRequest, Reason: BadRequest,
		Message: "the query string is too long",
		Action:  "Send at most 256 parameters and 8 KiB"}
	bodyRefused = &Refusal{Status: http.StatusBadRequest, Reason: BadRequest,
		Message: "a GET carries no body",
		Action:  "Send messages with POST"}
)

// Forwardable judges everything of a request but its path. Nil means yes.
func Forwardable(r *http.Request) *Refusal {
	switch r.Method {
	case http.MethodPost:
		if !isJSON(r.Header["Content-Type"]) {
			return typeRefused
		}
	case http.MethodGet:
		if r.ContentLength != 0 {
			return bodyRefused
		}
	case http.MethodDelete:
	default:
		return methodRefused
	}
	if r.Header["Content-Encoding"] != nil {
		return encodingRefused
	}
	if q := r.URL.RawQuery; q != "" && (len(q) > maxQuery || strings.Count(q, "&") >= maxParams) {
		return queryRefused
	}
	return nil
}

func isJSON(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	if contentType[0] == "application/json" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType[0])
	return err == nil && media == "application/json"
}

// onPath reports whether u lies at or below the endpoint. The endpoint itself is
// compared byte for byte; below it nothing passes that servers read in different ways.
func (g *Gate) onPath(u *url.URL) bool {
	path := u.EscapedPath()
	if g.path == "" {
		return cleanPath(path)
	}
	if path == g.path {
		return true
	}
	rest, below := strings.CutPrefix(path, g.below)
	return below && cleanPath("/"+rest)
}

// ambiguous are the escapes of dot, slash, backslash, semicolon and percent.
var ambiguous = []string{"2e", "2f", "5c", "3b", "25", "7f"}

// cleanPath reports whether an escaped path has one reading only: no empty or dot
// segments, no backslash, semicolon or control byte, plain or escaped.
func cleanPath(path string) bool {
	if path == "" {
		return true // the target of an absolute URL without a path
	}
	if path[0] != '/' || strings.ContainsAny(path, `\;`) {
		return false
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	if strings.Contains(path, "//") {
		return false
	}
	for rest := path; ; {
		_, after, found := strings.Cut(rest, "%")
		if !found {
			return true
		}
		if len(after) < 2 || after[0] < '2' { // control bytes
			return false
		}
		escape := strings.ToLower(after[:2])
		for _, bad := range ambiguous {
			if escape == bad {
				return false
			}
		}
		rest = after
	}
}
