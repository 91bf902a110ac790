package profile

import _ "embed"

//go:embed starter.yaml
var starter string

// Starter is the text of the file that a first start writes: comments and no profile.
// With schemaURL, the address of the JSON Schema, editors complete and explain its keys.
func Starter(schemaURL string) []byte {
	if schemaURL == "" {
		return []byte(starter)
	}
	return []byte("# yaml-language-server: $schema=" + schemaURL + "\n" + starter)
}
