package tokenstore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
)

// A sealed file is
//
//	magic (8 bytes) · format version (1) · id of the key (8) · nonce (12) · AES-256-GCM ciphertext and tag
//
// with everything up to the nonce and the account as additional data, so that a
// file copied over another account's cannot be opened.
const (
	magic      = "mcpauth\x00"
	sealedV1   = 1
	keyIDSize  = 8
	keySize    = 32
	headerSize = len(magic) + 1 + keyIDSize

	maxBlob = 8 << 20 // bytes; a record is a few kilobytes
)

// keyID names a key without saying anything of it.
type keyID [keyIDSize]byte

func newKeyID() keyID {
	var id keyID
	rand.Read(id[:])
	return id
}

func (id keyID) String() string { return hex.EncodeToString(id[:]) }

func (id keyID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

func (id *keyID) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(keyIDSize) {
		return fmt.Errorf("key id has %d characters", len(text))
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// sealer seals and opens with one key.
type sealer struct {
	id   keyID
	aead cipher.AEAD
}

// newSealer takes a key of keySize bytes and leaves it to the caller to clear it.
func newSealer(id keyID, key []byte) *sealer {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length is not 16, 24 or 32
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // the block size is not 16
	}
	return &sealer{id: id, aead: aead}
}

// Format keeps the key out of whatever prints a sealer.
func (s *sealer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealer("+s.id.String()+")") }

func (s *sealer) header() []byte {
	return append(append([]byte(magic), sealedV1), s.id[:]...)
}

func (s *sealer) seal(account string, blob []byte) []byte {
	header := s.header()
	return append(header, s.aead.Seal(nil, nil, blob, append(header, account...))...)
}

// open returns the blob sealed for account, or ErrCorrupt with the reason.
func (s *sealer) open(account string, file []byte) ([]byte, error) {
	id, err := parseHeader(file)
	if err != nil {
		return nil, err
	}
	if id != s.id {
		return nil, fail(ErrCorrupt, "it was saved with another key or another token_store", nil)
	}
	header := s.header()
	blob, err := s.aead.Open(nil, nil, file[headerSize:], append(header, account...))
	if err != nil {
		return nil, fail(ErrCorrupt, "the file is damaged or belongs to another account", nil)
	}
	return blob, nil
}

// parseHeader returns the id of the key a file was sealed with.
func parseHeader(file []byte) (keyID, error) {
	var id keyID
	rest, ours := bytes.CutPrefix(file, []byte(magic))
	switch {
	case !ours || len(rest) < headerSize-len(magic):
		return id, fail(ErrCorrupt, "the file is not one of ours or cut short", nil)
	case rest[0] > sealedV1:
		return id, &failure{kind: ErrCorrupt, detail: "a newer version of this program wrote it", hint: "update the program, or sign in again; the newer file is kept"}
	case rest[0] != sealedV1:
		return id, fail(ErrCorrupt, "the file has an impossible version", nil)
	}
	copy(id[:], rest[1:])
	return id, nil
}
