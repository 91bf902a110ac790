package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// key signs tokens (ES256).
type key struct {
	id      string
	private *ecdsa.PrivateKey
}

func newKey() (key, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return key{}, fmt.Errorf("sandbox: signing key: %w", err)
	}
	return key{rand.Text()[:8], k}, nil
}

// jwk is the public half (RFC 7517).
func (k key) jwk() (object, error) {
	point, err := k.private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return object{
		{"kty", "EC"}, {"crv", "P-256"}, {"use", "sig"}, {"alg", "ES256"}, {"kid", k.id},
		{"x", b64(point[1:33])}, {"y", b64(point[33:])},
	}, nil
}

// keyRing holds the key in use and the keys still published.
type keyRing struct {
	mu        sync.Mutex
	current   key
	published []key
}

func (r *keyRing) rotate(overlap bool) error {
	k, err := newKey()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !overlap {
		r.published = nil
	}
	r.current = k
	r.published = append(r.published, k)
	return nil
}

func (r *keyRing) jwks() (object, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var keys []object
	for _, k := range r.published {
		j, err := k.jwk()
		if err != nil {
			return nil, err
		}
		keys = append(keys, j)
	}
	return object{{"keys", keys}}, nil
}

// RotateKeys signs with a new key from now on. With overlap the old ones stay published.
func (s *Sandbox) RotateKeys(overlap bool) error { return s.keys.rotate(overlap) }

// SignJWT signs claims with the current key; typ is the header of that name. It makes
// tokens the authorization server would never issue.
func (s *Sandbox) SignJWT(typ string, claims map[string]any) (string, error) {
	s.keys.mu.Lock()
	k := s.keys.current
	s.keys.mu.Unlock()
	return s.sign(k, typ, claims)
}

func (s *Sandbox) sign(k key, typ string, claims map[string]any) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims(claims))
	t.Header["kid"], t.Header["typ"] = k.id, typ
	signed, err := t.SignedString(k.private)
	if err != nil {
		return "", fmt.Errorf("sandbox: signing: %w", err)
	}
	s.secrets.keep(signed)
	return signed, nil
}
