package stdio

import (
	"net/http"
	"net/http/httptrace"
)

// exchanger carries requests to the listener. It follows no redirects and knows no
// timeouts.
type exchanger interface {
	// exchange sends r and returns the answer once its header is there. wrote, unless it
	// is nil, is called when the request is written. The end of r's context also ends the
	// answer's body, which the caller closes.
	exchange(r *http.Request, wrote func()) (*http.Response, error)
	// close closes the connections that are not in use.
	close()
}

// library is net/http's Transport as an exchanger.
type library struct{ *http.Transport }

func newLibrary() library {
	return library{&http.Transport{DisableCompression: true, ExpectContinueTimeout: continueTime,
		MaxIdleConnsPerHost: maxUnderWay, IdleConnTimeout: idleTime}}
}

func (l library) exchange(r *http.Request, wrote func()) (*http.Response, error) {
	if wrote != nil {
		trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { wrote() }}
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
	}
	return l.RoundTrip(r)
}

func (l library) close() { l.CloseIdleConnections() }
