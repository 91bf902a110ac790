//go:build !windows

package desktop

import "strings"

// CommandLine is a command as a person would type it in a terminal: words that a shell
// would take apart or look into are in quotes.
func CommandLine(argv []string) string {
	words := make([]string, len(argv))
	for i, arg := range argv {
		words[i] = quote(arg)
	}
	return strings.Join(words, " ")
}

// quote makes one word of a POSIX shell (XCU 2.2.2): between single quotes nothing has
// a meaning but the next of them.
func quote(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:@%,"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
