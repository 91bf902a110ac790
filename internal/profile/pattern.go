package profile

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that is compiled when it is first used. Commands that
// read no profiles start without: one of them is the bridge, of which there are many.
type pattern struct {
	expr     string
	compiled func() *regexp.Regexp
}

func lazily(expr string) *pattern {
	return &pattern{expr, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })}
}

func (p *pattern) String() string { return p.expr }

func (p *pattern) MatchString(s string) bool { return p.compiled().MatchString(s) }

func (p *pattern) FindStringSubmatch(s string) []string { return p.compiled().FindStringSubmatch(s) }

func (p *pattern) FindStringSubmatchIndex(s string) []int {
	return p.compiled().FindStringSubmatchIndex(s)
}
