package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Stream is an event stream with oddities. Each event is a JSON-RPC notification
// whose params are {"level":"info","data":"xxx…","n":1}.
type Stream struct {
	Type     string        `json:"type,omitempty"`     // content type; default text/event-stream
	Events   int           `json:"events,omitempty"`   // how many
	Endless  bool          `json:"endless,omitempty"`  // events until the client leaves
	Interval time.Duration `json:"interval,omitempty"` // pause before each event
	Size     int           `json:"size,omitempty"`     // bytes of data in each event, on one line
	Blob     int           `json:"blob,omitempty"`     // bytes without any line end, sent first
	IDs      bool          `json:"ids,omitempty"`      // id: fields
	Retry    string        `json:"retry,omitempty"`    // value of a retry: field, sent first
	Comments bool          `json:"comments,omitempty"` // a comment line before each event
	EOL      string        `json:"eol,omitempty"`      // line end; default \n
	Raw      string        `json:"raw,omitempty"`      // text sent first, as it is
	Open     bool          `json:"open,omitempty"`     // stays open, silent, after the last event
	Lost     bool          `json:"lost,omitempty"`     // the connection breaks after the last event
}

func (v Stream) query() string {
	text, _ := json.Marshal(v)
	return url.Values{"v": {string(text)}}.Encode()
}

func serveStream(w http.ResponseWriter, r *http.Request) {
	var v Stream
	if err := json.Unmarshal([]byte(r.URL.Query().Get("v")), &v); err != nil {
		http.Error(w, "the query must be v=<a Stream in JSON>", http.StatusBadRequest)
		return
	}
	v.serve(w, r)
}

func (v Stream) serve(w http.ResponseWriter, r *http.Request) {
	// The body is read so that the client's leaving is noticed.
	_, _ = io.Copy(io.Discard, r.Body)
	if v.Type == "" {
		v.Type = "text/event-stream"
	}
	if v.EOL == "" {
		v.EOL = "\n"
	}
	w.Header().Set("Content-Type", v.Type)
	w.Header().Set("Cache-Control", "no-cache")
	c := http.NewResponseController(w)
	v.begin(w)
	_ = c.Flush()
	for n := 1; v.Endless || n <= v.Events; n++ {
		if v.Interval > 0 && !sleep(r, v.Interval) {
			return
		}
		if _, err := io.WriteString(w, v.event(n)); err != nil || r.Context().Err() != nil {
			return
		}
		_ = c.Flush()
	}
	if v.Open {
		<-r.Context().Done()
	}
	if v.Lost {
		panic(http.ErrAbortHandler)
	}
}

func (v Stream) begin(w io.Writer) {
	_, _ = io.WriteString(w, v.Raw)
	if v.Retry != "" {
		_, _ = io.WriteString(w, "retry: "+v.Retry+v.EOL+v.EOL)
	}
	if v.Blob > 0 {
		_, _ = io.WriteString(w, "data: ")
		chunk := strings.Repeat("x", 64<<10)
		for left := v.Blob; left > 0; {
			n, err := io.WriteString(w, chunk[:min(left, len(chunk))])
			if err != nil {
				return
			}
			left -= n
		}
	}
}

func (v Stream) event(n int) string {
	var b strings.Builder
	if v.Comments {
		b.WriteString(": still here" + v.EOL)
	}
	if v.IDs {
		fmt.Fprintf(&b, "id: %d%s", n, v.EOL)
	}
	fmt.Fprintf(&b, `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"%s","n":%d}}%s%s`,
		strings.Repeat("x", v.Size), n, v.EOL, v.EOL)
	return b.String()
}

// sleep reports false when the client left meanwhile.
func sleep(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
