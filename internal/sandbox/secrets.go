package sandbox

import (
	"crypto/rand"
	"slices"
	"strings"
	"sync"
)

// secrets remembers every secret the sandbox ever handed out or was shown.
type secrets struct {
	mu  sync.Mutex
	all []string
}

// new makes a secret that is easy to find where it should not be.
func (s *secrets) new(kind string) string {
	v := random(kind)
	s.keep(v)
	return v
}

func random(kind string) string { return "sandbox-" + kind + "-" + strings.ToLower(rand.Text()) }

func (s *secrets) keep(v string) {
	if v == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, v)
}

// Secrets lists every access, refresh, ID and registration token, code, code
// verifier, device code and client secret so far: what must not be in a log.
func (s *Sandbox) Secrets() []string {
	s.secrets.mu.Lock()
	defer s.secrets.mu.Unlock()
	all := slices.Clone(s.secrets.all)
	slices.Sort(all)
	return slices.Compact(all)
}
