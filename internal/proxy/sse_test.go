package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mcpauth-tray/mcpauth-tray/internal/soon"
)

// rewrite stands for the rewriting of endpoint URLs in tests of the reader.
func rewrite(value string) (string, error) {
	if strings.Contains(value, "evil") {
		return "", errForeignEndpoint
	}
	return "<" + value + ">", nil
}

func TestEndpointReader(t *testing.T) {
	t.Parallel()
	const keep = "\x00" // stands for the input unchanged
	for name, c := range map[string]struct {
		in, out string
		err     error
	}{
		"endpoint":           {"event: endpoint\ndata: /m?s=1\n\nevent: message\ndata: /m\n\n", "event: endpoint\ndata: </m?s=1>\n\nevent: message\ndata: /m\n\n", nil},
		"CRLF":               {"event: endpoint\r\ndata: /m\r\n\r\ndata: x\r\n\r\n", "event: endpoint\r\ndata: </m>\r\n\r\ndata: x\r\n\r\n", nil},
		"CR":                 {"event: endpoint\rdata: /m\r\rdata: x\r\r", "event: endpoint\rdata: </m>\r\rdata: x\r\r", nil},
		"mixed ends":         {"event: endpoint\r\ndata: /m\n\rrest", "event: endpoint\r\ndata: </m>\n\rrest", nil},
		"data first":         {"data: /m\nevent: endpoint\n\n", "data: </m>\nevent: endpoint\n\n", nil},
		"no spaces":          {"event:endpoint\ndata:/m\n\n", "event:endpoint\ndata:</m>\n\n", nil},
		"comments around":    {": hi\n\n:\nevent: endpoint\n: in\nid: 1\ndata: /m\nretry: 5\n\n: after\n\n", ": hi\n\n:\nevent: endpoint\n: in\nid: 1\ndata: </m>\nretry: 5\n\n: after\n\n", nil},
		"mark":               {"\ufeffevent: endpoint\ndata: /m\n\n", "\ufeffevent: endpoint\ndata: </m>\n\n", nil},
		"mark before data":   {"\ufeffdata: /m\nevent: endpoint\n\n", "\ufeffdata: </m>\nevent: endpoint\n\n", nil},
		"last name wins":     {"event: endpoint\nevent: message\ndata: /m\n\n", keep, nil},
		"last name wins too": {"event: message\nevent: endpoint\ndata: /m\n\n", "event: message\nevent: endpoint\ndata: </m>\n\n", nil},
		"other event":        {"event: message\ndata: evil\n\nevent: endpoint\ndata: /m\n\n", keep, nil},
		"no name":            {"data: {}\n\nevent: endpoint\ndata: /m\n\n", keep, nil},
		"id alone before":    {"id: 1\n\nevent: endpoint\ndata: /m\n\n", "id: 1\n\nevent: endpoint\ndata: </m>\n\n", nil},
		"other case":         {"Event: endpoint\ndata: /m\n\n", keep, nil},
		"longer name":        {"event: endpoints\ndata: /m\n\n", keep, nil},
		"cut off":            {"event: endpoint\ndata: /m\n", keep, nil},
		"cut off early":      {"event: endp", keep, nil},
		"empty":              {"", keep, nil},
		"bytes":              {"\x00\xff\n\n", keep, nil},
		"foreign":            {": hi\nevent: endpoint\ndata: https://evil/\n\ndata: x\n\n", ": hi\n", errForeignEndpoint},
		"foreign, data first": {
			"data: https://evil/\nid: 1\nevent: endpoint\n\n", "", errForeignEndpoint},
		"long event":       {"data: " + strings.Repeat("x", maxFirstEvent+4096), keep, nil},
		"two lines":        {"event: endpoint\ndata: /a\ndata: /b\n\n", "", errAny},
		"no data":          {"event: endpoint\n\n", "", errAny},
		"long but ordered": {strings.Repeat(": comment\n", maxFirstEvent/2) + "event: message\ndata: 1\n\n", keep, nil},
	} {
		want := c.out
		if want == keep {
			want = c.in
		}
		for way, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "data with EOF": iotest.DataErrReader,
		} {
			got, err := io.ReadAll(newEndpointReader(wrap(strings.NewReader(c.in)), rewrite))
			if string(got) != want || (err != nil) != (c.err != nil) || c.err != nil && c.err != errAny && !errors.Is(err, c.err) {
				t.Errorf("%s, %s: got %.200q, %v", name, way, got, err)
			}
		}
	}
}

var errAny = errors.New("any error")

// What is no part of the first event is handed out before more comes.
func TestEndpointReaderHoldsNothingBack(t *testing.T) {
	t.Parallel()
	in, out := io.Pipe()
	r := newEndpointReader(in, rewrite)
	for _, c := range []struct{ write, read string }{
		{": comment\n", ": comment\n"}, {"\n", "\n"}, {"id: 3\nretry: 1\n\n", "id: 3\nretry: 1\n\n"},
		{"event: endpoint\ndata: /m\n\n", "event: endpoint\ndata: </m>\n\n"}, {"data: hal", "data: hal"}, {"f\n\n", "f\n\n"},
	} {
		go io.WriteString(out, c.write)
		got := make([]byte, len(c.read))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != c.read {
			t.Fatalf("wrote %q, got %q, %v", c.write, got, err)
		}
	}
}

var lineEnds = regexp.MustCompile("\r\n|\r|\n")

// rewriteWhole does to a whole stream, in the plainest way, what endpointReader does.
func rewriteWhole(in []byte) (out []byte, err error) {
	var name string
	var data []span
	counts := false
	from := 0
	for _, end := range lineEnds.FindAllIndex(in, -1) {
		start, line := from, string(in[from:end[0]])
		from = end[1]
		if start == 0 && strings.HasPrefix(line, "\ufeff") {
			start, line = 3, line[3:]
		}
		if line == "" {
			if !counts {
				continue
			}
			if name != "endpoint" {
				return in, nil
			}
			if len(data) != 1 {
				return nil, errAny
			}
			local, err := rewrite(string(in[data[0].from:data[0].to]))
			if err != nil {
				return nil, err
			}
			return bytes.Join([][]byte{in[:data[0].from], []byte(local), in[data[0].to:]}, nil), nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name, counts = value, true
		case "data":
			data, counts = append(data, span{end[0] - len(value), end[0]}), true
		}
	}
	return in, nil
}

func FuzzSSE(f *testing.F) {
	for _, seed := range []string{"event: endpoint\ndata: /m?s=1\n\nevent: message\ndata: x\n\n", "event: endpoint\r\ndata: /m\r\n\r\n",
		"\ufeffdata: /m\revent: endpoint\r\r\n", ": c\n\nid: 1\nevent:endpoint\ndata:https://evil/\n\n", "data\nevent\n\n", "event: endpoint\n\n", "\r\n\r\r\n\n"} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		if len(in) > maxFirstEvent {
			return
		}
		want, failed := rewriteWhole(in)
		r := newEndpointReader(&steps{in: in, step: int(step)%7 + 1}, rewrite)
		got, err := io.ReadAll(r)
		if (err != nil) != (failed != nil) {
			t.Fatalf("%q: %v, want %v", in, err, failed)
		}
		if failed == nil && !bytes.Equal(got, want) {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
		if failed != nil && !bytes.HasPrefix(in, got) {
			t.Errorf("%q became %q before it failed", in, got)
		}
	})
}

// steps reads a few bytes at a time.
type steps struct {
	in   []byte
	step int
}

func (s *steps) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.in[:min(s.step, len(s.in))])
	s.in = s.in[n:]
	return n, nil
}

func TestLocalEndpoint(t *testing.T) {
	t.Parallel()
	base, _ := url.Parse("https://h.example/v1/sse?key=1")
	for value, want := range map[string]struct{ local, path string }{
		"/messages?sessionId=1":               {"/messages?sessionId=1", "/messages"},
		"messages?sessionId=1":                {"/v1/messages?sessionId=1", "/v1/messages"},
		"?sessionId=1":                        {"/v1/sse?sessionId=1", "/v1/sse"},
		"../up":                               {"/up", "/up"},
		"https://h.example/m?s=1":             {"http://127.0.0.1:7801/m?s=1", "/m"},
		"https://H.EXAMPLE:443/m":             {"http://127.0.0.1:7801/m", "/m"},
		"https://h.example":                   {"http://127.0.0.1:7801/", "/"},
		"//h.example/m":                       {"/m", "/m"},
		" /spaces ":                           {"/spaces", "/spaces"},
		"/m%20m#part":                         {"/m%20m", "/m m"},
		"http://h.example/m":                  {},
		"https://evil.example/m":              {},
		"//evil.example/m":                    {},
		"https://h.example:444/m":             {},
		"https://h.example.evil/m":            {},
		"https://h.example@evil.example/m":    {},
		"https://user:password@h.example/m":   {},
		"javascript:alert(1)":                 {},
		"/\\evil.example/m":                   {},
		"file:///etc/passwd":                  {},
		"https://h.example\\@evil.example/m":  {},
		"http://%zz":                          {},
		"\x00":                                {},
		"/ok\thttps://evil.example/":          {},
		"https:h.example/m":                   {},
		"https:///m":                          {},
		"wss://h.example/m":                   {},
		"https://xn--h-xxa.example/m":         {},
		"https://h.example%2f@evil.example/m": {},
	} {
		local, u, err := localEndpoint(value, base, base, "127.0.0.1:7801")
		if want.local == "" {
			if err == nil {
				t.Errorf("A78: %q became %q", value, local)
			}
			continue
		}
		if err != nil || local != want.local || u.Path != want.path || u.Host != base.Host && !strings.EqualFold(u.Hostname(), base.Host) {
			t.Errorf("%q: %q, %v, %v", value, local, u, err)
		}
	}
}

// legacyServer speaks HTTP+SSE of MCP 2024-11-05: endpoint is what it tells clients.
func legacyServer(t *testing.T, endpoint func(base string) string, posts *[]seen) *server {
	var to *server
	said := make(chan string, 8)
	to = target(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == "GET" && r.URL.Path == "/sse":
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, ": welcome\n\nevent: endpoint\ndata: "+endpoint(to.URL)+"\n\n")
			w.(http.Flusher).Flush()
			for {
				select {
				case message := <-said:
					io.WriteString(w, "event: message\ndata: "+message+"\n\n")
					w.(http.Flusher).Flush()
				case <-r.Context().Done():
					return
				}
			}
		case r.Method == "POST" && r.URL.Path == "/messages":
			body, _ := io.ReadAll(r.Body)
			*posts = append(*posts, seen{r.Method, r.RequestURI, r.Host, string(body), r.Header, r.ContentLength})
			w.WriteHeader(202)
			said <- string(body)
		default:
			w.WriteHeader(404)
		}
	})
	return to
}

func TestLegacy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path     string // local
		endpoint func(base string) string
		want     func(base string) string
	}{
		"path":     {"", func(string) string { return "/messages?sessionId=a" }, func(string) string { return "/messages?sessionId=a" }},
		"relative": {"", func(string) string { return "messages?sessionId=a" }, func(string) string { return "/messages?sessionId=a" }},
		"absolute": {"", func(b string) string { return b + "/messages?sessionId=a" }, func(b string) string { return b + "/messages?sessionId=a" }},
		"mapped":   {"/x", func(b string) string { return "/messages?sessionId=a" }, func(b string) string { return "/messages?sessionId=a" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var posts []seen
			to := legacyServer(t, c.endpoint, &posts)
			s := serve(t, to.URL+"/sse", func(o *Options) { o.Profile.Path = c.path })
			local := "/sse"
			if c.path != "" {
				local = c.path
			}
			before, _ := post(t, s.url("/messages?sessionId=a"), call)
			if before.StatusCode != 404 {
				t.Errorf("before it was named: %s", before.Status)
			}
			stream := open(t, t.Context(), "GET", s.url(local), "")
			want := ": welcome\n\nevent: endpoint\ndata: " + c.want("http://"+s.Addr()) + "\n\n"
			got := make([]byte, len(want))
			if _, err := io.ReadFull(stream.Body, got); err != nil || string(got) != want {
				t.Fatalf("got %q, %v, want %q", got, err, want)
			}
			answer, _ := post(t, s.url("/messages?sessionId=a"), call)
			if answer.StatusCode != 202 || len(posts) != 1 || posts[0].uri != "/messages?sessionId=a" || posts[0].body != call ||
				posts[0].header.Get("Authorization") != "Bearer "+token {
				t.Fatalf("%s %+v", answer.Status, posts)
			}
			want = "event: message\ndata: " + call + "\n\n"
			got = make([]byte, len(want))
			if _, err := io.ReadFull(stream.Body, got); err != nil || string(got) != want {
				t.Errorf("got %q, %v", got, err)
			}
			for what, refused := range map[string][2]string{"text/plain": {"POST", "415"}, "GET": {"GET", "404"}} {
				answer, _ := do(t, refused[0], s.url("/messages"), "x", "Content-Type", what)
				if !strings.HasPrefix(answer.Status, refused[1]) {
					t.Errorf("%s at a learned path: %s", what, answer.Status)
				}
			}
			stream.Body.Close()
			soon.Until(t, "the path is forgotten", func() bool { return s.handler.endpoints.none() })
			if after, _ := post(t, s.url("/messages?sessionId=a"), call); after.StatusCode != 404 {
				t.Errorf("afterwards: %s", after.Status)
			}
		})
	}
}

func TestLegacyForeignEndpoint(t *testing.T) {
	t.Parallel()
	var posts []seen
	to := legacyServer(t, func(string) string { return "https://evil.example/messages" }, &posts)
	s := serve(t, to.URL+"/sse")
	stream := open(t, t.Context(), "GET", s.url("/sse"), "")
	body, err := io.ReadAll(stream.Body)
	if err == nil || strings.Contains(string(body), "evil") {
		t.Errorf("A78: %q, %v", body, err)
	}
	if !strings.Contains(s.log.String(), "another origin") {
		t.Errorf("A78: the log says\n%s", s.log)
	}
}

// A changed profile keeps the socket; sessions opened under the old one go on.
func TestLegacySurvivesMount(t *testing.T) {
	t.Parallel()
	var posts []seen
	to := legacyServer(t, func(string) string { return "/messages?sessionId=a" }, &posts)
	s := serve(t, to.URL+"/sse")
	stream := open(t, t.Context(), "GET", s.url("/sse"), "")
	if _, err := io.ReadFull(stream.Body, make([]byte, 40)); err != nil {
		t.Fatal(err)
	}
	other := target(t, func(w http.ResponseWriter, r *http.Request) {})
	between := legacyServer(t, func(string) string { return "/elsewhere" }, &posts)
	s.mount(t, between.URL+"/sse")
	second := open(t, t.Context(), "GET", s.url("/sse"), "")
	if _, err := io.ReadFull(second.Body, make([]byte, 40)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		unmount := s.mount(t, other.URL+"/mcp")
		unmount()
	}
	s.mount(t, other.URL+"/mcp")
	if answer, _ := post(t, s.url("/messages?sessionId=a"), call); answer.StatusCode != 202 || len(posts) != 1 {
		t.Errorf("got %s", answer.Status)
	}
	if answer, _ := post(t, s.url("/mcp"), call); answer.StatusCode != 200 || other.hits.Load() != 1 {
		t.Errorf("new profile: %s", answer.Status)
	}
	stream.Body.Close()
	soon.Until(t, "the old session has ended", func() bool {
		answer, _ := post(t, s.url("/messages?sessionId=a"), call)
		return answer.StatusCode == 404
	})
}

// A GET that names a session is no legacy stream: an endpoint event is only data.
func TestEndpointEventOfASession(t *testing.T) {
	t.Parallel()
	const events = "event: endpoint\ndata: https://elsewhere.example/\n\n"
	to := target(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, events)
	})
	s := serve(t, to.URL)
	if _, body := do(t, "GET", s.url("/"), "", "Mcp-Session-Id", "s", "Accept", "text/event-stream"); body != events {
		t.Errorf("got %q", body)
	}
	if _, body := post(t, s.url("/"), call); body != events {
		t.Errorf("got %q", body)
	}
}
