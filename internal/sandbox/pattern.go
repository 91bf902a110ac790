package sandbox

import (
	"regexp"
	"sync"
)

// lazily compiles a regular expression when it is first used: most commands need none.
func lazily(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
