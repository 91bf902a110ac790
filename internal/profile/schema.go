package profile

import (
	"bytes"
	"encoding/json"
	"sync"
)

// Schema is the JSON Schema (draft-07) of profiles.yaml, with the descriptions that
// editors show. schema.json in this folder is a copy that editors can fetch.
func Schema() []byte { return bytes.Clone(schemaText()) }

var schemaText = sync.OnceValue(func() []byte {
	root := table().schema()
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "profiles.yaml of mcpauth-tray"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		panic(err)
	}
	return b.Bytes()
})
