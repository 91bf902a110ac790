package stdio

import "testing"

// The app starts and wants a sign-in: the tool that the client knows says so now.
func TestAppIsStartedLaterAndSignedOut(t *testing.T) {
	t.Parallel()
	up := newApp(absent)
	w := dial(t, up)
	w.greet()
	w.send(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	w.expect(`"id":1`, "sign_in_to_test", "Until it runs")
	up.become(Endpoint{State: Settling, Says: "test: starting", Code: 31019})
	up.become(signedOut)
	w.expect("notifications/tools/list_changed")
	w.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
	w.expect(`"id":2`, "sign_in_to_test", "a sign-in is needed", "This tool starts the sign-in")
}
