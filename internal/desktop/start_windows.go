package desktop

import "errors"

// startApp leaves it to the person: what a packaged client starts is packaged with it, and ends
// with it.
func startApp(string) error {
	return errors.New("on Windows a client's helper cannot start it")
}
