package stdio

import "testing"

// The tool says what it does as things stand, and that it does something else now.
func TestToolSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	paused := Endpoint{State: SignedOut, Says: "test: paused", Action: "Resume", Code: 31010, Reason: "paused", Helps: "It can only say so."}
	locked := Endpoint{State: SignedOut, Says: "test: locked", Code: 31002, Reason: "secret_store_locked", Helps: "It asks for the key."}
	up := newApp(absent)
	w := dial(t, up)
	w.greet()
	for _, step := range []struct {
		now         Endpoint
		description string
	}{
		{absent, `mcpauth-tray is not running. Start it. Until it runs, this tool can only say so; then it starts the sign-in, if one is needed."`},
		{paused, `test: paused. Resume. It can only say so."`},
		{locked, `test: locked. It asks for the key."`},
		{signedOut, `test: a sign-in is needed. Sign in. This tool starts the sign-in: a page opens in the browser of the person at this computer, who confirms there."`},
		{absent, `mcpauth-tray is not running. Start it. Until it runs, this tool can only say so; then it starts the sign-in, if one is needed."`},
	} {
		if step.now != up.now {
			up.become(step.now)
			w.expect("notifications/tools/list_changed")
		}
		w.send(`{"jsonrpc":"2.0","id":"list","method":"tools/list"}`)
		w.expect(`"id":"list"`, `"description":"`+step.description)
	}
}
