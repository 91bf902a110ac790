package tokenstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

func FuzzSealed(f *testing.F) {
	key := newSealer(keyID{1, 2, 3}, make([]byte, keySize))
	good := key.seal("a", []byte("blob"))
	f.Add(good, "a")
	f.Add(good, "b")
	f.Add(good[:headerSize], "a")
	f.Add([]byte(magic), "")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, file []byte, account string) {
		blob, err := key.open(account, file)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) || blob != nil {
				t.Fatalf("%q, %v", blob, err)
			}
			return
		}
		if account != "a" || !bytes.Equal(file, good) && !bytes.Equal(blob, []byte("blob")) {
			t.Fatalf("opened what was never sealed: %x", file)
		}
	})
}

func FuzzKeyFile(f *testing.F) {
	for _, s := range []string{
		`{"version":1,"keys":[{"id":"0011223344556677","kind":"keyring"}]}`,
		`{"version":1,"keys":[{"id":"0011223344556677","kind":"file","argon2id":{"time":3,"memory":65536,"threads":4,"salt":"AAAAAAAAAAAAAAAAAAAAAA=="},"wrapped":"AAAA"}]}`,
		`{"version":2}`, `{}`, `[]`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parseKeyFile(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		out, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseKeyFile(out)
		if err != nil || len(again.Keys) != len(file.Keys) {
			t.Fatalf("%s does not survive its own marshalling: %v", data, err)
		}
		if e := file.entry(KindFile); e != nil && (e.Derive.Memory > 1<<20 || e.Derive.Time > 64) {
			t.Fatal("parameters that eat the machine")
		}
	})
}
