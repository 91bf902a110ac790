package desktop

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// OpenURL shows a web page in the person's browser. A BROWSER variable is the command
// to do it with, taken whole: it is found in PATH or is a path, it has no arguments of
// its own, runs without a shell and gets the address as its one argument. Without
// BROWSER the desktop's own way is used.
//
// Anything but an http or https address is refused. An error says that nothing was
// opened and how to go on; a command that is still running after a few seconds counts
// as a browser.
func OpenURL(address string) error {
	address, err := webAddress(address)
	if err != nil {
		return fmt.Errorf("not opened: %w", err)
	}
	command := os.Getenv("BROWSER")
	if command == "" {
		return openURL(address)
	}
	if err := launch(command, address); err != nil {
		return fmt.Errorf("the browser did not open: BROWSER: %w; BROWSER is one command without arguments", err)
	}
	return nil
}

// OpenFile shows a file in the program that the desktop has for it, an editor if it
// has none.
func OpenFile(path string) error {
	path, err := filepath.Abs(path) // never taken for an option
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return fmt.Errorf("not opened: %w", err)
	}
	return openFile(path)
}

// webAddress checks that address is http or https and escapes what RFC 3986, 2 does
// not allow in it, so that no program on the way finds a quote or a space in it.
func webAddress(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		// The error of Parse holds the whole address, and with it the sign-in's state.
		return "", errors.New("that is not a web address")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.ContainsAny(u.Host, " \"<>\\^`{|}%") {
		return "", errors.New("that is not an http or https address")
	}
	const allowed = "-._~:/?#[]@!$&'()*+,;=%"
	var out strings.Builder
	for i := range len(address) {
		c := address[i]
		switch {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', strings.IndexByte(allowed, c) >= 0:
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String(), nil
}
