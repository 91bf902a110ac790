package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
)

// Echoed is what the echo endpoint says about a request.
type Echoed struct {
	Method     string      `json:"method"`
	RequestURI string      `json:"request_uri"` // as sent
	Host       string      `json:"host"`
	Proto      string      `json:"proto"`
	Header     http.Header `json:"header"`
	Trailer    http.Header `json:"trailer,omitempty"`
	Encoding   []string    `json:"transfer_encoding,omitempty"`
	Length     int64       `json:"content_length"` // as announced, -1 if not
	BodyBytes  int64       `json:"body_bytes"`     // as read
	BodySHA256 string      `json:"body_sha256"`
}

func serveEcho(w http.ResponseWriter, r *http.Request) {
	h := sha256.New()
	n, err := io.Copy(h, r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Echoed{
		Method: r.Method, RequestURI: r.RequestURI, Host: r.Host, Proto: r.Proto,
		Header: r.Header, Trailer: r.Trailer, Encoding: r.TransferEncoding,
		Length: r.ContentLength, BodyBytes: n, BodySHA256: hex.EncodeToString(h.Sum(nil)),
	})
}
