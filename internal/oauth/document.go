package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
)

// document is a JSON object from a server. A member of the wrong type counts as absent:
// one odd member must not cost a whole document.
type document map[string]json.RawMessage

func parseDocument(r *reply) (document, error) {
	if r.cut != nil {
		return nil, r.cut
	}
	var d document
	if err := json.Unmarshal(bytes.TrimPrefix(r.body, []byte("\xef\xbb\xbf")), &d); err != nil || d == nil {
		return nil, errors.New("its answer is not a JSON document")
	}
	return d, nil
}

func (d document) text(name string) string {
	var s string
	if json.Unmarshal(d[name], &s) != nil {
		return ""
	}
	return s
}

func (d document) flag(name string) bool {
	var b bool
	return json.Unmarshal(d[name], &b) == nil && b
}

// list reads an array of strings; nil when the member is absent or something else.
func (d document) list(name string) []string {
	var l []string
	if json.Unmarshal(d[name], &l) != nil {
		return nil
	}
	const most = 1000
	return l[:min(len(l), most)]
}
