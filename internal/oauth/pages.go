package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// page is one of the pages a browser can get from us. They are constants: nothing of a
// request is ever written into one.
type page struct {
	status int
	body   []byte
}

const pageStyle = `body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em;color:#222;background:#fff}` +
	`h1{font-size:1.4em}@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}}`

func newPage(status int, title, text string) page {
	return page{status, []byte("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + title +
		"</title><style>" + pageStyle + "</style></head><body><h1>" + title + "</h1><p>" + text + "</p></body></html>\n")}
}

var (
	pageSignedIn = newPage(http.StatusOK, "Signed in", "You can close this tab and go back to mcpauth-tray.")
	pageFailed   = newPage(http.StatusOK, "Not signed in", "The sign-in could not be finished. Close this tab and go back to mcpauth-tray: it says what is wrong.")
	pageDeclined = newPage(http.StatusOK, "Sign-in declined", "The provider did not let you in, or you said no. Close this tab and go back to mcpauth-tray.")
	pageUsed     = newPage(http.StatusBadRequest, "This link was used already", "Each sign-in link works once. Go back to mcpauth-tray and choose Sign in again.")
	pageAnswered = newPage(http.StatusBadRequest, "Already used", "This sign-in answer was used already. Close this tab and go back to mcpauth-tray.")
	pageStrange  = newPage(http.StatusBadRequest, "Not accepted", "This answer does not belong to a sign-in begun in this browser. If you began one here, allow cookies for this address and choose Sign in again in mcpauth-tray.")
	pageNothing  = newPage(http.StatusNotFound, "Nothing here", "This address is used by mcpauth-tray for signing in.")
	pageMethod   = newPage(http.StatusMethodNotAllowed, "Not accepted", "This address is used by mcpauth-tray for signing in.")
	pageHost     = newPage(http.StatusForbidden, "Not accepted", "This address is used by mcpauth-tray for signing in.")
)

var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// write sends the page; a favicon or a prefetch costs nothing.
func (p page) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body)
}

// pageHeaders go with every answer.
func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
