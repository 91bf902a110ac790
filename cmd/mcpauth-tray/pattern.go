package main

import (
	"regexp"
	"sync"
)

// lazily compiles a regular expression when it is first used. Most commands need none,
// and the bridge has to start quickly.
func lazily(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
