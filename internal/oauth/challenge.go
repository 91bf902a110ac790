package oauth

import "strings"

// challenge is one challenge of a WWW-Authenticate header (RFC 9110 §11.6.1).
type challenge struct {
	scheme  string            // lower case
	token68 string            // instead of params
	params  map[string]string // names in lower case; the first of a name counts
}

// Bounds of what is read of one answer's challenges.
const (
	maxChallenges      = 16
	maxChallengeParams = 32
)

// parseChallenges reads all values of WWW-Authenticate. What cannot be read is skipped
// up to the next comma.
func parseChallenges(values []string) []challenge {
	var all []challenge
	for _, v := range values {
		p := challengeParser{rest: v}
		for len(all) < maxChallenges {
			c, ok := p.challenge()
			if !ok {
				break
			}
			all = append(all, c)
		}
	}
	return all
}

type challengeParser struct{ rest string }

// challenge reads the next challenge, false at the end of the value.
func (p *challengeParser) challenge() (challenge, bool) {
	for {
		p.skip(" \t,")
		if p.rest == "" {
			return challenge{}, false
		}
		if scheme := p.token(); scheme != "" && (p.rest == "" || p.at(" \t,")) {
			c := challenge{scheme: strings.ToLower(scheme), params: map[string]string{}}
			p.skip(" \t")
			if c.token68 = p.token68(); c.token68 == "" {
				p.params(c.params)
			}
			return c, true
		}
		p.toComma()
	}
}

// params reads auth-params until something that is none: the next scheme.
func (p *challengeParser) params(into map[string]string) {
	for {
		p.skip(" \t,")
		before := p.rest
		name := p.token()
		p.skip(" \t")
		if name == "" || !strings.HasPrefix(p.rest, "=") {
			p.rest = before
			if name == "" && p.rest != "" {
				p.toComma()
				continue
			}
			return
		}
		p.rest = p.rest[1:]
		p.skip(" \t")
		value, ok := p.value()
		if !ok {
			p.toComma()
			continue
		}
		name = strings.ToLower(name)
		if _, again := into[name]; !again && len(into) < maxChallengeParams {
			into[name] = value
		}
	}
}

func (p *challengeParser) value() (string, bool) {
	if !strings.HasPrefix(p.rest, `"`) {
		// URLs and scopes arrive unquoted from some servers: read up to the comma.
		end := strings.IndexAny(p.rest, ", \t")
		if end < 0 {
			end = len(p.rest)
		}
		v := p.rest[:end]
		p.rest = p.rest[end:]
		return v, v != ""
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case '\\':
			if i++; i == len(p.rest) {
				break
			}
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	p.rest = ""
	return "", false
}

// token68 reads a token68 that ends the challenge, empty when there is none.
func (p *challengeParser) token68() string {
	end := 0
	for end < len(p.rest) && isToken68(p.rest[end]) {
		end++
	}
	if end == 0 {
		return ""
	}
	for end < len(p.rest) && p.rest[end] == '=' {
		end++
	}
	after := strings.TrimLeft(p.rest[end:], " \t")
	if after != "" && after[0] != ',' {
		return ""
	}
	v := p.rest[:end]
	p.rest = after
	return v
}

func (p *challengeParser) token() string {
	end := 0
	for end < len(p.rest) && isTokenChar(p.rest[end]) {
		end++
	}
	t := p.rest[:end]
	p.rest = p.rest[end:]
	return t
}

func (p *challengeParser) skip(set string) { p.rest = strings.TrimLeft(p.rest, set) }

func (p *challengeParser) at(set string) bool {
	return p.rest != "" && strings.IndexByte(set, p.rest[0]) >= 0
}

// toComma skips what cannot be read, quoted strings as a whole.
func (p *challengeParser) toComma() {
	quoted := false
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			p.rest = p.rest[i:]
			return
		}
	}
	p.rest = ""
}

func isTokenChar(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isToken68(c byte) bool { return isAlphanumeric(c) || strings.IndexByte("-._~+/", c) >= 0 }

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// bearerChallenge is what a Bearer challenge says (RFC 6750 §3, RFC 9728 §5.1).
type bearerChallenge struct {
	present  bool
	metadata string // resource_metadata
	scopes   []string
	err      string
}

// readBearer picks the Bearer challenge that says where the metadata is, else the first.
func readBearer(values []string) bearerChallenge {
	var picked bearerChallenge
	for _, c := range parseChallenges(values) {
		if c.scheme != "bearer" {
			continue
		}
		b := bearerChallenge{
			present:  true,
			metadata: c.params["resource_metadata"],
			scopes:   splitScopes(c.params["scope"]),
			err:      c.params["error"],
		}
		if b.metadata != "" {
			return b
		}
		if !picked.present {
			picked = b
		}
	}
	return picked
}
