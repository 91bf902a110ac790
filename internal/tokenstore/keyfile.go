package tokenstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

const keyFileV1 = 1

// keyFile is tokens/store.json: which keys the sealed files need and where each is.
// It holds no secret that opens anything by itself.
type keyFile struct {
	Version int        `json:"version"`
	Keys    []keyEntry `json:"keys"` // at most one of a kind
}

// keyEntry is one key. For KindKeyring the id names the keyring item; for KindFile
// the key is here, wrapped by one derived from the passphrase.
type keyEntry struct {
	ID      keyID    `json:"id"`
	Kind    string   `json:"kind"`
	Derive  *argon2p `json:"argon2id,omitempty"`
	Wrapped []byte   `json:"wrapped,omitempty"`
}

// entry returns the key of that kind, or nil.
func (f *keyFile) entry(kind string) *keyEntry {
	for i := range f.Keys {
		if f.Keys[i].Kind == kind {
			return &f.Keys[i]
		}
	}
	return nil
}

func (f *keyFile) has(id keyID) bool {
	return slices.ContainsFunc(f.Keys, func(e keyEntry) bool { return e.ID == id })
}

// parseKeyFile refuses what it does not fully understand: a key that is taken for
// another one would orphan every file sealed with it.
func parseKeyFile(data []byte) (*keyFile, error) {
	var head struct{ Version int }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, badKeyFile("it is not JSON", err)
	}
	if head.Version > keyFileV1 {
		return nil, &failure{kind: ErrCorrupt, detail: "store.json is of a newer version of this program", hint: "update the program"}
	}
	if head.Version != keyFileV1 {
		return nil, badKeyFile("it has no version", nil)
	}
	f := new(keyFile)
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	if err := strict.Decode(f); err != nil {
		return nil, badKeyFile("it is not as this program writes it", err)
	}
	seen := map[string]bool{}
	for _, e := range f.Keys {
		if seen[e.Kind] {
			return nil, badKeyFile(fmt.Sprintf("it has two keys of kind %q", e.Kind), nil)
		}
		seen[e.Kind] = true
		if e.Kind != KindFile {
			continue
		}
		if err := e.Derive.check(); err != nil {
			return nil, badKeyFile(err.Error(), nil)
		}
	}
	return f, nil
}

func badKeyFile(detail string, cause error) error {
	return &failure{kind: ErrCorrupt, detail: "store.json: " + detail, cause: cause,
		hint: "put the file back, or move the tokens folder away and sign in again"}
}

// readKeys returns store.json, an empty one when nothing was ever saved.
func (d *disk) readKeys() (*keyFile, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	data, err := readFile(d.keyFile())
	if errors.Is(err, fs.ErrNotExist) {
		return d.noKeys()
	}
	if err != nil {
		return nil, diskError("cannot read the store's keys", err)
	}
	return parseKeyFile(data)
}

func (d *disk) noKeys() (*keyFile, error) {
	names, err := d.sealedFiles()
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return nil, badKeyFile("it is missing and there are saved sign-ins", nil)
	}
	return &keyFile{Version: keyFileV1}, nil
}

// addKey returns the key of that kind and adds a new one, completed by fill, when
// there is none. The caller holds lockWriters.
func (d *disk) addKey(kind string, fill func(*keyEntry)) (*keyEntry, error) {
	file, err := d.readKeys()
	if err != nil {
		return nil, err
	}
	if entry := file.entry(kind); entry != nil {
		return entry, nil
	}
	entry := keyEntry{ID: newKeyID(), Kind: kind}
	fill(&entry)
	file.Keys = append(file.Keys, entry)
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("store.json: %w; report this", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := write(d.keyFile(), append(data, '\n')); err != nil {
		return nil, diskError("cannot save the store's keys", err)
	}
	return &entry, nil
}

// sealedWith reports whether any file needs the key id.
func (d *disk) sealedWith(id keyID) (bool, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	names, err := d.sealedFiles()
	if err != nil {
		return false, err
	}
	for _, name := range names {
		data, err := readFile(name)
		if err != nil {
			return false, diskError("cannot read a saved sign-in", err)
		}
		if got, err := parseHeader(data); err == nil && got == id {
			return true, nil
		}
	}
	return false, nil
}
