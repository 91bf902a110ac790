package sandbox

import (
	"crypto/subtle"
	"maps"
	"slices"
	"sync"
	"time"
)

// Client is an OAuth client the authorization server knows.
type Client struct {
	ID           string
	Secret       string // empty for a public client
	Auth         string // none, client_secret_post, client_secret_basic; empty: post or basic with a secret, else none
	RedirectURIs []string
	Grants       []string // grant types; default authorization_code and refresh_token
	Name         string

	registered    bool // by RFC 7591
	manage        string
	secretExpires time.Time
}

func (c *Client) allows(grant string) bool {
	if c.Grants == nil {
		return grant == grantCode || grant == grantRefresh
	}
	return slices.Contains(c.Grants, grant)
}

// grant is one sign-in: everything issued from it ends with it.
type grant struct {
	client   *Client
	subject  string
	resource string // byte for byte as asked for
	scopes   []string
	nonce    string
	person   bool // somebody signed in
	at       time.Time
	ended    bool
}

type code struct {
	*grant
	redirect  string
	challenge string
	expires   time.Time
	used      bool
}

type access struct {
	*grant
	token    string
	audience string
	scopes   []string
	issued   time.Time
	expires  time.Time
	ended    bool
}

type refresh struct {
	*grant
	rotated time.Time // zero: the current one
}

// store is what the authorization server remembers. It is lost when the sandbox ends.
type store struct {
	mu        sync.Mutex
	clients   map[string]*Client
	resources []string
	codes     map[string]*code
	access    map[string]*access
	refresh   map[string]*refresh
	pending   map[string]*pending // sign-in pages waiting for a person
	devices   map[string]*device  // device code → its sign-in
}

const (
	codeTTL     = time.Minute
	pendingTTL  = 10 * time.Minute
	keepEntries = 4096 // of each kind; a demo may run for days
)

// trim makes room in a full map: the dead entries go, or else any one.
func trim[V any](m map[string]V, dead func(V) bool) {
	if len(m) < keepEntries {
		return
	}
	maps.DeleteFunc(m, func(_ string, v V) bool { return dead(v) })
	for k := range m {
		if len(m) < keepEntries {
			return
		}
		delete(m, k)
	}
}

func (st *store) init(s *Sandbox) {
	st.clients = map[string]*Client{}
	st.codes, st.access, st.refresh = map[string]*code{}, map[string]*access{}, map[string]*refresh{}
	st.pending, st.devices = map[string]*pending{}, map[string]*device{}
	for _, c := range s.opts.Clients {
		st.clients[c.ID] = &c
		s.secrets.keep(c.Secret)
	}
}

func (st *store) addResources(rs ...string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.resources = append(st.resources, rs...)
}

func (st *store) client(id string) *Client {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.clients[id]
}

// live returns the access token if it is good at that time.
func (st *store) live(token string, now time.Time) *access {
	st.mu.Lock()
	defer st.mu.Unlock()
	a := st.access[token]
	if a == nil || a.ended || a.grant.ended || !now.Before(a.expires) {
		return nil
	}
	return a
}

// ExpireTokens makes the MCP server refuse every access token issued so far, though
// their clients think them good. Refresh tokens keep working.
func (s *Sandbox) ExpireTokens() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, a := range s.store.access {
		a.ended = true
	}
}

// RevokeAll ends every sign-in: no access or refresh token issued so far works any more.
func (s *Sandbox) RevokeAll() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, a := range s.store.access {
		a.grant.ended = true
	}
	for _, r := range s.store.refresh {
		r.grant.ended = true
	}
	for _, c := range s.store.codes {
		c.grant.ended = true
	}
}

// ForgetClients makes every dynamically registered client unknown (invalid_client).
func (s *Sandbox) ForgetClients() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for id, c := range s.store.clients {
		if c.registered {
			delete(s.store.clients, id)
		}
	}
}

// Live says whether the access or refresh token would still be accepted.
func (s *Sandbox) Live(token string) bool {
	if s.store.live(token, s.now()) != nil {
		return true
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	r := s.store.refresh[token]
	return r != nil && !r.ended && (r.rotated.IsZero() || s.now().Before(r.rotated.Add(s.opts.Grace)))
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
